"""`dbt-af-k8s init`: the files that a project needs to become DAGs, and a small project where there is none."""

import sys
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from dbt_af_k8s.cli.init_files import EXAMPLE, MEANINGS, dag_file, settings_file
from dbt_af_k8s.cli.layers import print_layer_hint
from dbt_af_k8s.cli.options import HERE, Format, ProjectDir, TextOrJson, Where
from dbt_af_k8s.cli.terminal import console, safe, write_json
from dbt_af_k8s.cli.whole_file import write_new
from dbt_af_k8s.config.settings_runners import DBT_API as _DBT_API
from dbt_af_k8s.config.settings_runners import LOCAL as _LOCAL
from dbt_af_k8s.config.wording import choose_from
from dbt_af_k8s.errors import ProjectError, UsageError


class Runner(StrEnum):
    """Where dbt can run: every runner of the ability table."""

    LOCAL = _LOCAL
    DBT_API = _DBT_API


_RUNNER_HELP = f"Where dbt runs: {'; '.join(f'{name}, {MEANINGS[name]}' for name in Runner)}."


def init(
    project_dir: ProjectDir = HERE,
    runner: Annotated[Runner | None, typer.Option("--runner", help=_RUNNER_HELP)] = None,
    example: Annotated[bool, typer.Option("--example", help="Make a small dbt project on DuckDB as well.")] = False,
    dags_dir: Annotated[
        Path | None,
        typer.Option("--dags-dir", help="Folder of the DAG file. Default: dags/ in the project.", metavar="DIR"),
    ] = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Write the settings and the one-line DAG file of a project.

    Never overwrites: what is there already is left alone and named.
    """
    root = project_dir.absolute()
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file; --project-dir names a folder.")
    has_project = (root / "dbt_project.yml").is_file()
    if not has_project and not example:
        raise UsageError(
            f"{root} has no dbt_project.yml. Name the project with --project-dir, or make one with --example."
        )
    files: dict[Path, str] = {}
    if example and not has_project:
        files |= {root / path: text for path, text in EXAMPLE.items()}
    files[root / "dbt_af_k8s.yml"] = settings_file(_chosen(runner, output_format).value, _domains(root, output_format))
    dags = (dags_dir or root / "dags").absolute()
    files[dags / "dbt_dags.py"] = dag_file(_way(dags, root))
    if (root / "dbt_af_k8s.yaml").exists():
        del files[root / "dbt_af_k8s.yml"]
    written = [path for path, text in files.items() if write_new(path, text)]
    left = [path for path in files if path not in written]
    if example and has_project:
        left.append(root / "dbt_project.yml")
    if output_format is Format.JSON:
        write_json({"version": 1, "written": _names(written), "left_alone": _names(left)})
    else:
        _tell(root, written, left, example=example and not has_project)


def _chosen(runner: Runner | None, output_format: Format) -> Runner:
    """The runner asked for; else a person at a terminal is asked; else dbt runs on the worker."""
    if runner is not None:
        return runner
    if output_format is not Format.TEXT or not sys.stdin.isatty() or not sys.stdout.isatty():
        return Runner.LOCAL
    screen = console()
    screen.print("Where shall dbt run?")
    for name in Runner:
        screen.print(f"  [name]{name}[/]  {MEANINGS[name]}")
    chosen: Runner = typer.prompt("Runner", default=_LOCAL, value_proc=_named)
    return chosen


def _domains(root: Path, output_format: Format) -> str:
    """The line of settings that a person chooses where the project's domains would be layers; else none."""
    if output_format is not Format.TEXT or not sys.stdin.isatty() or not sys.stdout.isatty():
        return ""
    try:
        layouts = print_layer_hint(Where(root).build())
    except ProjectError:
        return ""  # it has not been parsed yet, or has errors that `check` tells
    if not layouts:
        return ""
    lines = {layout.name: layout.lines for layout in layouts}

    def chosen(answer: str) -> str:
        if answer not in lines:
            raise typer.BadParameter(choose_from(answer, list(lines)))
        return lines[answer]

    line: str = typer.prompt("Domains", default=layouts[0].name, value_proc=chosen)
    return line


def _named(answer: str) -> Runner:
    if answer not in list(Runner):
        raise typer.BadParameter(choose_from(answer, list(Runner)))
    return Runner(answer)


def _way(dags: Path, root: Path) -> str:
    """The project as seen from the DAG file: relative where both lie together, so that the folder can be moved."""
    if root == dags.parent:
        return ".."
    if dags.is_relative_to(root):
        return PurePosixPath(*[".."] * len(dags.relative_to(root).parts)).as_posix()
    return root.as_posix()


def _names(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths]


def _tell(root: Path, written: list[Path], left: list[Path], *, example: bool) -> None:
    screen = console()
    for mark, paths, said in (
        ("[fine]✓[/]", written, ""),
        ("[soft]-[/]", left, "  [soft]left alone: it is there already[/]"),
    ):
        for path in paths:
            name = path.relative_to(root) if path.is_relative_to(root) else path
            screen.print(f"{mark} {safe(str(name))}{said}", soft_wrap=True)
    here = "" if root == Path.cwd() else f" --project-dir {safe(str(root))}"
    steps = [f"dbt parse{here}" + (f" --profiles-dir {safe(str(root))}" if example and here else "")]
    steps += [f"dbt-af-k8s plan{here}"]
    screen.print("\nNext:")
    for step in steps:
        screen.print(f"  [name]{step}[/]", soft_wrap=True)
    screen.print("[soft]Then give the DAG file to Airflow: its folder is a DAG folder.[/]")
