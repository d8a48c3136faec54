"""Which domain a node belongs to, and the graph of domains: the contraction of the graph of refs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from dbt_af_k8s.config.settings import DomainSettings
from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.manifest.values import Node

_YAML = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class DomainChoice:
    """A node's domain and the rule that gave it."""

    domain: str
    because: str


def choose_domain(node: Node, own: str | None, settings: DomainSettings, project: str) -> DomainChoice:
    """The first of `domains.from` that names a domain; a node in no folder gets its project's or package's name.

    `own` is the node's own `domain` setting (`meta.domain`), or None.
    """
    givers: Mapping[str, Callable[[], DomainChoice | None]] = {
        "group": lambda: DomainChoice(node.group, f"its dbt group `{node.group}`") if node.group else None,
        "meta": lambda: DomainChoice(own, "its own `domain` setting") if own else None,
        "folder": lambda: _from_folder(node, settings.folder_depth),
    }
    for source in settings.sources:
        if (choice := givers[source]()) is not None:
            return choice
    kind = "project" if node.package == project else "package"
    return DomainChoice(node.package, f"it lies in no folder, so it takes the name of its {kind}")


def _from_folder(node: Node, depth: int) -> DomainChoice | None:
    folders = folders_of(node)
    if not folders:
        return None
    level = min(depth, len(folders))
    return DomainChoice(folders[level - 1], f"folder {level} of `{'/'.join(folders)}/`")


def folders_of(node: Node) -> tuple[str, ...]:
    """The folders between the resource path (`models/`, `seeds/`, ...) and the node's file.

    dbt writes `path` relative to the resource path, except for generic tests (a bare made-up file name) and for
    what is defined in YAML, where the YAML file's name stands in the path like a folder.
    """
    parts = node.path.split("/")
    if node.is_test and node.file.endswith(_YAML) and len(parts) == 1:
        parts = node.file.split("/")[1:]
    cut = next((index for index, part in enumerate(parts) if part.endswith(_YAML)), len(parts) - 1)
    return tuple(part for part in parts[:cut] if part)


def domain_graph(graph: ProjectGraph, domain_of: Mapping[str, str]) -> "nx.DiGraph[str]":
    """One node per domain and one edge for all refs between two domains. Cycles between domains are legal."""
    domains: nx.DiGraph[str] = nx.DiGraph()
    domains.add_nodes_from(sorted({domain_of[key] for key in graph.order}))
    for key in graph.order:
        for parent in graph.parents(key):
            if domain_of[parent] != domain_of[key]:
                domains.add_edge(domain_of[parent], domain_of[key])
    return domains


def upstream_domains(graph: ProjectGraph, domain_of: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """For each domain, the domains whose nodes its own read; both sorted."""
    domains = domain_graph(graph, domain_of)
    return {domain: tuple(sorted(domains.predecessors(domain))) for domain in sorted(domains)}
