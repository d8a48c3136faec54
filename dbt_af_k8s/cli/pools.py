"""`dbt-af-k8s pools`: the Airflow pools that the plan needs, printed, written to a file, or made in Airflow."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbt_af_k8s.cli.options import HERE, ConfigFile, Format, ManifestFile, ProfilesDir, ProjectDir, Target, Where
from dbt_af_k8s.cli.terminal import console, counted, safe, table, write_json
from dbt_af_k8s.cli.whole_file import write_whole
from dbt_af_k8s.errors import UsageError

if TYPE_CHECKING:
    from dbt_af_k8s.plan.values import Plan

#: Every Airflow has it.
_DEFAULT_POOL = "default_pool"
#: Last letters of what Airflow said that are told.
_MOST_TOLD = 2000


def pools(
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write them to this file, for `airflow pools import`.", metavar="FILE"),
    ] = None,
    apply_now: Annotated[
        bool,
        typer.Option("--apply", help="Make them, or change their slots, in the Airflow of this environment."),
    ] = False,
    output_format: Annotated[
        Format, typer.Option("--format", help="For people, or JSON that `airflow pools import` takes.")
    ] = Format.TEXT,
) -> None:
    """Say which Airflow pools the plan needs, and make them with --apply.

    A task whose pool does not exist is never started. Other pools of that Airflow are left alone.
    """
    plan = Where(project_dir, profiles_dir, target, manifest, config).build().plan
    wanted = {
        name: {"slots": slots, "description": description} for name, (slots, description) in sorted(plan.pools.items())
    }
    if output_format is Format.JSON:
        write_json(wanted)
    else:
        _show(plan, wanted)
    screen = console(stderr=True)
    for name in sorted(_named(plan).keys() - wanted.keys() - {_DEFAULT_POOL}):
        screen.print(
            f"[warning]![/] Pool [name]{safe(name)}[/] is named by tasks, and the settings' `pools` do not say its "
            "slots, so it is not here."
        )
    if output is not None:
        if output.is_dir():
            raise UsageError(f"{output} is a folder; name a file in it.")
        write_whole(output, _text(wanted))
        screen.print(f"[fine]✓[/] Wrote {safe(str(output))}")
    if apply_now and wanted:
        _apply(wanted)
        screen.print(f"[fine]✓[/] Airflow has {counted(len(wanted), 'pool')} of this plan: {safe(', '.join(wanted))}")


def _named(plan: "Plan") -> dict[str, int]:
    """Every pool that a task names, and how many tasks do."""
    found: dict[str, int] = {}
    for task in (task for dag in plan.dags for task in dag.tasks):
        if task.pool is not None:
            found[task.pool] = found.get(task.pool, 0) + 1
    return found


def _show(plan: "Plan", wanted: dict[str, dict[str, Any]]) -> None:
    screen = console()
    if not wanted:
        screen.print(f"[name]{safe(plan.project)}[/] needs no pools: every task is in Airflow's own `{_DEFAULT_POOL}`.")
        return
    tasks = _named(plan)
    rows = table("Pool", "Slots", "Tasks", "Description")
    for name, pool in wanted.items():
        rows.add_row(safe(name), str(pool["slots"]), str(tasks[name]), safe(pool["description"]))
    screen.print(rows)


def _text(wanted: dict[str, dict[str, Any]]) -> str:
    return json.dumps(wanted, indent=2) + "\n"


def _apply(wanted: dict[str, dict[str, Any]]) -> None:
    """Let Airflow import them. UsageError where there is no Airflow, or with what it said where it fails."""
    program = _airflow()
    with tempfile.TemporaryDirectory(prefix="dbt_af_k8s_pools_") as folder:
        file = Path(folder) / "pools.json"
        file.write_text(_text(wanted), encoding="utf-8")
        argv = [program, "pools", "import", str(file)]
        done = subprocess.run(
            argv, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-_MOST_TOLD:]
        raise UsageError(
            f"Airflow did not take the pools (`{program} pools import`, exit code {done.returncode}):\n{said}"
        )


def _airflow() -> str:
    """The program `airflow` beside this Python, else the one on the PATH."""
    beside = Path(sys.executable).with_name("airflow")
    found = str(beside) if beside.is_file() else shutil.which("airflow")
    if found is None:
        raise UsageError(
            "There is no Airflow in this environment. Run this where the scheduler's configuration is, or write the "
            "pools to a file with --output and give it to `airflow pools import` there."
        )
    return found
