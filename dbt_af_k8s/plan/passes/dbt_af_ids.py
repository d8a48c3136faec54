"""`dags.task_ids: dbt_af`: the task ids of dbt-af, for teams that bring the history of their DAGs along.

dbt-af puts a node with blocking tests, an enable window or a Tableau refresh into a task group `<node>__group`, whose
name Airflow puts before the task ids in it; waits are in one group per upstream DAG, medium tests in one per DAG. With
`tests.per: test` its tests have ids of their own, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dbt_af_k8s.names import legal_id, shortened
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.passes.layout import MEDIUM_GROUP
from dbt_af_k8s.plan.values import DagKind, DagPlan, TaskKind, TaskPlan, TaskRef

#: dbt-af's names of maintenance operations in task ids.
_OPERATIONS: Mapping[str, str] = {
    "ttl": "set_ttl_on_table",
    "deduplicate": "deduplicate_table",
    "optimize": "optimize_table",
    "vacuum": "vacuum_table",
    "persist_docs": "persist_docs",
}

_BUILDS = (TaskKind.RUN, TaskKind.SEED, TaskKind.SNAPSHOT)
_MARKED = (TaskKind.RUN, TaskKind.SNAPSHOT)


def as_dbt_af(dags: Sequence[DagPlan], decisions: Decisions) -> tuple[DagPlan, ...]:
    """The same DAGs under dbt-af's task ids; waits and edges follow."""
    tasks = {dag.dag_id: _by_task(dag, decisions) for dag in dags}
    ids = {TaskRef(dag_id, old): task.task_id for dag_id, renamed in tasks.items() for old, task in renamed.items()}
    return tuple(
        replace(dag, tasks=tuple(_connected(task, dag.dag_id, ids) for task in tasks[dag.dag_id].values()))
        for dag in dags
    )


def _by_task(dag: DagPlan, decisions: Decisions) -> Mapping[str, TaskPlan]:
    """Each task by its plain id, with its new id and group."""
    found: dict[str, TaskPlan] = {}
    refreshed = frozenset(task.refresh.of for task in dag.tasks if task.refresh and not task.nodes)
    builders = {task.nodes[0]: task for task in dag.tasks if task.kind in _BUILDS and task.nodes}
    taken: set[str] = set()
    marked = _marked(dag)
    for task in dag.tasks:
        builder = builders.get(task.refresh.of) if task.refresh and not task.nodes else None
        if builder is not None:
            group: str | None = builder.group or f"{builder.task_id}__group"
            name = f"tableau_refresh__{builder.task_id}"
        else:
            group, name = _group(task, dag, marked), _name(task, dag, decisions, marked)
            if group is None and task.kind in _BUILDS and not refreshed.isdisjoint(task.nodes):
                group = f"{task.task_id}__group"
        wanted = f"{group}.{name}" if group is not None else name
        # Two plain ids never meet in one dbt-af id but by chance; then the plain one stays.
        task_id = shortened(wanted, wanted) if wanted not in taken else task.task_id
        taken.add(task_id)
        found[task.task_id] = replace(task, task_id=task_id, group=group)
    return found


def _marked(dag: DagPlan) -> frozenset[str]:
    """The groups of a backfill that dbt-af marks with `bf`: those of models and snapshots, not those of seeds."""
    if dag.kind is not DagKind.BACKFILL:
        return frozenset()
    return frozenset(task.group for task in dag.tasks if task.group is not None and task.kind in _MARKED)


def _group(task: TaskPlan, dag: DagPlan, marked: frozenset[str]) -> str | None:
    if task.waits_for is not None:
        return f"{task.waits_for.dag_id}__dependencies__group"
    if task.group == MEDIUM_GROUP:
        return f"{MEDIUM_GROUP}__{dag.dag_id}"
    if task.kind is TaskKind.MAINTENANCE and task.dbt is not None:
        return f"{_OPERATIONS[task.dbt.operation or '']}__{dag.dag_id}"
    if task.group is not None:
        return f"{task.group.removesuffix('__group')}__bf__group" if task.group in marked else task.group
    if task.enable_from is not None or task.disable_from is not None:
        return f"{task.task_id}__group"
    return None


def _name(task: TaskPlan, dag: DagPlan, decisions: Decisions, marked: frozenset[str]) -> str:
    if task.group == MEDIUM_GROUP and task.kind is TaskKind.TEST and len(task.nodes) == 1:
        beside = decisions.placements[task.nodes[0]].beside
        return task.task_id if beside is None else f"{legal_id(decisions.nodes[beside].node.name)}__{task.task_id}"
    if task.kind is TaskKind.MAINTENANCE and task.dbt is not None:
        plain = task.task_id.removeprefix(f"{task.dbt.operation}__")
        return f"dbt_{_OPERATIONS[task.dbt.operation or '']}__{plain}"
    if dag.kind is DagKind.BACKFILL and task.kind in _MARKED:
        return f"{task.task_id}__bf"
    if task.kind is TaskKind.ENDPOINT and task.group in marked:
        return f"{task.task_id.removesuffix('__end')}__bf__end"
    return task.task_id


def _connected(task: TaskPlan, dag_id: str, ids: Mapping[TaskRef, str]) -> TaskPlan:
    return replace(
        task,
        upstream=tuple(sorted(ids[TaskRef(dag_id, upstream)] for upstream in task.upstream)),
        waits_for=task.waits_for.renamed(ids) if task.waits_for is not None else None,
        not_while=tuple(TaskRef(ref.dag_id, ids.get(ref, ref.task_id)) for ref in task.not_while),
    )
