"""`dbt-af-k8s compile`: make the compiled plan ahead of time, in CI or in the image, not at the first parse."""

import os
import time
from typing import TYPE_CHECKING, Any

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
from dbt_af_k8s.cli.terminal import console, counted, safe, write_json

if TYPE_CHECKING:
    from dbt_af_k8s.dbt.slices.values import SliceSummary

#: Reasons against a slice that are shown to a person; JSON has all.
_SHOWN = 5


def compile_plan(
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Write the compiled plan beside the manifest, from which DAG files load.

    A DAG file makes it by itself where it is missing or stale; made in CI, the first parse is quick, too.
    """
    from dbt_af_k8s.plan.store import CACHE_VARIABLE, compile_project

    started = time.perf_counter()
    done = compile_project(Where(project_dir, profiles_dir, target, manifest, config).request(), os.environ)
    seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in done.folder.iterdir()) if done.folder else 0
    tasks = sum(len(dag.tasks) for dag in done.dags)
    if output_format is Format.JSON:
        write_json(
            {
                "version": 1,
                "folder": str(done.folder) if done.folder else None,
                "dags": len(done.dags),
                "tasks": tasks,
                "bytes": size,
                "seconds": round(seconds, 3),
                "slices": _slices_as_dict(done.slice_summary, done.no_slices),
            }
        )
    elif done.folder is not None:
        told = f"{counted(len(done.dags), 'DAG')}, {counted(tasks, 'task')}, {size / 1024:,.0f} KiB in {seconds:.1f} s"
        console().print(f"[fine]✓[/] Compiled: {told}.\n  {safe(str(done.folder))}")
        for line in _slices_as_lines(done.slice_summary, done.no_slices):
            console().print(safe(line))
    if done.folder is None:
        console(stderr=True).print(
            "[error]Not written:[/] the manifest's folder cannot be written to. "
            f"Name a cache folder with {CACHE_VARIABLE}."
        )
        raise typer.Exit(1)


def _slices_as_dict(summary: "SliceSummary | None", no_slices: str | None) -> dict[str, Any]:
    if summary is None:
        return {"sliced": 0, "refused": None, "reasons": [], "because": no_slices}
    reasons = [{"because": because, "nodes": count} for because, count in summary.reasons]
    return {"sliced": summary.sliced, "refused": summary.refused, "reasons": reasons, "because": None}


def _slices_as_lines(summary: "SliceSummary | None", no_slices: str | None) -> list[str]:
    """How many nodes start from a slice, and why the others do not."""
    if summary is None:
        return [f"  No slices, so each task parses the whole project: {no_slices}."] if no_slices else []
    total = summary.sliced + summary.refused
    lines = [f"  {summary.sliced} of {counted(total, 'node')} start from a slice."]
    lines += [f"  {count} not: {because}." for because, count in summary.reasons[:_SHOWN]]
    more = len(summary.reasons) - _SHOWN
    return [*lines, f"  {counted(more, 'more reason')} (--format json)."] if more > 0 else lines
