"""The difference of two plans as text, as Markdown for a pull request, and as plain values for JSON."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from dbt_af_k8s.errors import Issue, one_line
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
#: Most lines of one kind, most errors, and longest span of code in Markdown.
MOST_IN_MARKDOWN = 40
MOST_ERRORS = 20
LONGEST_SPAN = 300


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


def diff_markdown(diff: PlanDiff, project: str, issues: Sequence[Issue]) -> str:
    """The changes as a comment for a pull request: a sentence, then a list for each kind, then the errors.

    Long lists are cut: GitHub takes 65,536 characters in a comment.
    """
    lines = [f"### What changes in Airflow for {_code(project)}", "", f"{_summary(diff)}.", ""]
    for kind, group in groupby(diff.changes, key=lambda change: change.kind):
        changes = list(group)
        lines += [f"<details><summary>{_TITLES[kind]} ({len(changes)})</summary>", ""]
        lines += [f"- {_code(_line(change))}" for change in changes[:MOST_IN_MARKDOWN]]
        lines += [f"- and {len(changes) - MOST_IN_MARKDOWN} more"] if len(changes) > MOST_IN_MARKDOWN else []
        lines += ["", "</details>"]
    errors = [issue for issue in issues if issue.is_error]
    if errors:
        lines += ["", f"**The project has {len(errors)} {'error' if len(errors) == 1 else 'errors'}:**", ""]
        lines += [f"- {_code(issue.place)} {_text(issue.message)} {_text(issue.fix)}" for issue in errors[:MOST_ERRORS]]
        lines += [f"- and {len(errors) - MOST_ERRORS} more"] if len(errors) > MOST_ERRORS else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _summary(diff: PlanDiff) -> str:
    """`DAGs added: 1, tasks changed: 3`, in the order of the lists."""
    counts = [(kind, len(list(group))) for kind, group in groupby(diff.changes, key=lambda change: change.kind)]
    parts = [f"{_TITLES[kind].partition(' (')[0]}: {count}" for kind, count in counts]
    return ", ".join(parts) or "No change: Airflow would do the same"


def _code(text: str) -> str:
    """Text as a code span; its backticks become quotes, and it stays on one line."""
    return f"`{one_line(text).replace('`', chr(39))[:LONGEST_SPAN]}`"


def _text(text: str) -> str:
    """Text whose HTML, links and mentions do nothing; its code spans stay as they are."""
    parts = one_line(text).split("`")
    plain = [part.replace("<", "&lt;").replace("[", "\\[").replace("@", "@\u2060") for part in parts[::2]]
    parts[::2] = plain
    return "`".join(parts)


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
