"""Tasks whose runner cannot do what they are there for: told by `check`, before Airflow would meet them."""

from collections.abc import Iterator, Mapping, Sequence

from dbt_af_k8s.config.settings_runners import DBT_API, EKS_POD, GKE_POD, KUBERNETES_POD
from dbt_af_k8s.errors import Issue, error, warning
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import REPEATING_KINDS, DagKind, DagPlan, TaskKind, TaskPlan
from dbt_af_k8s.route.runners import Work, can_do

_PODS = (KUBERNETES_POD, GKE_POD, EKS_POD)
_WORK_OF_DAG: Mapping[DagKind, Work] = {
    DagKind.BACKFILL: Work.BACKFILL,
    DagKind.MAINTENANCE: Work.MAINTENANCE,
    DagKind.RUN_MODEL: Work.SELECTION,
}
#: How to go without that work. A gate stands in a domain's own DAG and goes by a setting of its own.
_WAY_OUT: Mapping[Work, str] = {
    Work.NODES: "exclude those nodes",
    Work.BACKFILL: "name another one in `targets.backfill` or the node's `bf_cluster`, or leave `backfill` out of "
    "`dags.kinds`",
    Work.MAINTENANCE: "name another one in `targets.maintenance`, or leave `maintenance` out of `dags.kinds`",
    Work.FRESHNESS: "name another one in the source's `dbt_target`, or set `freshness.gate` to false and leave "
    "`freshness` out of `dags.kinds`",
    Work.SELECTION: "name another one in `targets.default`, or leave `run_model` out of `dags.kinds`",
}


def runner_faults(inputs: PlanInputs, dags: Sequence[DagPlan]) -> Mapping[str, tuple[Issue, ...]]:
    """By domain: the tasks that would be given to a runner which cannot do them, one error for each DAG and target."""
    found: dict[str, list[Issue]] = {}
    for dag in dags:
        found.setdefault(dag.domain, []).extend((*_lost_env(inputs, dag), *_lost_artifacts(inputs, dag)))
        asked: dict[tuple[str, str, Work], list[TaskPlan]] = {}
        for task in dag.tasks:
            work = _work(dag, task)
            if task.dbt is not None and task.runner and not can_do(task.runner, work):
                asked.setdefault((task.target or "default", task.runner, work), []).append(task)
        for (target, runner, work), tasks in sorted(asked.items()):
            message = (
                f"{_told(tasks)} of DAG `{dag.dag_id}` {'run' if len(tasks) > 1 else 'runs'} on target `{target}` by "
                f"runner `{runner}`, which does not do {work} yet."
            )
            issue = error(
                "runner-cannot",
                message,
                f"Give target `{target}` (or a node that names its own) the runner `local`, {_WAY_OUT[work]}.",
                file=inputs.settings_file,
                node=next((node for task in tasks for node in task.nodes), None),
                key="runners",
            )
            found.setdefault(dag.domain, []).append(issue)
    return {domain: tuple(found[domain]) for domain in sorted(found) if found[domain]}


def _lost_env(inputs: PlanInputs, dag: DagPlan) -> Iterator[Issue]:
    """Nodes whose variables cannot reach their dbt: a server gives its own environment to it."""
    if dag.kind in REPEATING_KINDS:
        return
    for task in dag.tasks:
        if task.dbt is not None and task.dbt.env and task.runner == DBT_API:
            names = ", ".join(f"`{name}`" for name, _ in task.dbt.env)
            node = inputs.manifest.nodes.get(task.nodes[0])
            yield error(
                "env-not-sent",
                f"`env` gives {names}, and dbt runs on a server (runner `{DBT_API}`), whose environment is its own.",
                "Set them where the server runs, or use dbt vars; or give the node another runner.",
                file=inputs.settings_file if node is None else node.file,
                node=task.nodes[0],
                key="env",
            )


def _lost_artifacts(inputs: PlanInputs, dag: DagPlan) -> Iterator[Issue]:
    """Pods, whose artefacts go with them, where the settings say that a task fails whose artefacts are not sent."""
    integrations = inputs.settings.integrations
    if integrations.artifacts is None or not integrations.artifacts_required:
        return
    asked = (task for task in dag.tasks if task.dbt is not None and task.kind is not TaskKind.FRESHNESS)
    lost = [task for task in asked if task.runner in _PODS]
    for runner in sorted({str(task.runner) for task in lost}):
        tasks = [task for task in lost if task.runner == runner]
        yield error(
            "artifacts-not-sent",
            f"{_told(tasks)} of DAG `{dag.dag_id}` {'run' if len(tasks) > 1 else 'runs'} by runner `{runner}`, where "
            "dbt's artefacts stay in the pod, and each task would fail without them.",
            "Set `required` of `integrations.monte_carlo` to false, or give the target another runner.",
            file=inputs.settings_file,
            node=next((node for task in tasks for node in task.nodes), None),
            key="integrations.monte_carlo.required",
        )


def without_selection_dag(inputs: PlanInputs, dags: Sequence[DagPlan]) -> tuple[tuple[DagPlan, ...], tuple[Issue, ...]]:
    """The DAGs that run a selection, but for those whose runner cannot; these are told, and nothing else is missing."""
    faults = runner_faults(inputs, dags)
    kept = tuple(dag for dag in dags if dag.domain not in faults)
    told = (issue for issues in faults.values() for issue in issues)
    return kept, tuple(
        warning(issue.code, f"{issue.message} The DAG is left out.", issue.fix, file=issue.file, key=issue.key)
        for issue in told
    )


def _work(dag: DagPlan, task: TaskPlan) -> Work:
    if task.kind is TaskKind.FRESHNESS:
        return Work.FRESHNESS
    return _WORK_OF_DAG.get(dag.kind, Work.NODES)


def _told(tasks: Sequence[TaskPlan]) -> str:
    if len(tasks) == 1:
        return f"Task `{tasks[0].task_id}`"
    more = f" and {len(tasks) - 3} more" if len(tasks) > 3 else ""
    return f"{len(tasks)} tasks ({', '.join(f'`{task.task_id}`' for task in tasks[:3])}{more})"
