"""Second pass: which DAG each node is in, and the id of every task that runs dbt.

After it every node has one task that builds it and one after which it counts as done: its blocking tests' task, or
the `endpoint` that closes several, or the node's own task where nothing tests it. A source that is tested counts as
done after its tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbt_af_k8s.graph.placement import TestSize
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.names import IdBook, legal_id, node_name
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.decide import Decisions, NodeDecision
from dbt_af_k8s.plan.passes.shelve_tests import TestShelf, TestTask, group_tests, single_test
from dbt_af_k8s.plan.values import DagKind
from dbt_af_k8s.schedule.values import Schedule

#: Task group of the tests that run after all models of a DAG.
MEDIUM_GROUP = "medium_tests"


@dataclass(frozen=True, slots=True)
class NodeTasks:
    """The tasks of one model, seed or snapshot."""

    node: str
    task_id: str
    #: The task after which the node counts as done.
    done: str
    #: Tests that block what is downstream.
    tests: tuple[TestTask, ...] = ()
    #: Id of the task group that holds them, where there are tests.
    group: str | None = None


@dataclass(frozen=True, slots=True)
class SourceTasks:
    """The tasks of one source in its freshness DAG."""

    source: str
    #: The task that runs `dbt source freshness`, or None.
    check: str | None
    #: The task after which the source counts as done; None where no test blocks.
    done: str | None
    tests: tuple[TestTask, ...] = ()
    group: str | None = None


@dataclass(frozen=True, slots=True)
class DagLayout:
    """One DAG: what is in it, before edges and waits."""

    dag_id: str
    kind: DagKind
    domain: str
    schedule: Schedule
    #: In the order of the graph: parents first.
    nodes: tuple[NodeTasks, ...] = ()
    sources: tuple[SourceTasks, ...] = ()
    #: Tests that run after all nodes of the DAG and block nothing.
    medium_tests: tuple[TestTask, ...] = ()
    #: Tests that no node of this DAG stands behind.
    loose_tests: tuple[TestTask, ...] = ()
    #: Every id in use so far.
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Layout:
    """All DAGs, and where each node and each tested source is."""

    dags: tuple[DagLayout, ...]
    dag_of: Mapping[str, DagLayout]
    #: Node or source -> the task of its DAG after which it counts as done.
    done_of: Mapping[str, str]
    tasks_of: Mapping[str, NodeTasks]
    tasks_of_sources: Mapping[str, SourceTasks]

    def closed_by(self, key: str) -> tuple[str, ...]:
        """The test tasks behind the endpoint after which a node or source counts as done; empty where it has none."""
        tests = (self.tasks_of[key] if key in self.tasks_of else self.tasks_of_sources[key]).tests
        return tuple(sorted(test.task_id for test in tests)) if len(tests) > 1 else ()


def collect(dags: Sequence[DagLayout]) -> Layout:
    """All DAGs with their indexes."""
    nodes = [(tasks.node, dag, tasks.done) for dag in dags for tasks in dag.nodes]
    sources = [(tasks.source, dag, tasks.done) for dag in dags for tasks in dag.sources if tasks.done is not None]
    return Layout(
        dags=tuple(dags),
        dag_of={key: dag for key, dag, _ in (*nodes, *sources)},
        done_of={key: done for key, _, done in (*nodes, *sources)},
        tasks_of={tasks.node: tasks for dag in dags for tasks in dag.nodes},
        tasks_of_sources={tasks.source: tasks for dag in dags for tasks in dag.sources},
    )


def lay_out_domains(
    inputs: PlanInputs, decisions: Decisions, shelf: TestShelf, left_out: Mapping[str, str], dag_ids: IdBook
) -> tuple[DagLayout, ...]:
    """The scheduled and manual DAGs: what is planned, by domain and schedule."""
    members: dict[tuple[str, Schedule], list[NodeDecision]] = {}
    built = [decisions.nodes[key] for key in decisions.graph.order if key not in left_out]
    for decision in (*built, *shelf.loose):
        members.setdefault((decision.domain.domain, decision.schedule.schedule), []).append(decision)
    dags = []
    for domain, schedule in sorted(members, key=lambda pair: (pair[0], pair[1].key)):
        dag_id = claim_dag_id(inputs, dag_ids, domain, schedule.key)
        dags.append(lay_out_dag(inputs, dag_id, domain, schedule, members[domain, schedule], shelf))
    return tuple(dags)


def claim_dag_id(inputs: PlanInputs, dag_ids: IdBook, domain: str, key: str) -> str:
    """The id of a domain's DAG: `<prefix><domain>__<key>`."""
    return dag_ids.claim(f"{inputs.settings.dags.prefix}{legal_id(domain)}__{key}", f"{domain} {key}")


def lay_out_dag(
    inputs: PlanInputs,
    dag_id: str,
    domain: str,
    schedule: Schedule,
    members: Sequence[NodeDecision],
    shelf: TestShelf,
) -> DagLayout:
    """One DAG of these nodes (parents first) and loose tests, with the tests that belong to the nodes."""
    book = IdBook()
    built = [decision.node for decision in members if not decision.node.is_test]
    task_ids = _node_task_ids(inputs, built, book)
    nodes = tuple(_node_tasks(inputs, node.unique_id, task_ids[node.unique_id], shelf, book) for node in built)
    medium = tuple(
        test
        for node in built
        for test in group_tests(
            inputs,
            shelf.of(node.unique_id, TestSize.MEDIUM),
            book,
            wanted=f"{task_ids[node.unique_id]}__medium_tests",
            owner=node.unique_id,
            group=MEDIUM_GROUP,
        )
    )
    if medium:
        book.claim(MEDIUM_GROUP, "group of medium tests")
    loose = tuple(single_test(inputs, test, book) for test in members if test.node.is_test)
    kind = DagKind.MANUAL if schedule.is_manual else DagKind.SCHEDULED
    return DagLayout(dag_id, kind, domain, schedule, nodes, medium_tests=medium, loose_tests=loose, ids=book.taken())


def _node_task_ids(inputs: PlanInputs, nodes: Sequence[Node], book: IdBook) -> Mapping[str, str]:
    """Names of the root project go first; a package's node that would take the same id gets its package's name."""
    ids: dict[str, str] = {}
    for node in sorted(nodes, key=lambda node: (node.package != inputs.project, node.unique_id)):
        name = node_name(node.name, node.version)
        wanted = legal_id(name)
        if wanted in book and node.package != inputs.project:
            wanted = legal_id(f"{node.package}__{name}")
        ids[node.unique_id] = book.claim(wanted, node.unique_id)
    return ids


def _node_tasks(inputs: PlanInputs, node: str, task_id: str, shelf: TestShelf, book: IdBook) -> NodeTasks:
    tests = shelf.of(node, TestSize.SMALL)
    if not tests:
        return NodeTasks(node, task_id, done=task_id)
    group = book.claim(f"{task_id}__group", f"group of {node}")
    tasks = group_tests(inputs, tests, book, wanted=f"{task_id}__tests", owner=f"tests of {node}", group=group)
    return NodeTasks(node, task_id, claim_done(tasks, task_id, node, book), tasks, group)


def claim_done(tests: Sequence[TestTask], name: str, owner: str, book: IdBook) -> str:
    """The task after which something tested is done: its only test task, or the id of an endpoint for several."""
    return tests[0].task_id if len(tests) == 1 else book.claim(f"{name}__end", f"end of {owner}")


def name_of(inputs: PlanInputs, key: str) -> str:
    """A node or source in an id: `orders`, `orders__v2`, `web__events`."""
    source = inputs.manifest.sources.get(key)
    if source is not None:
        return legal_id(f"{source.source_name}.{source.name}")
    return legal_id(key.split(".", 2)[2])
