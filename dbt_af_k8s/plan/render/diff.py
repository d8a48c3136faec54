"""The difference of two plans as text and as plain values for JSON."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from dbt_af_k8s.plan.diff import Change, ChangeKind, PlanDiff

_TITLES = {
    ChangeKind.DAG_ADDED: "DAGs added",
    ChangeKind.DAG_REMOVED: "DAGs removed",
    ChangeKind.DAG_RENAMED: "DAGs renamed (Airflow starts a new history)",
    ChangeKind.RESCHEDULED: "Rescheduled",
    ChangeKind.DAG_CHANGED: "DAGs changed",
    ChangeKind.ADDED: "Tasks added",
    ChangeKind.REMOVED: "Tasks removed",
    ChangeKind.RENAMED: "Tasks renamed (Airflow starts a new history)",
    ChangeKind.MOVED: "Tasks moved to another DAG",
    ChangeKind.REROUTED: "Tasks that run elsewhere",
    ChangeKind.CHANGED: "Tasks changed",
    ChangeKind.WAIT_ADDED: "Waits added",
    ChangeKind.WAIT_REMOVED: "Waits removed",
    ChangeKind.EDGE_ADDED: "Edges added",
    ChangeKind.EDGE_REMOVED: "Edges removed",
}
_MARKS = {"added": "+", "removed": "-"}


def diff_to_dicts(diff: PlanDiff) -> list[dict[str, Any]]:
    """The changes as plain values: `kind`, `dag_id`, `task_id`, `what`, `old`, `new`."""
    return [
        {
            "kind": change.kind.value,
            "dag_id": change.dag_id,
            "task_id": change.task_id,
            "what": change.what or None,
            "old": change.old,
            "new": change.new,
        }
        for change in diff.changes
    ]


def diff_lines(diff: PlanDiff) -> Iterator[str]:
    """The changes as lines under a title for each kind; a line begins with `+`, `-` or `~`."""
    if not diff.changes:
        yield "No change: Airflow would do the same."
    for kind, changes in groupby(diff.changes, key=lambda change: change.kind):
        yield f"{_TITLES[kind]}:"
        for change in changes:
            mark = _MARKS.get(kind.rsplit("-", 1)[-1], "~")
            yield f"  {mark} {_line(change)}"


def _line(change: Change) -> str:
    if change.kind in (ChangeKind.EDGE_ADDED, ChangeKind.EDGE_REMOVED):
        return f"{change.dag_id}: {change.old} -> {change.new}"
    subject = f"{change.dag_id}.{change.task_id}" if change.task_id else change.dag_id
    if change.kind in (ChangeKind.DAG_RENAMED, ChangeKind.RENAMED):
        return f"{subject}, was {change.old}"
    if change.what == "dag_id":
        return f"{subject}, was in {change.old}"
    if change.what:
        return f"{subject}: {change.what} {_shown(change.old)} -> {_shown(change.new)}"
    return f"{subject}: {change.new or change.old}"


def _shown(value: str | None) -> str:
    return "(none)" if value is None else value
