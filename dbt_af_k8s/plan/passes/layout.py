"""Second pass: which DAG each node is in, and the id of every task that runs dbt.

After it every node has one task that builds it and one after which it counts as done: its blocking tests' task, or
the `endpoint` that closes several, or the node's own task where nothing tests it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.names import IdBook, legal_id, node_name
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.airflow_fields import TaskFields, fields_of
from dbt_af_k8s.plan.passes.decide import Decisions, NodeDecision
from dbt_af_k8s.schedule.values import Schedule


@dataclass(frozen=True, slots=True)
class TestTask:
    """Tests that run in one dbt process."""

    __test__ = False  # pytest must not collect it

    task_id: str
    #: unique_ids, sorted.
    tests: tuple[str, ...]
    fields: TaskFields


@dataclass(frozen=True, slots=True)
class NodeTasks:
    """The tasks of one model, seed or snapshot."""

    node: str
    task_id: str
    #: The task after which the node counts as done.
    done: str
    tests: tuple[TestTask, ...] = ()
    #: Id of the task group that holds them, where there are tests.
    group: str | None = None

    @property
    def endpoint(self) -> str | None:
        """Id of the task that closes several test tasks, or None."""
        return self.done if len(self.tests) > 1 else None


@dataclass(frozen=True, slots=True)
class DagLayout:
    """One DAG: what is in it, before edges and waits."""

    dag_id: str
    domain: str
    schedule: Schedule
    #: In the order of the graph: parents first.
    nodes: tuple[NodeTasks, ...]
    #: Tests that no node stands behind.
    loose_tests: tuple[TestTask, ...]
    #: Every id in use so far.
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """All DAGs, and where each node is."""

    dags: tuple[DagLayout, ...]
    #: Node -> its DAG and its tasks.
    dag_of: Mapping[str, DagLayout]
    tasks_of: Mapping[str, NodeTasks]


def lay_out(inputs: PlanInputs, decisions: Decisions, left_out: Mapping[str, str]) -> Layout:
    """Group what is planned into DAGs by domain and schedule, and name the tasks."""
    members: dict[tuple[str, Schedule], list[str]] = {}
    for key in (*decisions.graph.order, *_loose_tests(decisions)):
        if key not in left_out:
            decision = decisions.nodes[key]
            members.setdefault((decision.domain.domain, decision.schedule.schedule), []).append(key)
    tests_of = _tests_by_node(decisions, left_out)
    dag_ids = IdBook()
    dags = []
    for domain, schedule in sorted(members, key=lambda pair: (pair[0], pair[1].key)):
        wanted = f"{inputs.settings.dags.prefix}{legal_id(domain)}__{schedule.key}"
        dag_id = dag_ids.claim(wanted, f"{domain} {schedule.key}")
        nodes = [decisions.nodes[key] for key in members[domain, schedule]]
        dags.append(_lay_out_dag(inputs, dag_id, domain, schedule, nodes, tests_of))
    return Layout(
        dags=tuple(dags),
        dag_of={tasks.node: dag for dag in dags for tasks in dag.nodes},
        tasks_of={tasks.node: tasks for dag in dags for tasks in dag.nodes},
    )


def _loose_tests(decisions: Decisions) -> tuple[str, ...]:
    return tuple(key for key, placement in decisions.placements.items() if placement.beside is None)


def _tests_by_node(decisions: Decisions, left_out: Mapping[str, str]) -> Mapping[str, tuple[NodeDecision, ...]]:
    found: dict[str, list[NodeDecision]] = {}
    for key, placement in decisions.placements.items():
        if placement.beside is not None and key not in left_out:
            found.setdefault(placement.beside, []).append(decisions.nodes[key])
    return {node: tuple(tests) for node, tests in found.items()}


def _lay_out_dag(
    inputs: PlanInputs,
    dag_id: str,
    domain: str,
    schedule: Schedule,
    members: Sequence[NodeDecision],
    tests_of: Mapping[str, tuple[NodeDecision, ...]],
) -> DagLayout:
    book = IdBook()
    built = [decision for decision in members if not decision.node.is_test]
    task_ids = _node_task_ids(inputs, [decision.node for decision in built], book)
    nodes = tuple(
        _node_tasks(inputs, decision, task_ids[decision.node.unique_id], tests_of, book) for decision in built
    )
    loose = tuple(
        TestTask(
            book.claim(legal_id(test.node.name), test.node.unique_id), (test.node.unique_id,), fields_of(inputs, test)
        )
        for test in members
        if test.node.is_test
    )
    ids = {tasks.task_id for tasks in nodes} | {tasks.done for tasks in nodes} | {test.task_id for test in loose}
    ids |= {test.task_id for tasks in nodes for test in tasks.tests} | {tasks.group for tasks in nodes if tasks.group}
    return DagLayout(dag_id, domain, schedule, nodes, loose, frozenset(ids))


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


def _node_tasks(
    inputs: PlanInputs,
    decision: NodeDecision,
    task_id: str,
    tests_of: Mapping[str, tuple[NodeDecision, ...]],
    book: IdBook,
) -> NodeTasks:
    node = decision.node.unique_id
    tests = tests_of.get(node, ())
    if not tests:
        return NodeTasks(node, task_id, done=task_id)
    group = book.claim(f"{task_id}__group", f"group of {node}")
    if inputs.settings.tests_per == "test":
        runs = tuple(
            TestTask(
                book.claim(legal_id(test.node.name), test.node.unique_id),
                (test.node.unique_id,),
                fields_of(inputs, test),
            )
            for test in tests
        )
    else:
        runs = _shared_processes(inputs, node, task_id, tests, book)
    done = runs[0].task_id if len(runs) == 1 else book.claim(f"{task_id}__end", f"end of {node}")
    return NodeTasks(node, task_id, done, runs, group)


def _shared_processes(
    inputs: PlanInputs, node: str, task_id: str, tests: Sequence[NodeDecision], book: IdBook
) -> tuple[TestTask, ...]:
    """Tests of one node that run in the same way share a dbt process; another target or environment parts them."""
    alike: list[tuple[TaskFields, list[str]]] = []
    for test in tests:
        fields = fields_of(inputs, test)
        mates = next((mates for known, mates in alike if known == fields), None)
        if mates is None:
            alike.append((fields, [test.node.unique_id]))
        else:
            mates.append(test.node.unique_id)
    runs: list[TestTask] = []
    for fields, mates in alike:
        apart = "" if not runs else f"__{legal_id(fields.target or 'default')}"
        runs.append(
            TestTask(
                book.claim(f"{task_id}__tests{apart}", f"tests of {node} {mates[0]}"), tuple(sorted(mates)), fields
            )
        )
    return tuple(runs)
