"""`dbt-af-k8s explain NODE`: where a node went, and the rule that decided each part of it."""

from dataclasses import asdict
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
from dbt_af_k8s.cli.terminal import console, issue_lines, safe, table, write_json

if TYPE_CHECKING:
    from dbt_af_k8s.plan.explain import Explanation


def explain(
    node: Annotated[str, typer.Argument(help="Name or unique_id, task id or DAG_ID.TASK_ID.", metavar="NODE")],
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Say where a node went and why: domain, schedule, DAG, target, waits and tests, each with its rule."""
    from dbt_af_k8s.plan.explain import explain as explain_node

    found = explain_node(Where(project_dir, profiles_dir, target, manifest, config).build(), node)
    if output_format is Format.JSON:
        write_json({"version": 1, "nodes": [_to_dict(each) for each in found]})
    elif len(found) == 1:
        _show(found[0])
    else:
        _show_list(node, found)


def _to_dict(explanation: "Explanation") -> dict[str, Any]:
    from dbt_af_k8s.plan.codec import issue_to_dict

    return {
        "node": explanation.node,
        "resource_type": explanation.resource_type,
        "file": explanation.file,
        "dag_id": explanation.dag_id,
        "task_id": explanation.task_id,
        "left_out": explanation.left_out,
        "reasons": [asdict(reason) for reason in explanation.reasons],
        "issues": [issue_to_dict(issue) for issue in explanation.issues],
    }


def _show(explanation: "Explanation") -> None:
    screen = console()
    screen.print(f"[name]{safe(explanation.node)}[/]  [soft]{safe(explanation.file)}[/]")
    if explanation.dag_id and explanation.task_id:
        screen.print(f"runs as [accent]{safe(explanation.task_id)}[/] in [accent]{safe(explanation.dag_id)}[/]")
    if explanation.left_out:
        screen.print(f"[warning]has no task:[/] {safe(explanation.left_out)}")
    if explanation.reasons:
        screen.print()
        reasons = table("What", "Is", "Because")
        for reason in explanation.reasons:
            reasons.add_row(f"[soft]{safe(reason.what)}[/]", f"[name]{safe(reason.value)}[/]", safe(reason.rule))
        screen.print(reasons)
    for line in issue_lines(explanation.issues):
        screen.print(line)


def _show_list(name: str, found: tuple["Explanation", ...]) -> None:
    """Several nodes of that name: which there are. One is explained when it is asked for by its unique_id."""
    screen = console()
    screen.print(f"{len(found)} are called [name]{safe(name)}[/]; ask for one by its unique_id, or by DAG and task:\n")
    nodes = table("Node", "Task", "DAG")
    for each in found:
        nodes.add_row(safe(each.node), safe(each.task_id or "-"), safe(each.dag_id or each.left_out or "-"))
    screen.print(nodes)
