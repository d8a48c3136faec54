"""The hint for projects whose domains are layers of dbt: what other domains would make of them."""

from typing import TYPE_CHECKING

from dbt_af_k8s.cli.terminal import console, counted, safe

if TYPE_CHECKING:
    from dbt_af_k8s.plan.build import Build
    from dbt_af_k8s.plan.layers import DomainLayout


def print_layer_hint(built: "Build") -> "tuple[DomainLayout, ...]":
    """Say in a few lines how the project looks with other domains, if its own are layers; give these ways."""
    from dbt_af_k8s.plan.layers import domain_layouts

    layouts = domain_layouts(built)
    if not layouts:
        return ()
    screen = console()
    screen.print("\n[soft]Hint:[/] the top folders are layers (staging, marts, ...), and each becomes a DAG. Planned:")
    for layout in layouts:
        sizes = f"{counted(layout.dags, 'DAG')}, {counted(layout.waits, 'wait')}, {counted(layout.circles, 'circle')}"
        lines = f"  [name]{safe(layout.lines)}[/]" if layout.lines else ""
        screen.print(f"  {layout.name + ':':<22}{sizes}{lines}", soft_wrap=True, highlight=False)
    screen.print("[soft]Write one of these lines into dbt_af_k8s.yml. A circle: domains that read each other.[/]")
    return layouts
