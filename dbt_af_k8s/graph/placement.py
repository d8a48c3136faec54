"""Where each data test runs: its size, and the node that it is placed with.

A test with several parents is placed with the parent that comes last (larger depth, then larger unique_id), so a
test only ever adds an edge from an earlier node to a later one: adding tests can never make a cycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

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
    #: The node it is placed with; None where it has no parent that dbt builds.
    beside: str | None
    #: All nodes that must be built before it, sorted.
    parents: tuple[str, ...]
    #: Sources it reads, sorted.
    sources: tuple[str, ...]

    @property
    def source(self) -> str | None:
        """The source it is placed with: the last by id, where all of its parents are sources."""
        return self.sources[-1] if self.beside is None and self.sources else None

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


def place_tests(manifest: Manifest, graph: ProjectGraph) -> Mapping[str, Placement]:
    """Place every data test of the manifest; keyed and ordered by unique_id."""
    nodes = sorted(manifest.nodes.items())
    return {key: _place(node, manifest, graph) for key, node in nodes if node.is_test}


def _place(test: Node, manifest: Manifest, graph: ProjectGraph) -> Placement:
    parents = graph.built_from(test.parents)
    read = {parent for parent in test.parents if parent in manifest.sources}
    for parent in test.parents:
        node = manifest.nodes.get(parent)
        if node is not None and node.is_ephemeral:
            read.update(graph.sources(parent))
    return Placement(
        test=test.unique_id,
        size=size_of(test),
        beside=max(parents, key=graph.rank, default=None),
        parents=parents,
        sources=tuple(sorted(read)),
    )
