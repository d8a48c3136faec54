"""The graph of what dbt builds: models, seeds and snapshots, with ephemeral models passed through."""

from collections.abc import Iterable, Mapping

import networkx as nx

from dbt_af_k8s.errors import Issue, error
from dbt_af_k8s.manifest.values import Manifest, Node


class ProjectGraph:
    """Models, seeds and snapshots of a manifest and their refs. Never changes after it is made.

    A *parent* here is always a node that has a task of its own: where dbt names an ephemeral model, its parents
    stand in for it, however deep. A cycle (dbt refuses them, but a manifest can be edited) is reported in
    `issues`; the edges inside it are left out so that the rest of the project can still be planned.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._nodes = {key: node for key, node in manifest.nodes.items() if _is_built(node)}
        self._raw: nx.DiGraph[str] = nx.DiGraph()
        self._raw.add_nodes_from(self._nodes)
        for key, node in self._nodes.items():
            self._raw.add_edges_from((parent, key) for parent in node.parents if parent in self._nodes)
        self.issues = (*_dangling(manifest), *self._cut_cycles())
        self._depth = self._depths()
        self._parents, self._sources = self._pass_through_ephemerals(manifest)
        self._children = self._reverse()
        #: unique_ids of the nodes that have a task, parents always before children: by depth, then by id.
        self.order: tuple[str, ...] = tuple(
            sorted((key for key, node in self._nodes.items() if node.is_runnable), key=self.rank)
        )

    def __contains__(self, unique_id: str) -> bool:
        return unique_id in self._nodes

    def depth(self, unique_id: str) -> int:
        """Length of the longest path of refs that ends at the node; ephemeral models count, sources do not."""
        return self._depth[unique_id]

    def rank(self, unique_id: str) -> tuple[int, str]:
        """Sort key in which every node comes after its parents."""
        return (self._depth[unique_id], unique_id)

    def parents(self, unique_id: str) -> tuple[str, ...]:
        """Nodes that must be built before it, ephemeral ones replaced by theirs; sorted."""
        return self._parents[unique_id]

    def children(self, unique_id: str) -> tuple[str, ...]:
        """Nodes that are built from it, also through ephemeral models; sorted."""
        return self._children[unique_id]

    def sources(self, unique_id: str) -> tuple[str, ...]:
        """Sources that it reads, also through ephemeral models; sorted."""
        return self._sources[unique_id]

    def built_from(self, parents: Iterable[str]) -> tuple[str, ...]:
        """The runnable nodes behind a list of `depends_on` entries, ephemeral ones replaced by theirs; sorted."""
        found: set[str] = set()
        for parent in parents:
            node = self._nodes.get(parent)
            if node is not None:
                found.update((parent,) if node.is_runnable else self._parents[parent])
        return tuple(sorted(found))

    def ephemeral_ancestors(self, unique_id: str) -> tuple[str, ...]:
        """Ephemeral models that dbt inlines into the node, directly or one through the other; sorted."""
        found: set[str] = set()
        stack = [unique_id]
        while stack:
            for parent in self._raw.predecessors(stack.pop()):
                if parent not in found and self._nodes[parent].is_ephemeral:
                    found.add(parent)
                    stack.append(parent)
        return tuple(sorted(found))

    def inlined_into(self, ephemeral: str) -> tuple[str, ...]:
        """Nodes with a task whose SQL holds the ephemeral model, directly or through others; sorted."""
        found: set[str] = set()
        stack, seen = [ephemeral], {ephemeral}
        while stack:
            for child in self._raw.successors(stack.pop()):
                if self._nodes[child].is_runnable:
                    found.add(child)
                elif child not in seen:
                    seen.add(child)
                    stack.append(child)
        return tuple(sorted(found))

    def reachable(self, start: Iterable[str], *, upstream: bool, steps: int | None) -> set[str]:
        """Everything within `steps` refs of the start nodes (None: no limit), ephemeral models included, start too."""
        neighbours = self._raw.predecessors if upstream else self._raw.successors
        seen = {key for key in start if key in self._nodes}
        frontier = sorted(seen)
        while frontier and (steps is None or steps > 0):
            frontier = sorted({near for key in frontier for near in neighbours(key)} - seen)
            seen.update(frontier)
            steps = None if steps is None else steps - 1
        return seen

    def _cut_cycles(self) -> tuple[Issue, ...]:
        issues: list[Issue] = []
        for component in sorted(nx.strongly_connected_components(self._raw), key=min):
            first = min(component)
            if len(component) == 1 and not self._raw.has_edge(first, first):
                continue
            around = [edge[0] for edge in nx.find_cycle(self._raw.subgraph(sorted(component)), first)]
            path = " -> ".join([*around, around[0]])
            self._raw.remove_edges_from(
                [(up, down) for up in component for down in list(self._raw.successors(up)) if down in component]
            )
            issues.extend(
                error(
                    "cycle",
                    f"The models depend on each other in a circle: {path}.",
                    "Remove one of these refs, then run `dbt parse` again.",
                    file=self._nodes[key].file,
                    node=key,
                )
                for key in sorted(component)
            )
        return tuple(issues)

    def _depths(self) -> Mapping[str, int]:
        depth: dict[str, int] = {}
        for key in nx.topological_sort(self._raw):
            depth[key] = max((depth[parent] + 1 for parent in self._raw.predecessors(key)), default=0)
        return depth

    def _pass_through_ephemerals(
        self, manifest: Manifest
    ) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[str, ...]]]:
        parents: dict[str, tuple[str, ...]] = {}
        sources: dict[str, tuple[str, ...]] = {}
        for key in sorted(self._nodes, key=self.rank):
            built: set[str] = set()
            read = {parent for parent in self._nodes[key].parents if parent in manifest.sources}
            for parent in self._raw.predecessors(key):
                if self._nodes[parent].is_runnable:
                    built.add(parent)
                else:
                    built.update(parents[parent])
                    read.update(sources[parent])
            parents[key], sources[key] = tuple(sorted(built)), tuple(sorted(read))
        return parents, sources

    def _reverse(self) -> Mapping[str, tuple[str, ...]]:
        children: dict[str, list[str]] = {key: [] for key in self._nodes}
        for key in sorted(self._nodes):
            if self._nodes[key].is_runnable:
                for parent in self._parents[key]:
                    children[parent].append(key)
        return {key: tuple(found) for key, found in children.items()}


def _is_built(node: Node) -> bool:
    return node.is_runnable or node.is_ephemeral


def _dangling(manifest: Manifest) -> tuple[Issue, ...]:
    known = (manifest.nodes, manifest.sources, manifest.exposures, manifest.others)
    return tuple(
        error(
            "dangling-parent",
            f"It depends on {parent!r}, which the manifest does not have.",
            "Run `dbt parse` again; if it stays, the manifest was edited or cut.",
            file=node.file,
            node=node.unique_id,
        )
        for node in manifest.nodes.values()
        for parent in node.parents
        if not any(parent in entries for entries in known) and not parent.startswith("macro.")
    )
