"""Third pass: what each task comes after, in its own DAG as an edge and in others as a wait, or why neither."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from dbt_af_k8s.config.settings import Dependency
from dbt_af_k8s.errors import Issue, error, warning
from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.manifest.values import Manifest, Node
from dbt_af_k8s.names import node_name
from dbt_af_k8s.plan.passes.decide import Decisions, NodeDecision
from dbt_af_k8s.plan.passes.layout import DagLayout, Layout
from dbt_af_k8s.plan.values import NotWaited


@dataclass(frozen=True, slots=True, order=True)
class Wait:
    """A node of another DAG that must be done first, and which of its runs: `last` or `all`."""

    node: str
    policy: str


@dataclass(frozen=True, slots=True)
class Before:
    """All that must be done before one task starts."""

    #: Task ids of the same DAG.
    tasks: tuple[str, ...] = ()
    waits: tuple[Wait, ...] = ()
    not_waited: tuple[NotWaited, ...] = ()
    #: Sources that must be fresh.
    gates: tuple[str, ...] = ()

    def joined(self, other: "Before") -> "Before":
        """Both together, sorted, each thing once."""
        return Before(
            tuple(sorted({*self.tasks, *other.tasks})),
            tuple(sorted({*self.waits, *other.waits})),
            tuple(sorted({*self.not_waited, *other.not_waited}, key=lambda gap: (gap.downstream, gap.node))),
            tuple(sorted({*self.gates, *other.gates})),
        )


class Connector:
    """Answers, for a node or test in a DAG, what comes before it."""

    def __init__(self, manifest: Manifest, decisions: Decisions, layout: Layout, left_out: Mapping[str, str]) -> None:
        self._manifest = manifest
        self._decisions = decisions
        self._layout = layout
        self._left_out = left_out

    def before_node(self, key: str, dag: DagLayout) -> Before:
        """What a node must come after: its parents, the tests of its sources, and their freshness."""
        graph, sources = self._decisions.graph, self._decisions.sources
        read = graph.sources(key)
        tested = [source for source in read if source in self._layout.done_of]
        gates = tuple(source for source in read if source in sources and sources[source].is_gate)
        return replace(self.before(key, dag, (*graph.parents(key), *tested)), gates=gates)

    def before(self, key: str, dag: DagLayout, parents: Iterable[str]) -> Before:
        """What a node, test or exposure must come after, given the nodes and tested sources that it is built from."""
        decision = self._decisions.nodes.get(key)
        wanted = dependencies_by_node(decision, self._decisions.graph, self._manifest) if decision else {}
        tasks: list[str] = []
        waits: list[Wait] = []
        gaps: list[NotWaited] = []
        for parent in parents:
            dependency = wanted.get(parent, Dependency(name=parent))
            gap = self._why_not(parent, key, dag, dependency)
            if gap is not None:
                gaps.append(gap)
            elif self._layout.dag_of[parent].dag_id == dag.dag_id:
                tasks.append(self._layout.done_of[parent])
            else:
                waits.append(Wait(parent, dependency.wait_policy))
        return Before(tuple(sorted(set(tasks))), tuple(sorted(set(waits))), tuple(gaps))

    def _why_not(self, parent: str, key: str, dag: DagLayout, dependency: Dependency) -> NotWaited | None:
        if dependency.skip:
            return NotWaited(parent, key, "skip", "`dependencies` of the node says `skip`")
        if parent in self._left_out:
            return NotWaited(parent, key, "left-out", f"it has no task: {self._left_out[parent]}")
        other = self._layout.dag_of[parent]
        if other.dag_id == dag.dag_id:
            return None
        for side in (dag, other):
            if side.schedule.is_manual:
                return NotWaited(parent, key, "manual", f"DAG `{side.dag_id}` runs only when a person starts it")
        return None


def dependencies_by_node(decision: NodeDecision, graph: ProjectGraph, manifest: Manifest) -> Mapping[str, Dependency]:
    """The entries of `dependencies` by the parent that they name; entries that name none are left to `check`."""
    found: dict[str, Dependency] = {}
    for dependency in decision.settings.dependencies:
        for parent in _parents(decision.node, graph):
            if dependency.name in _names(manifest.nodes[parent]):
                found[parent] = dependency
    return found


def dependency_issues(decisions: Decisions, layout: Layout, manifest: Manifest) -> Iterable[Issue]:
    """Keys of `dependencies` that name no parent, and wait policies that can have no effect."""
    for key, decision in decisions.nodes.items():
        if not decision.settings.dependencies:
            continue
        node, parents = decision.node, _parents(decision.node, decisions.graph)
        known = {name: parent for parent in parents for name in _names(manifest.nodes[parent])}
        known |= {name: up for up in _of_other_projects(node, manifest) for name in _names(manifest.nodes[up])}
        ephemeral = {name for up in _ephemerals(node, decisions.graph) for name in _names(manifest.nodes[up])}
        for dependency in decision.settings.dependencies:
            place = f"dependencies.{dependency.name}"
            if dependency.name in ephemeral:
                message = f"`{dependency.name}` is ephemeral: it runs in no task, so nothing can wait for it."
                fix = f"Name the models behind it instead: {_listed(manifest, parents)}."
                yield error("dependency-on-ephemeral", message, fix, file=node.file, node=key, key=place)
            elif dependency.name not in known:
                close = get_close_matches(dependency.name, sorted(known), 1)
                guess = f"Did you mean `{close[0]}`? " if close else ""
                message = f"`{dependency.name}` is not among the nodes that this one depends on."
                fix = f"{guess}It depends on: {_listed(manifest, parents)}."
                yield error("dangling-dependency", message, fix, file=node.file, node=key, key=place)
            elif dependency.wait_policy != "last" and not dependency.skip:
                yield from _useless_policy(key, node, known[dependency.name], layout, place)


def _useless_policy(key: str, node: Node, parent: str, layout: Layout, place: str) -> Iterable[Issue]:
    here, there = layout.dag_of.get(key), layout.dag_of.get(parent)
    if here is None or there is None:
        return
    manual = next((dag for dag in (here, there) if dag.schedule.is_manual), None)
    if here.dag_id == there.dag_id:
        why = f"both are in DAG `{here.dag_id}`, where an edge orders them"
    elif manual is not None:
        why = f"DAG `{manual.dag_id}` runs only when a person starts it"
    else:
        return
    yield warning(
        "wait-never-fires",
        f"The wait policy has no effect: {why}.",
        "Remove the policy, or give both nodes a schedule.",
        file=node.file,
        node=key,
        key=f"{place}.wait_policy",
    )


def _parents(node: Node, graph: ProjectGraph) -> tuple[str, ...]:
    return graph.built_from(node.parents) if node.is_test else graph.parents(node.unique_id)


def _of_other_projects(node: Node, manifest: Manifest) -> tuple[str, ...]:
    """Parents that another dbt project builds: they may be named, and nothing waits for them."""
    return tuple(key for key in node.parents if key in manifest.nodes and manifest.nodes[key].is_of_other_project)


def _ephemerals(node: Node, graph: ProjectGraph) -> tuple[str, ...]:
    return () if node.is_test else graph.ephemeral_ancestors(node.unique_id)


def _names(node: Node) -> tuple[str, ...]:
    """What a person may call a node in `dependencies`."""
    full = node_name(node.name, node.version)
    return (node.name, full, f"{node.package}.{node.name}", f"{node.package}.{full}", node.unique_id)


def _listed(manifest: Manifest, nodes: tuple[str, ...]) -> str:
    names = [node_name(manifest.nodes[key].name, manifest.nodes[key].version) for key in nodes]
    return ", ".join(f"`{name}`" for name in names) or "nothing that runs"
