"""`dbt-af-k8s graph`: a picture of the domains or of the tasks, for pages, pull requests and browsers."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbt_af_k8s.cli.dags import dag_named
from dbt_af_k8s.cli.options import HERE, ConfigFile, ManifestFile, ProfilesDir, ProjectDir, Target, Where
from dbt_af_k8s.cli.terminal import console, safe, write_text
from dbt_af_k8s.cli.whole_file import write_whole
from dbt_af_k8s.errors import DbtAfK8sError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from dbt_af_k8s.plan.render.layout import Drawing
    from dbt_af_k8s.plan.render.picture import Picture
    from dbt_af_k8s.plan.values import Plan


class Format(StrEnum):
    """How the picture is chosen."""

    MERMAID = "mermaid"
    SVG = "svg"
    HTML = "html"
    JSON = "json"


class Of(StrEnum):
    """What the boxes are."""

    DOMAINS = "domains"
    NODES = "nodes"


_ENDINGS = {".svg": Format.SVG, ".html": Format.HTML, ".htm": Format.HTML, ".json": Format.JSON}


def graph(
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    of: Annotated[Of, typer.Option("--of", help="Domains and their schedules, or tasks.")] = Of.DOMAINS,
    dag: Annotated[
        str | None, typer.Option("--dag", help="Only the tasks of this DAG (means --of nodes).", metavar="DAG_ID")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of the terminal.", metavar="FILE")
    ] = None,
    output_format: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the ending of the file, else mermaid. svg and html need igraph."),
    ] = None,
) -> None:
    """Draw the map of the domains, or the tasks of a DAG.

    An HTML page stands alone: it asks nothing of the network and follows the reader's light or dark mode.
    """
    plan = Where(project_dir, profiles_dir, target, manifest, config).build().plan
    if output is not None and output.is_dir():
        raise UsageError(f"{output} is a folder; name a file in it.")
    chosen = output_format or (_ENDINGS.get(output.suffix.lower()) if output else None) or Format.MERMAID
    picture = _picture(plan, of, dag)
    try:
        text = _drawn(picture, plan, chosen)
    except LayoutError as crash:
        output = output.with_suffix(".mmd") if output else None
        console(stderr=True).print(f"[error]✗[/] {safe(str(crash))} What follows is Mermaid instead of {chosen}.")
        _write(_drawn(picture, plan, Format.MERMAID), output)
        raise typer.Exit(1) from None
    _write(text, output)


def _write(text: str, output: Path | None) -> None:
    """The picture to its file, or to the terminal."""
    if output is None:
        write_text(text)
        return
    write_whole(output, text)
    console(stderr=True).print(f"[fine]✓[/] Wrote {safe(str(output))}")


def _picture(plan: "Plan", of: Of, dag_id: str | None) -> "Picture":
    from dbt_af_k8s.plan.render.picture import domain_picture, node_picture

    if dag_id is not None:
        return node_picture(plan, dag_named(plan, dag_id).dag_id)
    return domain_picture(plan) if of is Of.DOMAINS else node_picture(plan)


def _drawn(picture: "Picture", plan: "Plan", chosen: Format) -> str:
    if chosen is Format.MERMAID:
        from dbt_af_k8s.plan.render.mermaid import to_mermaid

        return to_mermaid(picture)
    if chosen is Format.JSON:
        import json

        return json.dumps({"version": 1, **asdict(picture)}, indent=2, ensure_ascii=False) + "\n"
    drawing = lay_out_apart(picture)
    if chosen is Format.SVG:
        from dbt_af_k8s.plan.render.svg import to_svg

        return to_svg(drawing)
    from dbt_af_k8s.plan.render.html import to_html

    return to_html(drawing, plan)


class LayoutError(DbtAfK8sError):
    """The process of the layout died, or did not end."""


def lay_out_apart(
    picture: "Picture", lay_out: "Callable[[Picture], Drawing] | None" = None, *, seconds: float = 300.0
) -> "Drawing":
    """`lay_out` in a process of its own: igraph is C, and where it crashes it takes its process along without a word.

    Raises `LayoutError`, and `UsageError` where igraph is not installed.
    """
    from multiprocessing import get_context

    from dbt_af_k8s.plan.render import layout

    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(lay_out or layout.lay_out, picture, sender), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise LayoutError(f"igraph has not laid out this picture within {seconds:g} seconds.")
        answer: Drawing | UsageError = receiver.recv()
    except EOFError:
        raise LayoutError("igraph crashed while it laid out this picture.") from None
    finally:
        process.kill()
        process.join()
    if isinstance(answer, UsageError):
        raise answer
    return answer


def _send(lay_out: "Callable[[Picture], Drawing]", picture: "Picture", sender: "Connection") -> None:
    """In that process: answer with the drawing, or with what the user has to do first."""
    try:
        sender.send(lay_out(picture))
    except UsageError as reason:
        sender.send(reason)
