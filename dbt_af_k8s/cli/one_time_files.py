"""The files of a one-time job: its configuration and template are read here, its objects written."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbt_af_k8s.cli.options import Where
from dbt_af_k8s.errors import Issue, UsageError

if TYPE_CHECKING:
    from dbt_af_k8s.plan.one_time.render import RenderedJob
    from dbt_af_k8s.plan.one_time.values import OneTimeJob

#: Largest file that is read, in bytes; the reader of YAML takes no larger one.
_MOST_BYTES = 1024 * 1024
_TEMPLATES = (".j2", ".jinja", ".jinja2", ".yaml", ".yml")

JobConfig = Annotated[
    Path, typer.Argument(help="The configuration, conventionally backfill.yml.", metavar="CONFIG.yml")
]
JobSuffix = Annotated[
    str | None,
    typer.Option(
        "--suffix", help="Ends the Job's name. Default: words that follow from the configuration.", metavar="NAME"
    ),
]
JobTemplate = Annotated[
    Path | None,
    typer.Option("--template", help="A Jinja template of the Job and its ConfigMap in place of ours.", metavar="FILE"),
]
JobProject = Annotated[
    Path | None,
    typer.Option(
        "--project-dir", help="Check the DAG and the models against the plan of this project, too.", metavar="DIR"
    ),
]


def read_config(
    path: Path, *, suffix: str | None = None, project_dir: Path | None = None
) -> "tuple[OneTimeJob, tuple[Issue, ...]]":
    """The configuration of a one-time job and its warnings. `ProjectError` with everything that is wrong with it.

    With `project_dir` also what the plan of that project says of it.
    """
    from dbt_af_k8s.plan.one_time.read import read_one_time

    job, issues = read_one_time(_bytes(path), file=path.name, suffix=suffix)
    if project_dir is not None:
        from dbt_af_k8s.plan.one_time.against_plan import check_against_plan

        check_against_plan(job.asked, Where(project_dir).build(), file=path.name)
    return job, issues


def render(job: "OneTimeJob", template: Path | None) -> "RenderedJob":
    """The objects of a job, by the template in that file, else by ours."""
    from dbt_af_k8s.plan.one_time.render import OUR_TEMPLATE, render_job

    templates = {OUR_TEMPLATE: _our_template(OUR_TEMPLATE)}
    if template is None:
        return render_job(job, templates)
    templates |= _beside(template)
    return render_job(job, templates, template=template.name)


def write_files(rendered: "RenderedJob", folder: Path) -> tuple[Path, ...]:
    """Write the objects into a folder, each file whole or not at all; what else is there stays."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder.")
    folder.mkdir(parents=True, exist_ok=True)
    # All are written beside their places before the first is put there.
    waiting: list[tuple[Path, Path]] = []
    try:
        for name, text in rendered.files:
            number, made = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
            waiting.append((Path(made), folder / name))
            with os.fdopen(number, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
                os.fchmod(stream.fileno(), 0o644)
        for made_path, path in waiting:
            made_path.replace(path)
    finally:
        for made_path, _ in waiting:
            with suppress(FileNotFoundError):
                made_path.unlink()
    return tuple(path for _, path in waiting)


def _our_template(name: str) -> str:
    from dbt_af_k8s.plan import one_time

    return (Path(one_time.__file__).parent / name).read_text(encoding="utf-8")


def _beside(template: Path) -> Mapping[str, str]:
    """The template and those in its folder, which it may extend and include; none from elsewhere."""
    names = {path for path in template.parent.iterdir() if path.suffix in _TEMPLATES and path.is_file()} | {template}
    return {path.name: _bytes(path).decode("utf-8", "replace") for path in sorted(names)}


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it.")
    with path.open("rb") as stream:
        return stream.read(_MOST_BYTES + 1)
