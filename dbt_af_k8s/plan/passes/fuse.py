"""`granularity: fused`: chains of cheap tasks of one DAG become one task, which runs one `dbt build`.

A pass over the DAGs that are made. What is left keeps its order, and other DAGs wait for the same nodes as before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.cheap import callbacks_of, is_fusable, seconds_of, sharing_key
from dbt_af_k8s.plan.passes.contract import Limits, Piece, regions
from dbt_af_k8s.plan.passes.in_process import InProcess
from dbt_af_k8s.plan.passes.layout import Layout
from dbt_af_k8s.plan.values import DagKind, DagPlan, TaskKind, TaskPlan, TaskRef

#: A backfill chooses node by node; in the DAGs of other kinds nothing comes after anything cheap.
_KINDS = (DagKind.SCHEDULED, DagKind.MANUAL)
_BUILDS = (TaskKind.RUN, TaskKind.SEED, TaskKind.SNAPSHOT)


def fuse(inputs: PlanInputs, layout: Layout, dags: Sequence[DagPlan]) -> tuple[DagPlan, ...]:
    """The DAGs with cheap chains contracted; waits, edges and what maintenance looks at follow."""
    if inputs.settings.granularity != "fused":
        return tuple(dags)
    watched = frozenset(
        TaskRef(task.waits_for.dag_id, task.waits_for.task_id) for dag in dags for task in dag.tasks if task.waits_for
    )
    blocking = {
        dag.dag_id: frozenset(
            task_id for tasks in dag.nodes for task_id in (*(t.task_id for t in tasks.tests), tasks.done)
        )
        for dag in layout.dags
    }
    found = {
        dag.dag_id: _regions(inputs, dag, watched, blocking.get(dag.dag_id, frozenset()))
        for dag in dags
        if dag.kind in _KINDS and not dag.is_broken
    }
    ids: dict[TaskRef, str] = {}
    for dag in dags:
        tasks = {task.task_id: task for task in dag.tasks}
        for region in found.get(dag.dag_id, ()):
            fused = _fused_id([tasks[task_id] for task_id in region])
            ids.update((TaskRef(dag.dag_id, task_id), fused) for task_id in region)
    return tuple(_contracted(inputs, dag, found.get(dag.dag_id, ()), ids) for dag in dags)


def _regions(
    inputs: PlanInputs, dag: DagPlan, watched: frozenset[TaskRef], blocking: frozenset[str]
) -> tuple[tuple[str, ...], ...]:
    tasks = {task.task_id: task for task in dag.tasks}
    keys: dict[str, object] = {}
    pieces = []
    for task in dag.tasks:
        is_closing = task.kind is TaskKind.ENDPOINT and task.task_id in blocking
        keys[task.task_id] = key = _key(inputs, task, keys, blocking)
        pieces.append(
            Piece(
                task.task_id,
                task.upstream,
                key,
                len(task.nodes),
                seconds_of(inputs, task),
                is_closing,
                TaskRef(dag.dag_id, task.task_id) in watched,
            )
        )
    limits = Limits(inputs.settings.fused.most_nodes, float(inputs.settings.fused.most_time))
    return regions(pieces, limits, InProcess(inputs.manifest, tasks).holds)


def _key(inputs: PlanInputs, task: TaskPlan, keys: Mapping[str, object], blocking: frozenset[str]) -> object:
    """What a task must share with its mates; None for a task that stays alone."""
    if task.kind is TaskKind.ENDPOINT and task.task_id in blocking:
        above = {keys[upstream] for upstream in task.upstream}
        is_told = callbacks_of(inputs, task.kind) != callbacks_of(inputs, TaskKind.RUN)
        return next(iter(above)) if len(above) == 1 and not is_told else None
    if task.kind is TaskKind.TEST and task.task_id not in blocking:
        return None
    return sharing_key(task) if is_fusable(inputs, task) else None


def _fused_id(members: Sequence[TaskPlan]) -> str:
    """The id of the last node that is built in it, which all other members lead to; without one, of the last member."""
    return next((task.task_id for task in reversed(members) if task.kind in _BUILDS), members[-1].task_id)


def _contracted(
    inputs: PlanInputs, dag: DagPlan, found: Sequence[tuple[str, ...]], ids: Mapping[TaskRef, str]
) -> DagPlan:
    last_of = {region[-1]: region for region in found}
    inner = {task_id for region in found for task_id in region}
    tasks = {task.task_id: task for task in dag.tasks}
    made = []
    for task in dag.tasks:
        if task.task_id in last_of:
            members = [tasks[task_id] for task_id in last_of[task.task_id]]
            made.append(_connected(_fused(inputs, members), dag.dag_id, ids))
        elif task.task_id not in inner:
            made.append(_connected(task, dag.dag_id, ids))
    return replace(dag, tasks=tuple(made))


def _fused(inputs: PlanInputs, members: Sequence[TaskPlan]) -> TaskPlan:
    parts = [task for task in members if task.dbt is not None]
    first, inside = parts[0], {task.task_id for task in members}
    selections = sorted(
        (node for task in parts if task.dbt for node in task.dbt.nodes), key=lambda node: node.unique_id
    )
    nodes = tuple(node.unique_id for node in selections)
    task_id = _fused_id(members)
    seconds = sum(seconds_of(inputs, task) for task in parts)
    recorded = f"; recorded run times: {seconds:.1f} s" if seconds else ""
    names = ", ".join(task.task_id for task in members)
    dbt = first.dbt
    return replace(
        first,
        task_id=task_id,
        kind=TaskKind.BUILD,
        nodes=nodes,
        upstream=tuple(sorted({up for task in members for up in task.upstream if up not in inside})),
        group=None,
        display_name=f"{task_id} and {len(nodes) - 1} more" if len(nodes) > 1 else None,
        because=f"`granularity` is `fused`: {names} run in one dbt process{recorded}; "
        f"target: {first.because.partition('; target: ')[2]}",
        dbt=DbtInvocation(
            "build",
            tuple(selections),
            first.target,
            executable=dbt.executable if dbt else None,
            env=dbt.env if dbt else (),
        ),
    )


def _connected(task: TaskPlan, dag_id: str, ids: Mapping[TaskRef, str]) -> TaskPlan:
    return replace(
        task,
        upstream=tuple(sorted({ids.get(TaskRef(dag_id, upstream), upstream) for upstream in task.upstream})),
        waits_for=task.waits_for.renamed(ids) if task.waits_for is not None else None,
        not_while=tuple(dict.fromkeys(TaskRef(ref.dag_id, ids.get(ref, ref.task_id)) for ref in task.not_while)),
    )
