"""`dbt-af-k8s backfill plan DOMAIN`: what a backfill would do, before anybody starts it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbt_af_k8s.cli.options import (
    HERE,
    ConfigFile,
    Format,
    ManifestFile,
    ProfilesDir,
    ProjectDir,
    Target,
    TextOrJson,
    Where,
)
from dbt_af_k8s.cli.terminal import console, counted, safe, table, write_json
from dbt_af_k8s.cli.waits import shown
from dbt_af_k8s.errors import FormError, UsageError

if TYPE_CHECKING:
    from dbt_af_k8s.plan.backfill.preview import GoesFirst, Preview
    from dbt_af_k8s.schedule.values import Interval

#: So many chunks are listed one by one.
_MOST_CHUNKS = 12
#: Fields of the form in messages, and the options that fill them.
_OPTIONS = {"start_dttm": "--from", "end_dttm": "--to", "models:": "--models:", "models cannot": "--models cannot"}


class Chunk(StrEnum):
    """How the range is cut."""

    NONE = "none"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def backfill_plan(
    domain: Annotated[str, typer.Argument(help="The domain to backfill.", metavar="DOMAIN")],
    start: Annotated[
        str,
        typer.Option(
            "--from", help="Start of the range, ISO 8601. Without offset: in the DAGs' time zone.", metavar="TIME"
        ),
    ],
    end: Annotated[str, typer.Option("--to", help="Its end; not part of it.", metavar="TIME")],
    chunk: Annotated[Chunk, typer.Option("--chunk", help="Cut the range: one DAG run each, in order.")] = Chunk.NONE,
    models: Annotated[
        str, typer.Option("--models", help="dbt selection within the domain. Default: all of it.", metavar="SELECTION")
    ] = "",
    with_tests: Annotated[bool, typer.Option("--with-tests", help="With the blocking tests of each node.")] = False,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Build incremental models anew in the first chunk.")
    ] = False,
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Show what a backfill of a domain would do: its chunks, its tasks in order, and what would have to go first.

    Starts nothing. Other domains that the selected nodes read are named with the time that they would have to cover;
    whether their data is there already, only the warehouse knows.
    """
    from dbt_af_k8s.plan.backfill.form import read_backfill_form
    from dbt_af_k8s.plan.backfill.preview import backfill_dag, preview

    built = Where(project_dir, profiles_dir, target, manifest, config).build()
    dag = backfill_dag(built, domain)
    form = {
        "start_dttm": start,
        "end_dttm": end,
        "chunk": chunk.value,
        "models": models,
        "full_refresh": full_refresh,
        "with_tests": with_tests,
    }
    try:
        found = preview(built, dag, read_backfill_form(form, dag.timezone))
    except FormError as reason:
        raise UsageError("\n".join(_as_option(problem) for problem in reason.problems)) from reason
    if output_format is Format.JSON:
        write_json(_to_dict(found, form))
    else:
        _show(found, form)


def _as_option(problem: str) -> str:
    """The same, by the name of the option instead of the form's field."""
    for field, option in _OPTIONS.items():
        problem = problem.replace(field, option)
    return problem


def _to_dict(found: "Preview", form: dict[str, Any]) -> dict[str, Any]:
    return {
        "dag_id": found.dag.dag_id,
        "domain": found.dag.domain,
        "form": form,
        "chunks": [_interval(chunk) for chunk in found.chunks],
        "tasks": [
            {"task_id": task.task_id, "kind": task.kind.value, "nodes": list(nodes), "target": task.target}
            for task, nodes in found.steps
        ],
        "goes_first": [
            {"domain": first.domain, **_interval(first.window), "nodes": list(first.nodes)} for first in found.first
        ],
    }


def _interval(interval: "Interval") -> dict[str, str]:
    return {"start": interval.start.isoformat(), "end": interval.end.isoformat()}


def _show(found: "Preview", form: dict[str, Any]) -> None:
    screen = console()
    tasks = sum(1 for _ in found.steps)
    screen.print(
        f"[name]{safe(found.dag.dag_id)}[/]: {counted(len(found.chunks), 'chunk')} of {counted(tasks, 'task')} each, "
        "times in UTC\n"
    )
    chunks = table("Chunk", "From", "To")
    for number, chunk in enumerate(found.chunks, start=1):
        if number <= _MOST_CHUNKS - 1 or number == len(found.chunks):
            chunks.add_row(str(number), *(f"{moment:%Y-%m-%d %H:%M}" for moment in (chunk.start, chunk.end)))
        elif number == _MOST_CHUNKS:
            chunks.add_row("...", "", "")
    screen.print(chunks)
    screen.print("\n[soft]The tasks of each chunk, in order:[/]\n")
    steps = table("Task", "Kind", "Target")
    for task, _ in found.steps:
        steps.add_row(safe(task.task_id), task.kind.value, safe(task.target or ""))
    screen.print(steps)
    if form["full_refresh"]:
        screen.print("\nThe first chunk builds incremental models and seeds anew; the others add to them.")
    _show_first(found.first)


def _show_first(first: "tuple[GoesFirst, ...]") -> None:
    screen = console()
    if not first:
        screen.print("\nIt reads no other domain.")
        return
    screen.print("\n[soft]It reads other domains. Where their data is not there yet, they have to go first:[/]\n")
    needs = table("Domain", "Window", "Nodes")
    for each in first:
        names = ", ".join(node.split(".", 2)[2] for node in each.nodes)
        needs.add_row(safe(each.domain), shown(each.window), safe(names))
    screen.print(needs)
