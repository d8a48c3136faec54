"""Where each data test runs: its size, and the node that it is placed with.

A test with several parents is placed with the one that comes last: a scheduled one before one that only a person
starts, then the larger depth, then the node that the test is declared with, then the larger unique_id. So a test adds
an edge from an earlier node to a later one, or between nodes of one depth, where no circle is let come about: adding
tests can never make a cycle.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum

import networkx as nx

from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.manifest.values import Manifest, Node


class TestSize(StrEnum):
    """How a test is scheduled, from its tags; the names are dbt-af's."""

    __test__ = False  # pytest must not collect it

    #: Runs right after its node and blocks what is downstream.
    SMALL = "@small"
    #: Runs after all models of the DAG and blocks nothing.
    MEDIUM = "@medium"
    #: Runs daily in the domain's own DAG.
    LARGE = "@large"


@dataclass(frozen=True, slots=True)
class Placement:
    """One test's place."""

    test: str
    size: TestSize
    #: The node it is placed with; None where it has no parent that the plan builds.
    beside: str | None
    #: All nodes that must be built before it, sorted.
    parents: tuple[str, ...]
    #: Sources it reads, sorted.
    sources: tuple[str, ...]

    @property
    def source(self) -> str | None:
        """The source it is placed with: the last by id, where all of its parents are sources."""
        return self.sources[-1] if not self.parents and self.sources else None

    @property
    def blocks(self) -> bool:
        """Whether what is downstream of its node or source waits for it."""
        return self.size is TestSize.SMALL and (self.beside or self.source) is not None


def size_of(test: Node) -> TestSize:
    """The size that the test's tags name; the largest where they name several, small where they name none."""
    for size in (TestSize.LARGE, TestSize.MEDIUM):
        if size.value in test.tags:
            return size
    return TestSize.SMALL


def place_tests(
    manifest: Manifest, graph: ProjectGraph, manual: Set[str] = frozenset(), absent: Set[str] = frozenset()
) -> Mapping[str, Placement]:
    """Place every data test of the manifest; keyed and ordered by unique_id.

    `manual` nodes have no schedule; those that are `absent` from the plan, by the selection, hold no test.
    """
    nodes = sorted(manifest.nodes.items())
    placements = {key: _place(node, manifest, graph, manual, absent) for key, node in nodes if node.is_test}
    return {**placements, **_out_of_circles(placements, graph, manual)}


def last_of(parents: Sequence[str], graph: ProjectGraph, manual: Set[str], preferred: Sequence[str] = ()) -> str | None:
    """The parent that comes last: scheduled before manual, then by depth, then a preferred one, then by unique_id."""
    return max(parents, key=lambda key: (key not in manual, graph.depth(key), key in preferred, key), default=None)


def _place(test: Node, manifest: Manifest, graph: ProjectGraph, manual: Set[str], absent: Set[str]) -> Placement:
    parents = graph.built_from(test.parents)
    declared_with = graph.built_from((test.attached_node,) if test.attached_node else ())
    read = {parent for parent in test.parents if parent in manifest.sources}
    for parent in test.parents:
        node = manifest.nodes.get(parent)
        if node is not None and node.is_ephemeral:
            read.update(graph.sources(parent))
    return Placement(
        test=test.unique_id,
        size=size_of(test),
        beside=last_of([key for key in parents if key not in absent], graph, manual, preferred=declared_with),
        parents=parents,
        sources=tuple(sorted(read)),
    )


def _out_of_circles(
    placements: Mapping[str, Placement], graph: ProjectGraph, manual: Set[str]
) -> Mapping[str, Placement]:
    """Other places for blocking tests of nodes of one depth that would hold each other back.

    `a` may be tested against `b`, and `b` against `a`: each would be done only after the other. Among the nodes of such
    a circle the larger unique_id takes the test.
    """
    held_back: nx.DiGraph[str] = nx.DiGraph()
    peers: dict[str, list[str]] = {}
    for key, placement in placements.items():
        if placement.beside is not None and placement.blocks:
            level = (placement.beside in manual, graph.depth(placement.beside))
            peers[key] = [parent for parent in placement.parents if (parent in manual, graph.depth(parent)) == level]
            held_back.add_edges_from((peer, placement.beside) for peer in peers[key] if peer != placement.beside)
    circle_of = {node: circle for circle in nx.strongly_connected_components(held_back) for node in circle}
    return {
        key: replace(placement, beside=max(peer for peer in peers[key] if peer in circle_of[placement.beside]))
        for key, placement in placements.items()
        if placement.beside in circle_of and key in peers
    }
