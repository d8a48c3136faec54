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
from dbt_af_k8s.errors import UsageError

if TYPE_CHECKING:
    from dbt_af_k8s.plan.render.picture import Picture
    from dbt_af_k8s.plan.values import Plan


class Format(StrEnum):
    """How the picture is written."""

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
    written = output_format or (_ENDINGS.get(output.suffix.lower()) if output else None) or Format.MERMAID
    text = _drawn(_picture(plan, of, dag), plan, written)
    if output is None:
        write_text(text)
        return
    if output.is_dir():
        raise UsageError(f"{output} is a folder; name a file in it.")
    write_whole(output, text)
    console(stderr=True).print(f"[fine]✓[/] Wrote {safe(str(output))}")


def _picture(plan: "Plan", of: Of, dag_id: str | None) -> "Picture":
    from dbt_af_k8s.plan.render.picture import domain_picture, node_picture

    if dag_id is not None:
        return node_picture(plan, dag_named(plan, dag_id).dag_id)
    return domain_picture(plan) if of is Of.DOMAINS else node_picture(plan)


def _drawn(picture: "Picture", plan: "Plan", written: Format) -> str:
    if written is Format.MERMAID:
        from dbt_af_k8s.plan.render.mermaid import to_mermaid

        return to_mermaid(picture)
    if written is Format.JSON:
        import json

        return json.dumps({"version": 1, **asdict(picture)}, indent=2, ensure_ascii=False) + "\n"
    from dbt_af_k8s.plan.render.layout import lay_out

    drawing = lay_out(picture)
    if written is Format.SVG:
        from dbt_af_k8s.plan.render.svg import to_svg

        return to_svg(drawing)
    from dbt_af_k8s.plan.render.html import to_html

    return to_html(drawing, plan)
