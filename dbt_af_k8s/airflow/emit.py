"""A planned DAG as an Airflow DAG. Nothing is decided here: every value comes from the plan."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from airflow.sdk import DAG, BaseOperator, CronDataIntervalTimetable, Param, TaskGroup
from airflow.sdk.definitions.param import ParamsDict

from dbt_af_k8s.airflow.broken import BrokenDomainOperator
from dbt_af_k8s.airflow.dbt_operator import DbtOperator
from dbt_af_k8s.airflow.interval import END_FIELD, START_FIELD
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.errors import PlanInvariantError
from dbt_af_k8s.plan.values import DagPlan, TaskKind, TaskPlan

#: A skipped upstream task is no reason to stop; a failed one is.
_TRIGGER_RULE = "none_failed"
#: Airflow doubles the delay after every try; 0 would keep it.
_DOUBLE = 2.0


def emit_dag(plan: DagPlan, project: DbtProject) -> DAG:
    """Build the DAG of a plan. `project` is where the dbt project lies on the workers.

    Raises `PlanInvariantError` where the plan holds what cannot be built.
    """
    with garbage_collection_paused():
        dag = _empty_dag(plan)
        groups: dict[str, TaskGroup] = {}
        for task in plan.tasks:
            if task.group is not None and task.group not in groups:
                groups[task.group] = TaskGroup(task.group, prefix_group_id=False, dag=dag)
        tasks = {
            task.task_id: _operator(task, plan, project, _airflow_settings(task, dag, groups)) for task in plan.tasks
        }
        for task in plan.tasks:
            _connect(tasks, task)
        # Last, since every task copies the params that its DAG has by then, and Airflow stores each copy. At run
        # time a task gets the DAG's params anyway.
        dag.params = _form()
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


def _empty_dag(plan: DagPlan) -> DAG:
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
    )


def _form() -> ParamsDict:
    """The form of a run by hand, empty by default."""
    return ParamsDict(
        {
            START_FIELD: _moment_field("Begin", "begin (inclusive)"),
            END_FIELD: _moment_field("End", "end (exclusive)"),
        }
    )


def _moment_field(title: str, meaning: str) -> Param:
    text = (
        f"The {meaning} of the data interval, ISO 8601 (`2026-03-29T00:00:00+00:00`; without an offset: the DAG's time "
        "zone). Leave both fields empty for the last full interval."
    )
    return Param(None, type=["null", "string"], title=f"{title} of the data interval", description=text)


def _airflow_settings(task: TaskPlan, dag: DAG, groups: Mapping[str, TaskGroup]) -> dict[str, Any]:
    """What every operator takes; left out where Airflow's own default is meant."""
    settings: dict[str, Any] = {
        "dag": dag,
        "trigger_rule": _TRIGGER_RULE,
        "weight_rule": "absolute",
        "retries": task.retry.retries,
        "retry_delay": timedelta(seconds=task.retry.delay),
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
        "executor_config": None if task.executor_config is None else dict(task.executor_config),
        "priority_weight": task.priority_weight,
        "max_active_tis_per_dag": task.max_active,
    }
    settings.update((name, value) for name, value in optional.items() if value is not None)
    return settings


def _operator(task: TaskPlan, plan: DagPlan, project: DbtProject, settings: dict[str, Any]) -> BaseOperator:
    make = _MAKERS.get(task.kind)
    if make is None:
        raise PlanInvariantError(
            f"DAG {plan.dag_id}: no operator is known for task {task.task_id} of kind {task.kind}."
        )
    return make(task, plan, project, settings)


def _dbt(task: TaskPlan, plan: DagPlan, project: DbtProject, settings: dict[str, Any]) -> BaseOperator:
    if task.dbt is None or task.runner not in (None, "local"):
        raise PlanInvariantError(
            f"DAG {plan.dag_id}: task {task.task_id} has no dbt command for the runner {task.runner}."
        )
    return DbtOperator(
        task_id=task.task_id,
        invocation=task.dbt,
        project=project,
        cron=plan.schedule,
        timezone=plan.timezone,
        enable_from=task.enable_from,
        disable_from=task.disable_from,
        execution_timeout=_seconds(task.timeout),
        **settings,
    )


def _wait(task: TaskPlan, plan: DagPlan, project: DbtProject, settings: dict[str, Any]) -> BaseOperator:
    from dbt_af_k8s.airflow.wait import DbtWaitSensor

    if task.waits_for is None or task.poke is None or task.timeout is None:
        raise PlanInvariantError(f"DAG {plan.dag_id}: task {task.task_id} does not say what it waits for, or how long.")
    return DbtWaitSensor(
        task_id=task.task_id,
        waits_for=task.waits_for,
        cron=plan.schedule,
        timezone=plan.timezone,
        poke_interval=task.poke,
        timeout=task.timeout,
        deferrable=task.deferrable,
        **settings,
    )


def _endpoint(task: TaskPlan, plan: DagPlan, project: DbtProject, settings: dict[str, Any]) -> BaseOperator:
    if plan.is_broken:
        return BrokenDomainOperator(task_id=task.task_id, problems=plan.problems, **{**settings, "retries": 0})
    from airflow.providers.standard.operators.empty import EmptyOperator

    return EmptyOperator(task_id=task.task_id, **settings)


#: What makes the operator of a task, by its kind. Kinds that the plan cannot hold yet are not here.
_MAKERS: Mapping[TaskKind, Callable[[TaskPlan, DagPlan, DbtProject, dict[str, Any]], BaseOperator]] = MappingProxyType(
    {
        TaskKind.RUN: _dbt,
        TaskKind.SEED: _dbt,
        TaskKind.SNAPSHOT: _dbt,
        TaskKind.TEST: _dbt,
        TaskKind.WAIT: _wait,
        TaskKind.ENDPOINT: _endpoint,
    }
)


def _seconds(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _connect(tasks: Mapping[str, BaseOperator], task: TaskPlan) -> None:
    """Write the edges as ids on both ends: `>>` hashes the whole DAG for each edge."""
    tasks[task.task_id].upstream_task_ids.update(task.upstream)
    for upstream in task.upstream:
        tasks[upstream].downstream_task_ids.add(task.task_id)
