"""Which domain a node belongs to, and the graph of domains: the contraction of the graph of refs."""

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from dbt_af_k8s.config.settings import DomainSettings
from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.manifest.values import Node, Source

_YAML = (".yml", ".yaml")
#: What a path may hold besides the names of folders.
_NO_FOLDERS = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class DomainChoice:
    """A node's domain and the rule that gave it."""

    domain: str
    because: str


class ResourceRoots:
    """The resource paths of each package: `models/`, `seeds/`, `shop/dbt/models/`, `../../common/`, ...

    Those of the project itself are what dbt_project.yml says. Those of packages show in their nodes: dbt writes a
    node's `path` relative to the resource path and `original_file_path` relative to the package, and the difference is
    the resource path. What is defined in YAML (generic tests, sources) has no such pair of its own.
    """

    def __init__(self, project: str, paths: Iterable[str], nodes: Iterable[Node]) -> None:
        roots = {
            (node.package, node.file[: -len(node.path)])
            for node in nodes
            if node.package != project and node.file.endswith(f"/{node.path}")
        }
        roots |= {(project, "" if path == "." else f"{path}/") for path in map(posixpath.normpath, paths)}
        self._roots = sorted(roots, key=lambda root: (-len(root[1]), root))

    def folders_of(self, entry: Node | Source) -> tuple[str, ...]:
        """The folders between the resource path and the entry's file."""
        parts = entry.path.split("/")
        if isinstance(entry, Source) or (entry.is_test and entry.file.endswith(_YAML) and len(parts) == 1):
            parts = self._below_root(entry).split("/")
        # What is defined in YAML has the YAML file's name in its path like a folder: `sales/snapshots.yml/orders.sql`.
        cut = next((index for index, part in enumerate(parts) if part.endswith(_YAML)), len(parts) - 1)
        return tuple(part for part in parts[:cut] if part not in _NO_FOLDERS)

    def _below_root(self, entry: Node | Source) -> str:
        file = posixpath.normpath(entry.file)
        for package, root in self._roots:
            if package == entry.package and file.startswith(root):
                return file[len(root) :]
        return file.partition("/")[2]


def choose_domain(
    entry: Node | Source, own: str | None, settings: DomainSettings, project: str, roots: ResourceRoots
) -> DomainChoice:
    """The first of `domains.from` that names a domain; what lies in no folder gets its project's or package's name.

    `own` is the entry's own `domain` setting (`meta.domain`), or None.
    """
    group = entry.group if isinstance(entry, Node) else None
    givers: Mapping[str, Callable[[], DomainChoice | None]] = {
        "group": lambda: DomainChoice(group, f"its dbt group `{group}`") if group else None,
        "meta": lambda: DomainChoice(own, "its own `domain` setting") if own else None,
        "folder": lambda: _from_folder(roots.folders_of(entry), settings.folder_depth),
    }
    is_foreign = entry.package != project
    if is_foreign and settings.packages == "own":
        givers = {**givers, "folder": lambda: DomainChoice(entry.package, f"it comes from package `{entry.package}`")}
    for source in settings.sources:
        if (choice := givers[source]()) is not None:
            return choice
    kind = "package" if is_foreign else "project"
    return DomainChoice(entry.package, f"it lies in no folder, so it takes the name of its {kind}")


def _from_folder(folders: Sequence[str], depth: int) -> DomainChoice | None:
    if not folders:
        return None
    level = min(depth, len(folders))
    return DomainChoice(folders[level - 1], f"folder {level} of `{'/'.join(folders)}/`")


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


def domains_in_order(graph: ProjectGraph, domain_of: Mapping[str, str]) -> Sequence[str]:
    """Every domain after those that it reads; domains that read each other stand side by side, by name."""
    together = nx.condensation(domain_graph(graph, domain_of))
    members = {number: sorted(data["members"]) for number, data in together.nodes(data=True)}
    order = nx.lexicographical_topological_sort(together, key=lambda number: members[number][0])
    return tuple(domain for number in order for domain in members[number])


def domains_that_read_each_other(graph: ProjectGraph, domain_of: Mapping[str, str]) -> Sequence[Sequence[str]]:
    """Each group of domains in which everyone reads everyone, directly or through others; sorted."""
    groups = nx.strongly_connected_components(domain_graph(graph, domain_of))
    return tuple(sorted(tuple(sorted(group)) for group in groups if len(group) > 1))
