"""`dbt-af-k8s run DAG_ID...`: DAGs, here and now, through real Airflow in a private home."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

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
from dbt_af_k8s.cli.stopping import silence
from dbt_af_k8s.cli.terminal import write_json
from dbt_af_k8s.errors import UsageError

if TYPE_CHECKING:
    from dbt_af_k8s.cli.run_home import PrivateHome
    from dbt_af_k8s.cli.run_order import RunOrder
    from dbt_af_k8s.plan.request import PlanRequest
    from dbt_af_k8s.plan.store import Compiled
    from dbt_af_k8s.plan.values import DagPlan, Plan
    from dbt_af_k8s.schedule.values import Interval


def run(
    dag_ids: Annotated[
        list[str],
        typer.Argument(
            help="The DAG to run; the tasks of several are run in the order of their edges and waits.", metavar="DAG_ID"
        ),
    ],
    date: Annotated[
        str | None,
        typer.Option(
            "--date",
            help="Take the last full data interval that ends at or before this ISO 8601 date or time. "
            "A date is its midnight in the DAG's time zone. Default: now.",
            metavar="TIME",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--form",
            help="The form of the one DAG, as JSON: what a person fills in to start it in Airflow. "
            "A backfill is run chunk by chunk.",
            metavar="JSON",
        ),
    ] = None,
    with_upstream: Annotated[
        bool,
        typer.Option("--with-upstream", help="First run what it waits for in other DAGs, and what that needs."),
    ] = False,
    local_pods: Annotated[
        bool,
        typer.Option("--local-pods", help="Run the scripts of pods as processes of this machine; no pod is made."),
    ] = False,
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Run DAGs here and now, through real Airflow, for one data interval.

    Airflow gets a private home and database in the project's target folder; your own Airflow is not touched. Tasks run
    one at a time, in the order of all their edges and waits, and are not retried: DAGs that read each other take turns.
    What a DAG waits for and is not run here is named and passed over, unless --with-upstream.
    What came of it is also written as JSON to `last_run.json` in that home (target/dbt_af_k8s/airflow).
    Exits with 1 where a task failed. On SIGINT, SIGTERM and SIGHUP, and where the reader of its output is gone, it
    stops dbt and ends.
    """
    from dbt_af_k8s.cli.run_form import read_form, runs_of_form
    from dbt_af_k8s.cli.run_order import RunStep, order_of_runs
    from dbt_af_k8s.plan.local_pods import without_pods

    where = Where(project_dir, profiles_dir, target, manifest, config)
    plan = where.build().plan
    if local_pods:
        plan = replace(plan, dags=tuple(without_pods(dag) for dag in plan.dags))
    dags = [dag_named(plan, dag_id) for dag_id in dag_ids]
    wanted = [(dag, interval_to_run(dag, date)) for dag in dags]
    if form is None:
        steps = tuple(RunStep(dag.dag_id, interval) for dag, interval in wanted)
    elif len(dags) > 1 or with_upstream:
        raise UsageError("--form is for one DAG alone: name no other, and leave --with-upstream away.")
    else:
        steps = runs_of_form(dags[0], read_form(dags[0], form), wanted[0][1])
    order = order_of_runs(plan, steps, with_upstream=with_upstream)
    home = _home(where)
    with home.locked():
        succeeded = _run(where, plan, order, home, as_json=output_format is Format.JSON)
    if not succeeded:
        raise typer.Exit(1)


def interval_to_run(dag: "DagPlan", date: str | None) -> "Interval":
    """The last full interval of the DAG's calendar that ends at or before a date; of its days, for a DAG without one.

    Raises `UsageError` for a text that is no date.
    """
    from dbt_af_k8s.schedule.calendar import Calendar
    from dbt_af_k8s.schedule.intervals import interval_of_manual_run

    moment = datetime.now(UTC)
    if date is not None:
        try:
            moment = datetime.fromisoformat(date)
            if moment.utcoffset() is None:
                moment = moment.replace(tzinfo=ZoneInfo(dag.timezone))
            moment = moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise UsageError(
                f"--date is no date that can be read: {date[:60]!r}. Write 2026-03-29 or ISO 8601."
            ) from None
    calendar = Calendar(dag.schedule, dag.timezone) if dag.schedule else None
    return interval_of_manual_run(calendar, logical_date=moment, run_after=moment, timezone=dag.timezone)


def _home(where: Where) -> "PrivateHome":
    from dbt_af_k8s.cli.run_home import airflow_version, private_home
    from dbt_af_k8s.config.read import read_dbt_project

    airflow_version()
    root = where.request().project_dir
    return private_home(root, read_dbt_project(root, env=os.environ).target_path)


def _run(where: Where, plan: "Plan", order: "RunOrder", home: "PrivateHome", *, as_json: bool) -> bool:
    """Run what the order says, and tell what happens. Says whether all did well."""
    from dbt_af_k8s.cli.run_report import Report

    report = Report(home, order.runs, quiet=as_json)
    job = _job(where, plan, order)
    try:
        try:
            report.announce()
            home.run(job, report.take)
        finally:
            # What was started has ended by now, however that came about.
            home.write_summary(report.summary())
            report.stop()
        if as_json:
            write_json(report.summary())
        else:
            report.close()
    except BrokenPipeError:
        silence()
    return report.succeeded


def job_of(request: "PlanRequest", plan: "Plan", compiled: "Compiled", order: "RunOrder") -> dict[str, Any]:
    """The job of `dbt_af_k8s.airflow.run_here`: this plan, made by this request, in this order."""
    from dbt_af_k8s.plan.codec import plan_to_dict

    if request.config is not None and not isinstance(request.config, Path):
        raise TypeError("settings made in Python cannot be handed to another process")
    paths = {
        "project_dir": request.project_dir,
        "profiles_dir": request.profiles_dir,
        "manifest": request.manifest,
        "config": request.config,
        "slices": compiled.slices,
    }
    return {
        "plan": plan_to_dict(plan),
        "target_slices": [(target, str(file)) for target, file in compiled.target_slices],
        **{name: str(path) if path else None for name, path in paths.items()},
        "target": request.target,
        "runs": [
            {
                "dag_id": step.dag_id,
                "start": step.interval.start.isoformat(),
                "end": step.interval.end.isoformat(),
                "form": dict(step.form),
            }
            for step in order.runs
        ],
        "tasks": [[step.run, step.task_id, step.after] for step in order.tasks],
    }


def _job(where: Where, plan: "Plan", order: "RunOrder") -> dict[str, Any]:
    """Only the DAGs that run, and no task with retries."""
    from dbt_af_k8s.plan.store import load_dags

    wanted = {step.dag_id for step in order.runs}
    dags = tuple(
        replace(dag, tasks=tuple(replace(task, retry=replace(task.retry, retries=0)) for task in dag.tasks))
        for dag in plan.dags
        if dag.dag_id in wanted
    )
    request = where.request()
    compiled = load_dags(request, os.environ, only="")
    return job_of(request, replace(plan, dags=dags, left_out=(), issues=()), compiled, order)
