"""What changes for Airflow between two plans: tasks and DAGs that come, go, move, or run elsewhere.

A task is the same one where it runs the same nodes (or waits for the same node), whatever its id. Reasons and
`doc_md` are not compared: they explain, and Airflow does nothing else because of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dbt_af_k8s.plan.diff_fields import changed_fields, dag_fields, schedule_text, task_fields, wait_text
from dbt_af_k8s.plan.values import DagKind, DagPlan, Plan, TaskKind, TaskPlan


class ChangeKind(StrEnum):
    """What happened to a DAG, a task, an edge or a wait. In the order in which changes are told."""

    DAG_ADDED = "dag-added"
    DAG_REMOVED = "dag-removed"
    DAG_RENAMED = "dag-renamed"
    RESCHEDULED = "rescheduled"
    DAG_CHANGED = "dag-changed"
    ADDED = "task-added"
    REMOVED = "task-removed"
    RENAMED = "task-renamed"
    MOVED = "task-moved"
    REROUTED = "task-rerouted"
    CHANGED = "task-changed"
    WAIT_ADDED = "wait-added"
    WAIT_REMOVED = "wait-removed"
    EDGE_ADDED = "edge-added"
    EDGE_REMOVED = "edge-removed"


_ORDER = {kind: position for position, kind in enumerate(ChangeKind)}
#: Kinds of DAGs in which a node has its one place; in the others nodes are repeated.
_HOMES = (DagKind.SCHEDULED, DagKind.MANUAL, DagKind.LARGE_TESTS, DagKind.FRESHNESS)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    `dag_id` and `task_id` are those of the new plan, or of the old one for what is gone. `what` names the field that
    changed, `old` and `new` its two values; for an edge they are its upstream and downstream task.
    """

    kind: ChangeKind
    dag_id: str
    task_id: str | None = None
    what: str = ""
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """All differences between two plans, sorted by kind, DAG and task."""

    changes: tuple[Change, ...] = ()

    def of(self, *kinds: ChangeKind) -> tuple[Change, ...]:
        """The changes of these kinds."""
        return tuple(change for change in self.changes if change.kind in kinds)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Tasks of two versions of one DAG: those that are the same, and those that stand on one side only."""

    same: tuple[tuple[TaskPlan, TaskPlan], ...]
    gone: tuple[TaskPlan, ...]
    come: tuple[TaskPlan, ...]


def diff_plans(old: Plan, new: Plan) -> PlanDiff:
    """What a person who knows the old plan must know of the new one. Linear in the number of tasks and edges."""
    old_dags, new_dags = {dag.dag_id: dag for dag in old.dags}, {dag.dag_id: dag for dag in new.dags}
    names = _same_dags(old_dags, new_dags)
    pairs = {new_id: _pair_tasks(old_dags[old_id], new_dags[new_id], names) for old_id, new_id in names.items()}
    changes: list[Change] = []
    for old_id, new_id in names.items():
        changes += _dag_changes(old_dags[old_id], new_dags[new_id])
        for before, after in pairs[new_id].same:
            changes += _task_changes(new_id, before, after)
        changes += _edge_changes(old_dags[old_id], new_dags[new_id], pairs[new_id])
    lone_old = [dag for dag_id, dag in old_dags.items() if dag_id not in names]
    lone_new = [dag for dag_id, dag in new_dags.items() if dag_id not in set(names.values())]
    changes += [Change(ChangeKind.DAG_REMOVED, dag.dag_id, old=schedule_text(dag)) for dag in lone_old]
    changes += [Change(ChangeKind.DAG_ADDED, dag.dag_id, new=schedule_text(dag)) for dag in lone_new]
    gone = [(old_dags[old_id], task) for old_id, new_id in names.items() for task in pairs[new_id].gone]
    come = [(new_dags[new_id], task) for new_id in names.values() for task in pairs[new_id].come]
    gone += [(dag, task) for dag in lone_old for task in dag.tasks]
    come += [(dag, task) for dag in lone_new for task in dag.tasks]
    changes += _changes_of_lone_tasks(gone, come)
    return PlanDiff(tuple(sorted(changes, key=_order)))


def _order(change: Change) -> tuple[int, str, str, str, str, str]:
    rest = (change.dag_id, change.task_id or "", change.what, change.old or "", change.new or "")
    return (_ORDER[change.kind], *rest)


def _same_dags(old: Mapping[str, DagPlan], new: Mapping[str, DagPlan]) -> dict[str, str]:
    """Old DAG id -> new DAG id: the same id, else the only one of the same kind, domain and calendar."""
    names = {dag_id: dag_id for dag_id in old if dag_id in new}

    def lone(dags: Mapping[str, DagPlan]) -> dict[tuple[str | None, ...], list[str]]:
        found: dict[tuple[str | None, ...], list[str]] = defaultdict(list)
        for dag_id, dag in dags.items():
            if dag_id not in names:
                found[(dag.kind, dag.domain, dag.schedule, dag.timezone)].append(dag_id)
        return found

    old_lone, new_lone = lone(old), lone(new)
    for key, ids in old_lone.items():
        if len(ids) == 1 and len(new_lone.get(key, [])) == 1:
            names[ids[0]] = new_lone[key][0]
    return names


def _pair_tasks(old: DagPlan, new: DagPlan, names: Mapping[str, str]) -> _Pairs:
    """Pair by identity and id, then by identity alone (renamed), then by id and kind (its nodes changed)."""
    gone = [(task, _identity(task, names)) for task in old.tasks]
    come = [(task, _identity(task, {})) for task in new.tasks]
    same: list[tuple[TaskPlan, TaskPlan]] = []
    for whole in (True, False):
        by_key: dict[object, list[TaskPlan]] = defaultdict(list)
        for task, identity in come:
            if identity:
                by_key[(identity, task.task_id if whole else "")].append(task)
        for task, identity in gone:
            partners = by_key.get((identity, task.task_id if whole else ""))
            if partners:
                same.append((task, partners.pop(0)))
        gone, come = _without(gone, [before for before, _ in same]), _without(come, [after for _, after in same])
    by_id = {(task.task_id, task.kind): task for task, _ in come}
    by_name = [(task, by_id[(task.task_id, task.kind)]) for task, _ in gone if (task.task_id, task.kind) in by_id]
    gone, come = _without(gone, [before for before, _ in by_name]), _without(come, [after for _, after in by_name])
    return _Pairs((*same, *by_name), tuple(task for task, _ in gone), tuple(task for task, _ in come))


def _without(
    tasks: Sequence[tuple[TaskPlan, tuple[str, ...]]], paired: Iterable[TaskPlan]
) -> list[tuple[TaskPlan, tuple[str, ...]]]:
    ids = {task.task_id for task in paired}
    return [(task, identity) for task, identity in tasks if task.task_id not in ids]


def _identity(task: TaskPlan, names: Mapping[str, str]) -> tuple[str, ...]:
    """What makes a task itself besides its id; empty where only the id does."""
    if task.waits_for:
        waits = task.waits_for
        return (task.kind, names.get(waits.dag_id, waits.dag_id), waits.node, waits.policy)
    return (task.kind, *task.nodes) if task.nodes else ()


def _dag_changes(old: DagPlan, new: DagPlan) -> Iterator[Change]:
    if old.dag_id != new.dag_id:
        yield Change(ChangeKind.DAG_RENAMED, new.dag_id, what="dag_id", old=old.dag_id, new=new.dag_id)
    if (old.schedule, old.timezone) != (new.schedule, new.timezone):
        yield Change(
            ChangeKind.RESCHEDULED, new.dag_id, what="schedule", old=schedule_text(old), new=schedule_text(new)
        )
    for what, before, after in changed_fields(dag_fields(old), dag_fields(new)):
        yield Change(ChangeKind.DAG_CHANGED, new.dag_id, None, what, before, after)


#: Fields that say where a task's work is done.
_ROUTE = ("target", "runner", "runner_options")


def _task_changes(dag_id: str, old: TaskPlan, new: TaskPlan) -> Iterator[Change]:
    if old.task_id != new.task_id:
        yield Change(ChangeKind.RENAMED, dag_id, new.task_id, "task_id", old.task_id, new.task_id)
    for what, before, after in changed_fields(task_fields(old), task_fields(new)):
        kind = ChangeKind.REROUTED if what in _ROUTE else ChangeKind.CHANGED
        yield Change(kind, dag_id, new.task_id, what, before, after)


def _edge_changes(old: DagPlan, new: DagPlan, pairs: _Pairs) -> Iterator[Change]:
    """Edges that came or went, those within new or gone tasks aside: the tasks themselves are told already."""
    new_ids = {before.task_id: after.task_id for before, after in pairs.same}
    standing = set(new_ids.values())
    # (id, whether the task is in both plans): the id of a gone task may be another task's id now.
    before = {
        tuple((new_ids.get(end, end), end in new_ids) for end in (up, task.task_id))
        for task in old.tasks
        for up in task.upstream
    }
    after = {tuple((end, end in standing) for end in (up, task.task_id)) for task in new.tasks for up in task.upstream}
    for kind, edges in ((ChangeKind.EDGE_REMOVED, before - after), (ChangeKind.EDGE_ADDED, after - before)):
        for (up, up_stands), (down, down_stands) in sorted(edges):
            if up_stands or down_stands:
                yield Change(kind, new.dag_id, down, "upstream", up, down)


def _changes_of_lone_tasks(
    gone: Sequence[tuple[DagPlan, TaskPlan]], come: Sequence[tuple[DagPlan, TaskPlan]]
) -> Iterator[Change]:
    """Tasks without a partner in their DAG: moved from one DAG to another, else added or removed."""
    homes = {
        (task.kind, task.nodes): (dag, task)
        for dag, task in come
        if task.nodes and dag.kind in _HOMES and not task.waits_for
    }
    moved = {}
    for old_dag, old_task in gone:
        found = homes.pop((old_task.kind, old_task.nodes), None) if old_dag.kind in _HOMES else None
        if not found:
            yield _lone(old_dag, old_task, ChangeKind.REMOVED, ChangeKind.WAIT_REMOVED)
            continue
        dag, task = found
        moved[(dag.dag_id, task.task_id)] = True
        other_time = (old_dag.schedule, old_dag.timezone) != (dag.schedule, dag.timezone)
        yield Change(
            ChangeKind.RESCHEDULED if other_time else ChangeKind.MOVED,
            dag.dag_id,
            task.task_id,
            "dag_id",
            old_dag.dag_id,
            dag.dag_id,
        )
        yield from _task_changes(dag.dag_id, old_task, task)
    for dag, task in come:
        if (dag.dag_id, task.task_id) not in moved:
            yield _lone(dag, task, ChangeKind.ADDED, ChangeKind.WAIT_ADDED)


def _lone(dag: DagPlan, task: TaskPlan, kind: ChangeKind, wait_kind: ChangeKind) -> Change:
    if task.kind is TaskKind.WAIT and task.waits_for:
        text, kind = wait_text(task.waits_for), wait_kind
    else:
        text = ", ".join(task.nodes) or task.kind.value
    is_new = kind in (ChangeKind.ADDED, ChangeKind.WAIT_ADDED)
    return Change(kind, dag.dag_id, task.task_id, "", None if is_new else text, text if is_new else None)
