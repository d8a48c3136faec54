"""How a project whose top folders are layers of dbt (staging, marts, ...) would look with other domains. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dbt_af_k8s.config.settings import DomainSettings
from dbt_af_k8s.graph.domains import domains_that_read_each_other
from dbt_af_k8s.plan.build import Build, build
from dbt_af_k8s.plan.values import DagKind, TaskKind

#: Names of folders that say how far data is prepared, and not what they are about.
LAYERS = frozenset(
    (
        *("raw", "src", "source", "sources", "landing", "ods", "bronze"),
        *("staging", "stage", "stg", "base", "prep", "silver"),
        *("intermediate", "int", "transform", "core", "dwh"),
        *("mart", "marts", "dim", "dimensions", "fact", "facts", "fct", "gold", "semantic", "final"),
        *("report", "reports", "reporting", "presentation"),
    )
)


@dataclass(frozen=True, slots=True)
class DomainLayout:
    """One way to cut a project into domains, and what comes of it."""

    name: str
    #: What to write into the settings; empty for the way it is.
    lines: str
    #: Scheduled and manual DAGs, and the waits between them.
    dags: int
    waits: int
    #: Groups of domains that read each other.
    circles: int


def domain_layouts(built: Build) -> tuple[DomainLayout, ...]:
    """The way it is and the others, each really planned; nothing where the domains are no layers of dbt."""
    now = built.inputs.settings.domains
    own = (each for each in built.decisions.nodes.values() if each.node.package == built.inputs.project)
    domains = {each.domain.domain for each in own}
    if now.sources[0] != "folder" or now.folder_depth != 1:
        return ()
    if len(domains & LAYERS) < 2 and not _root_is_a_layer(built):
        return ()
    return (_counted("as it is", "", built), *(_planned(built, *way) for way in _others(built, now)))


def _root_is_a_layer(built: Build) -> bool:
    """Whether the domain of what lies in no folder, often seeds and marts, reads a layer that reads it in turn."""
    root = built.inputs.project
    circles = domains_that_read_each_other(built.decisions.graph, _domains(built))
    return any(root in circle and not LAYERS.isdisjoint(circle) for circle in circles)


def _domains(built: Build) -> dict[str, str]:
    return {key: decision.domain.domain for key, decision in built.decisions.nodes.items()}


def _others(built: Build, now: DomainSettings) -> Iterator[tuple[str, str, DomainSettings]]:
    yield "by the second folder", "domains: {folder_depth: 2}", replace(now, folder_depth=2)
    if any(node.group for node in built.inputs.manifest.nodes.values()):
        by_group = replace(now, sources=("group", "folder"))
        yield "by dbt group", "domains: {from: [group, folder]}", by_group
    yield "one domain", "domains: {from: meta}", replace(now, sources=("meta",))


def _planned(built: Build, name: str, lines: str, domains: DomainSettings) -> DomainLayout:
    settings = replace(built.inputs.settings, domains=domains)
    return _counted(name, lines, build(replace(built.inputs, settings=settings)))


def _counted(name: str, lines: str, built: Build) -> DomainLayout:
    dags = [dag for dag in built.plan.dags if dag.kind in (DagKind.SCHEDULED, DagKind.MANUAL)]
    waits = sum(task.kind is TaskKind.WAIT for dag in dags for task in dag.tasks)
    circles = domains_that_read_each_other(built.decisions.graph, _domains(built))
    return DomainLayout(name, lines, len(dags), waits, len(circles))
