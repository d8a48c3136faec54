"""`dbt-af-k8s times`: record how long dbt takes for each node, for `granularity: fused`."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dbt_af_k8s.cli.options import HERE, ProjectDir
from dbt_af_k8s.cli.terminal import console, counted, print_issues, safe, table, write_json
from dbt_af_k8s.cli.whole_file import write_whole
from dbt_af_k8s.errors import UsageError

#: So many of the slowest nodes are shown.
_SHOWN = 10


class Format(StrEnum):
    """How it is told what was recorded."""

    TEXT = "text"
    JSON = "json"


def times(
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            help="run_results.json files of dbt, or folders of such. Default: that in the project's target folder.",
            metavar="RESULTS",
        ),
    ] = None,
    project_dir: ProjectDir = HERE,
    output_format: Annotated[Format, typer.Option("--format", help="For people or for machines.")] = Format.TEXT,
) -> None:
    """Write the run times of nodes to dbt_af_k8s_run_times.json in the project, from dbt's own results.

    A node gets the median of its runs in the files named; nodes that are not in them keep what was recorded before.
    Keep the file with the project: plans read it, and change only with it.
    """
    from dbt_af_k8s.config.read import read_run_times, run_times_file
    from dbt_af_k8s.config.run_times import median_times, run_times_text

    root = project_dir.absolute()
    files = tuple(_files(results or [_default(root)]))
    recorded = median_times([_times(file) for file in files])
    before = read_run_times(root)
    if before.issues:
        print_issues(before.issues, stderr=True)
    together: Mapping[str, float] = {**before.seconds, **recorded}
    path = run_times_file(root)
    write_whole(path, run_times_text(together))
    if output_format is Format.JSON:
        write_json({"version": 1, "file": str(path), "nodes": {key: round(recorded[key], 3) for key in recorded}})
        return
    _show(recorded, len(files), path, kept=len(together) - len(recorded))


def _default(root: Path) -> Path:
    import os

    from dbt_af_k8s.config.read import read_dbt_project

    return root / read_dbt_project(root, env=os.environ).target_path / "run_results.json"


def _files(given: list[Path]) -> Iterator[Path]:
    for path in given:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(path.glob("*.json"))
        if not inside:
            raise UsageError(f"{path} holds no JSON file.")
        yield from inside


def _times(file: Path) -> Mapping[str, float]:
    from dbt_af_k8s.config.run_times import times_of_results

    try:
        document: Any = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise UsageError(
            f"There is no {file}. dbt writes it when it has run: `dbt build`, say. Or name another file or folder."
        ) from None
    except OSError as reason:
        raise UsageError(f"{file} cannot be read: {(reason.strerror or str(reason)).lower()}.") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{file} is no JSON.") from None
    found = times_of_results(document)
    if found is None:
        raise UsageError(f"{file} is no run_results.json of dbt: it has no list of `results`.")
    return found


def _show(recorded: Mapping[str, float], files: int, path: Path, *, kept: int) -> None:
    screen = console()
    slowest = sorted(recorded, key=lambda key: (-recorded[key], key))[:_SHOWN]
    if slowest:
        rows = table("Slowest nodes", "Seconds")
        for key in slowest:
            rows.add_row(f"[name]{safe(key)}[/]", f"{recorded[key]:.1f}")
        screen.print(rows)
    told = f"{counted(len(recorded), 'node')} from {counted(files, 'file')}"
    screen.print(f"Recorded {told}, {counted(kept, 'node')} as before: {safe(str(path))}", soft_wrap=True)
