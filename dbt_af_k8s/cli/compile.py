"""`dbt-af-k8s compile`: make the compiled plan ahead of time, in CI or in the image, not at the first parse."""

import os
import time
from pathlib import Path
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
from dbt_af_k8s.cli.terminal import console, counted, issue_count, issue_lines, safe, write_json

if TYPE_CHECKING:
    from dbt_af_k8s.dbt.slices.targets import PlanSlices
    from dbt_af_k8s.dbt.slices.values import SliceSummary
    from dbt_af_k8s.plan.request import PlanRequest
    from dbt_af_k8s.plan.store import ParseTarget

Parse = Annotated[
    bool,
    typer.Option(
        "--parse",
        help="Run `dbt parse` for each target that tasks run on, so that each has slices of its own; "
        "manifest.json is written only where there is none.",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Write nothing where the project has an error, not even the good domains.")
]
#: Reasons against a slice that are shown to a person; JSON has all.
_SHOWN = 5


def compile_plan(
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output_format: TextOrJson = Format.TEXT,
    parse: Parse = False,
    strict: Strict = False,
) -> None:
    """Write the compiled plan beside the manifest, from which DAG files load.

    A DAG file makes it by itself where it is missing or stale; made in CI, the first parse is quick, too. Exits with 1
    where the project has errors: they are told, and what has none is written all the same.
    """
    from dbt_af_k8s.plan.codec import issue_to_dict
    from dbt_af_k8s.plan.store import CACHE_VARIABLE, compile_project

    started = time.perf_counter()
    request = Where(project_dir, profiles_dir, target, manifest, config).request()
    done = compile_project(request, os.environ, parse=_parser(request) if parse else None, strict=strict)
    seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in done.folder.iterdir()) if done.folder else 0
    tasks = sum(len(dag.tasks) for dag in done.dags)
    errors = [issue for issue in done.issues if issue.is_error]
    if output_format is Format.JSON:
        write_json(
            {
                "version": 1,
                "folder": str(done.folder) if done.folder else None,
                "dags": len(done.dags),
                "tasks": tasks,
                "bytes": size,
                "seconds": round(seconds, 3),
                "slices": _slices_as_dict(done.made_slices),
                "issues": [issue_to_dict(issue) for issue in done.issues],
            }
        )
    elif done.folder is not None:
        mark = "[error]✗[/] Compiled all but what has errors" if errors else "[fine]✓[/] Compiled"
        size_of = (
            f"{counted(len(done.dags), 'DAG')}, {counted(tasks, 'task')}, {size / 1024:,.0f} KiB in {seconds:.1f} s"
        )
        console().print(f"{mark}: {size_of}.\n  {safe(str(done.folder))}", soft_wrap=True)
        for line in _slices_as_lines(done.made_slices):
            console().print(safe(line))
        for fault in issue_lines(errors):
            console(stderr=True).print(fault)
        if done.issues:
            console(stderr=True).print(f"{issue_count(done.issues)}; [name]dbt-af-k8s check[/] tells more.")
    if done.folder is None:
        screen = console(stderr=True)
        for told in done.unwritten:
            screen.print(f"[error]Not written:[/] {safe(told)}.", soft_wrap=True)
        screen.print(f"Make room or give the rights there, or name another folder with {CACHE_VARIABLE}.")
    if done.folder is None or errors:
        raise typer.Exit(1)


def _parser(request: "PlanRequest") -> "ParseTarget":
    """Lets dbt write the manifest of a target; the project's own one at once, where there is none."""
    from dbt_af_k8s.dbt.parse import parse_project
    from dbt_af_k8s.dbt.values import DbtProject
    from dbt_af_k8s.errors import UsageError
    from dbt_af_k8s.plan.store import manifest_file

    project = DbtProject(request.project_dir, request.profiles_dir)
    manifest = manifest_file(request, os.environ)
    if request.manifest is None and not manifest.is_file():
        parse_project(project, os.environ, target=request.target, target_path=manifest.parent)

    def parse(target: str, executable: str | None, manifest: Path) -> str | None:
        try:
            parse_project(project, os.environ, target=target, target_path=manifest.parent, executable=executable)
        except UsageError as reason:
            return str(reason)
        return None

    return parse


def _slices_as_dict(made: "PlanSlices | None") -> dict[str, Any]:
    if made is None:
        return {**_summary_as_dict(None, None), "targets": {}}
    targets = {found.target: _summary_as_dict(found.summary, found.because) for found in made.targets}
    return {**_summary_as_dict(made.main, made.because), "targets": targets}


def _summary_as_dict(summary: "SliceSummary | None", because: str | None) -> dict[str, Any]:
    if summary is None:
        return {"sliced": 0, "refused": None, "reasons": [], "because": because}
    reasons = [{"because": why, "nodes": count} for why, count in summary.reasons]
    return {"sliced": summary.sliced, "refused": summary.refused, "reasons": reasons, "because": None}


def _slices_as_lines(made: "PlanSlices | None") -> list[str]:
    """How many nodes start from a slice, and why the others do not; for each target that has slices of its own."""
    if made is None:
        return []
    lines = [] if any(found.summary for found in made.targets) else _summary_as_lines(made.main, made.because, "")
    for found in made.targets:
        if found.summary is None:
            lines.append(f"  Target {found.target} takes the slices of manifest.json where they fit: {found.because}")
        else:
            lines += _summary_as_lines(found.summary, None, f" on the target {found.target}")
    return lines


def _summary_as_lines(summary: "SliceSummary | None", because: str | None, where: str) -> list[str]:
    if summary is None:
        return [f"  No slices, so each task parses the whole project: {because}."] if because else []
    total = summary.sliced + summary.refused
    lines = [f"  {summary.sliced} of {counted(total, 'node')} start from a slice{where}."]
    lines += [f"  {count} not: {why}." for why, count in summary.reasons[:_SHOWN]]
    more = len(summary.reasons) - _SHOWN
    return [*lines, f"  {counted(more, 'more reason')} (--format json)."] if more > 0 else lines
