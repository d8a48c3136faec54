"""`dbt-af-k8s plan`: what Airflow would get, as a table, a tree or JSON, or what changes for it."""

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbt_af_k8s.cli.layers import print_layer_hint
from dbt_af_k8s.cli.options import HERE, ConfigFile, ManifestFile, ProfilesDir, ProjectDir, Target, Where
from dbt_af_k8s.cli.terminal import console, counted, issue_count, issue_lines, safe, table, write_json, write_text
from dbt_af_k8s.errors import ProjectError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from dbt_af_k8s.plan.diff import PlanDiff
    from dbt_af_k8s.plan.values import Plan


#: DAGs waited for that the table names; `--format json` has all.
_MOST_WAITS = 6


class Format(StrEnum):
    """How the plan is written."""

    TABLE = "table"
    TREE = "tree"
    MARKDOWN = "markdown"
    JSON = "json"


def plan(
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output_format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="A row per DAG, every task, or the plan itself for machines. markdown: --diff as a comment for a pull "
            "request.",
        ),
    ] = Format.TABLE,
    diff: Annotated[
        Path | None, typer.Option("--diff", help="Tell what changes since this plan (JSON) instead.", metavar="OLD")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --diff: exit with 2 where something changes, as `git diff` does.")
    ] = False,
) -> None:
    """Show what Airflow gets: every DAG with its schedule, what it runs and what it waits for.

    Exits with 1 where the project has errors; `check` tells them.
    """
    if diff is None and (exit_code or output_format is Format.MARKDOWN):
        raise UsageError("--exit-code and --format markdown tell of a difference: name the old plan with --diff.")
    where = Where(project_dir, profiles_dir, target, manifest, config)
    old = _read_plan(diff) if diff else None
    try:
        built = where.build()
    except ProjectError as reason:
        if output_format is Format.JSON:
            _write_issues(reason)
            raise typer.Exit(2) from reason
        raise
    changed = False
    new = built.plan
    if old is not None:
        changed = _show_diff(old, new, output_format)
    elif output_format is Format.JSON:
        from dbt_af_k8s.plan.codec import to_json

        write_text(to_json(new))
    elif output_format is Format.TREE:
        from dbt_af_k8s.plan.render.text import tree_lines

        write_text("".join(f"{line}\n" for line in tree_lines(new)))
    else:
        _show_table(new)
        print_layer_hint(built)
    if any(issue.is_error for issue in new.issues):
        raise typer.Exit(1)
    if exit_code and changed:
        raise typer.Exit(2)


def _read_plan(path: Path) -> "Plan":
    from dbt_af_k8s.plan.codec import PlanFormatError, from_json

    try:
        return from_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UsageError(f"{path}: This is no plan: the file is not UTF-8 text.") from None
    except PlanFormatError as reason:
        raise UsageError(f"{path}: {reason}") from None


def _write_issues(reason: ProjectError) -> None:
    from dbt_af_k8s.plan.codec import issue_to_dict

    write_json({"version": 1, "project": None, "dags": [], "issues": [issue_to_dict(each) for each in reason.issues]})


def _show_diff(old: "Plan", new: "Plan", output_format: Format) -> bool:
    """Write what changes; whether anything does."""
    from dbt_af_k8s.plan.diff import diff_plans
    from dbt_af_k8s.plan.render.diff import diff_lines, diff_markdown, diff_to_dicts

    found: PlanDiff = diff_plans(old, new)
    if output_format is Format.JSON:
        write_json({"version": 1, "project": new.project, "changes": diff_to_dicts(found)})
        return bool(found.changes)
    if output_format is Format.MARKDOWN:
        write_text(diff_markdown(found, new.project, new.issues))
        return bool(found.changes)
    screen = console()
    styles = {"  +": "green", "  -": "red", "  ~": "yellow"}
    for line in diff_lines(found):
        style = styles.get(line[:3], "name" if line.endswith(":") else "fine")
        screen.print(f"[{style}]{safe(line)}[/]", soft_wrap=True)
    return bool(found.changes)


#: So many DAGs that a person starts are named below the table.
_FORMS_SHOWN = 6


def _show_table(plan: "Plan") -> None:
    from dbt_af_k8s.plan.render.text import form_dags, summary_rows

    screen = console()
    screen.print(f"[name]{safe(plan.project)}[/] [soft]dbt {safe(plan.dbt_version)}[/]\n")
    screen.print(_table(plan))
    screen.print()
    rows = summary_rows(plan)
    tasks = sum(row.tasks for row in rows)
    screen.print(f"{counted(len(rows), 'DAG')}, {counted(tasks, 'task')}.", highlight=False)
    by_form = form_dags(plan)
    if by_form:
        shown = [f"[name]{safe(dag_id)}[/]" for dag_id in by_form[:_FORMS_SHOWN]]
        more = f" and {len(by_form) - _FORMS_SHOWN} more" if len(by_form) > _FORMS_SHOWN else ""
        screen.print(f"[soft]Started with a form:[/] {', '.join(shown)}{more}", highlight=False)
    if plan.left_out:
        reasons = Counter(left.because for left in plan.left_out)
        screen.print(f"[soft]{counted(len(plan.left_out), 'node')} without a task:[/]")
        for because, count in reasons.most_common():
            screen.print(f"[soft]  {count:>4}  {safe(because)}[/]")
    if plan.issues:
        screen.print()
        for line in issue_lines([issue for issue in plan.issues if issue.is_error]):
            screen.print(line)
        screen.print(f"{issue_count(plan.issues)}; [name]dbt-af-k8s check[/] tells more.")


def _table(plan: "Plan") -> "Table":
    from dbt_af_k8s.plan.render.text import summary_rows

    made = table("DAG", "Schedule", "Runs", "Waits for", "Target")
    for row in summary_rows(plan):
        made.add_row(
            f"[name]{safe(row.dag_id)}[/]",
            f"[accent]{safe(row.schedule)}[/]" if row.schedule != "by hand" else "[soft]by hand[/]",
            "[error]broken: see check[/]" if row.is_broken else _runs(row.runs),
            _waits(row.waits_for),
            ", ".join(safe(target) for target in row.targets) or "[soft]-[/]",
        )
    return made


def _waits(dag_ids: tuple[str, ...]) -> str:
    """The DAGs waited for, a line each; the rest in a number where there are many."""
    lines = [safe(dag_id) for dag_id in dag_ids[:_MOST_WAITS]]
    more = len(dag_ids) - _MOST_WAITS
    return "\n".join([*lines, f"[soft]and {more} more[/]"] if more > 0 else lines) or "[soft]nothing[/]"


def _runs(counts: tuple[tuple[str, int], ...]) -> str:
    """`5 models, 12 tests`, in lines of two where there are more."""
    parts = [f"{count} {word}" for word, count in counts]
    return ",\n".join(", ".join(parts[start : start + 2]) for start in range(0, len(parts), 2))
