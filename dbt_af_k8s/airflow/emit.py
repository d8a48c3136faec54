"""A planned DAG as an Airflow DAG. Nothing is decided here: every value comes from the plan."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, CronDataIntervalTimetable, TaskGroup

from dbt_af_k8s.airflow.by_name import made_in_python
from dbt_af_k8s.airflow.form import form_of
from dbt_af_k8s.airflow.integrations.callbacks import Hooks
from dbt_af_k8s.airflow.operators import make_operator
from dbt_af_k8s.airflow.waits.pass_on import pass_on_not_built
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.k8s.names import POD_OVERRIDE
from dbt_af_k8s.plan.first_runs import tasks_after_waits
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import DagPlan, TaskPlan

#: A skipped upstream task is no reason to stop; a failed one is.
_TRIGGER_RULE = "none_failed"
#: Airflow doubles the delay after every try; 0 would keep it.
_DOUBLE = 2.0


def emit_dag(plan: DagPlan, project: DbtProject, request: PlanRequest | None = None) -> DAG:
    """Build the DAG of a plan.

    `project` is where the dbt project lies on the workers, and `request` how the plan was made, for those tasks that
    look at the project itself (a backfill evaluates the selection of its form); by default, from the project alone.

    Raises `PlanInvariantError` where the plan holds what cannot be built, and `ProjectError` where callbacks are not
    found.
    """
    asked = request or PlanRequest(project.project_dir, profiles_dir=project.profiles_dir)
    with garbage_collection_paused():
        hooks = Hooks(plan.callbacks, made_in_python(asked), project.project_dir)
        dag = _empty_dag(plan, hooks)
        groups: dict[str, TaskGroup] = {}
        for task in plan.tasks:
            if task.group is not None and task.group not in groups:
                groups[task.group] = TaskGroup(task.group, prefix_group_id=False, dag=dag)
        settings = {task.task_id: _airflow_settings(task, dag, groups, hooks) for task in plan.tasks}
        tasks = {task.task_id: make_operator(task, plan, project, asked, settings[task.task_id]) for task in plan.tasks}
        for task_id in sorted(tasks_after_waits(plan)):
            # As its own method: of a function among the arguments Airflow stores the source, for each task anew, which
            # takes longer than all the rest and makes a new version of every DAG when this library's code changes.
            setattr(tasks[task_id], "pre_execute", pass_on_not_built(plan, task_id))  # noqa: B010  a method, for mypy
        for task in plan.tasks:
            _connect(tasks, task)
        # Last, since every task copies the params that its DAG has by then, and Airflow stores each copy. At run
        # time a task gets the DAG's params anyway.
        dag.params = form_of(plan)
    return dag


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Building makes many objects and drops none: looking for garbage costs a quarter of the time and finds nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _empty_dag(plan: DagPlan, hooks: Hooks) -> DAG:
    limits: dict[str, Any] = {} if plan.max_active_tasks is None else {"max_active_tasks": plan.max_active_tasks}
    return DAG(
        plan.dag_id,
        # Never a bare cron: Airflow would make runs whose data interval has no length.
        schedule=None if plan.schedule is None else CronDataIntervalTimetable(plan.schedule, timezone=plan.timezone),
        start_date=plan.start_date,
        catchup=plan.catchup,
        max_active_runs=plan.max_active_runs,
        tags=list(plan.tags),
        doc_md=plan.doc_md or None,
        default_args={"owner": plan.owner},
        render_template_as_native_obj=False,
        **limits,
        **hooks.of_dag,
    )


def _airflow_settings(task: TaskPlan, dag: DAG, groups: Mapping[str, TaskGroup], hooks: Hooks) -> dict[str, Any]:
    """What every operator takes; left out where Airflow's own default is meant."""
    settings: dict[str, Any] = {
        "dag": dag,
        # Airflow takes nothing but success right after a setup task.
        "trigger_rule": _TRIGGER_RULE if task.cluster is None else "all_success",
        "weight_rule": "absolute",
        "retries": task.retry.retries,
        "retry_delay": timedelta(seconds=task.retry.delay),
        **hooks.of_task(task.kind.value),
    }
    if task.retry.exponential_backoff:
        settings["retry_exponential_backoff"] = _DOUBLE
        settings["max_retry_delay"] = timedelta(seconds=task.retry.max_delay)
    optional: dict[str, Any] = {
        "task_group": None if task.group is None else groups[task.group],
        "task_display_name": task.display_name,
        "owner": task.owner,
        "pool": task.pool,
        "queue": task.queue,
        "executor": task.executor,
        "executor_config": None if task.executor_config is None else _executor_config(task.executor_config),
        "priority_weight": task.priority_weight,
        "max_active_tis_per_dag": task.max_active,
    }
    settings.update((name, value) for name, value in optional.items() if value is not None)
    return settings


def _executor_config(written: Mapping[str, Any]) -> dict[str, Any]:
    """As written, but the pod override of the KubernetesExecutor, which wants an object of the Kubernetes client."""
    config = dict(written)
    if isinstance(config.get(POD_OVERRIDE), Mapping):
        # Only a DAG with such a task pays for the import.
        from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

        config[POD_OVERRIDE] = PodGenerator.deserialize_model_dict(dict(config[POD_OVERRIDE]))
    return config


def _connect(tasks: Mapping[str, BaseOperator], task: TaskPlan) -> None:
    """Write the edges as ids on both ends: `>>` hashes the whole DAG for each edge."""
    tasks[task.task_id].upstream_task_ids.update(task.upstream)
    for upstream in task.upstream:
        tasks[upstream].downstream_task_ids.add(task.task_id)
