"""`dbt-af-k8s waits DAG_ID`: which runs of other DAGs a run waits for, by the calendar alone."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbt_af_k8s.cli.dags import dag_named
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

if TYPE_CHECKING:
    from dbt_af_k8s.plan.values import DagPlan, TaskPlan, WaitsFor
    from dbt_af_k8s.schedule.values import Interval


def waits(
    dag_id: Annotated[str, typer.Argument(help="The DAG whose run waits.", metavar="DAG_ID")],
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            help="Start of the run's data interval, ISO 8601. Without offset: in the DAG's time zone.",
            metavar="TIME",
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", help="Its end. Default of both: the last one.", metavar="TIME")
    ] = None,
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Say which runs of other DAGs a run waits for.

    Answers from the calendar and the start dates alone: whether those runs are there, only Airflow knows.
    """
    dag = dag_named(Where(project_dir, profiles_dir, target, manifest, config).build().plan, dag_id)
    interval = interval_asked(dag, start, end)
    runs = [(task, wait, runs_of(wait, interval)) for task in dag.tasks if (wait := task.waits_for)]
    if output_format is Format.JSON:
        write_json([_to_dict(*each) for each in runs])
    else:
        _show(dag, interval, runs)


def interval_asked(dag: "DagPlan", start: str | None, end: str | None) -> "Interval":
    """The interval asked for, else the last full one of the DAG's calendar before now."""
    from dbt_af_k8s.schedule.calendar import Calendar
    from dbt_af_k8s.schedule.intervals import interval_from_form, interval_of_manual_run

    asked = interval_from_form(start, end, dag.timezone)
    if asked is not None:
        return asked
    calendar = Calendar(dag.schedule, dag.timezone) if dag.schedule else None
    return interval_of_manual_run(calendar, logical_date=None, run_after=datetime.now(UTC), timezone=dag.timezone)


def runs_of(wait: "WaitsFor", interval: "Interval") -> tuple["Interval", ...]:
    """The runs that one wait waits for, by their data intervals."""
    from dbt_af_k8s.schedule.calendar import Calendar
    from dbt_af_k8s.schedule.waits import runs_waited_for

    calendar = Calendar(wait.cron, wait.timezone)
    return runs_waited_for(calendar, wait.policy, interval, wait.start_date, wait.first_runs)


def _to_dict(task: "TaskPlan", wait: "WaitsFor", runs: tuple["Interval", ...]) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "waits_for": {"dag_id": wait.dag_id, "task_id": wait.task_id},
        "runs": [{"start": run.start.isoformat(), "end": run.end.isoformat()} for run in runs],
    }


def _show(
    dag: "DagPlan", interval: "Interval", runs: list[tuple["TaskPlan", "WaitsFor", tuple["Interval", ...]]]
) -> None:
    screen = console()
    screen.print(f"[name]{safe(dag.dag_id)}[/] with the data interval [accent]{shown(interval)}[/] (UTC)\n")
    if not runs:
        screen.print("waits for nothing.")
        return
    found = table("Task", "Waits for", "Policy", "Runs")
    for task, wait, intervals in runs:
        shown_runs = _told(intervals, wait.first_runs)
        found.add_row(safe(task.task_id), safe(f"{wait.dag_id}.{wait.task_id}"), wait.policy, shown_runs)
    screen.print(found)


def _told(runs: tuple["Interval", ...], first_runs: str) -> str:
    """The runs in few lines: the first and the last one where there are many."""
    if not runs:
        then = "" if first_runs == "run" else ", so this one is skipped unless another has built the node"
        return f"[soft]none: such a run would begin before the start date{then}[/]"
    if len(runs) <= 3:
        return "\n".join(shown(run) for run in runs)
    return f"{counted(len(runs), 'run')}\nfirst  {shown(runs[0])}\nlast   {shown(runs[-1])}"


def shown(interval: "Interval") -> str:
    """An interval in a line, to the minute: `2026-01-01 00:00 → 2026-01-02 00:00`."""
    return f"{interval.start:%Y-%m-%d %H:%M} → {interval.end:%Y-%m-%d %H:%M}"
