"""Where the plan has put each node, after which task it is done, and what comes before what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dbt_af_k8s.plan.values import DagKind, DagPlan, Plan, TaskKind, TaskPlan
from dbt_af_k8s.plan.verify.refs import Refs

#: Kinds of DAG in which every node stands once; the others repeat nodes.
BUILDING = (DagKind.SCHEDULED, DagKind.MANUAL, DagKind.LARGE_TESTS, DagKind.FRESHNESS)


@dataclass(frozen=True, slots=True)
class Place:
    """The task that a node or test runs in."""

    dag: DagPlan
    task: TaskPlan


@dataclass(frozen=True, slots=True)
class DagIndex:
    """One DAG by task id. Where an id stands twice, the last one counts; the shape of the DAG is judged elsewhere."""

    tasks: Mapping[str, TaskPlan]
    position: Mapping[str, int]
    #: The tasks that an endpoint closes -> the endpoint.
    endpoints: Mapping[frozenset[str], str] = field(default_factory=dict)
    #: Source -> the tasks that wait until it is fresh.
    gates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def comes_after(self, task: TaskPlan, earlier: str) -> bool:
        """Whether a task waits for another one of its DAG, directly or through others."""
        return earlier in task.upstream or any(before.task_id == earlier for before in self.before(task))

    def before(self, task: TaskPlan) -> list[TaskPlan]:
        """All tasks that come before a task."""
        seen: dict[str, TaskPlan] = {}
        todo = list(task.upstream)
        while todo:
            task_id = todo.pop()
            if task_id not in seen and task_id in self.tasks:
                seen[task_id] = self.tasks[task_id]
                todo.extend(self.tasks[task_id].upstream)
        return list(seen.values())


class Places:
    """Answers by node for one plan."""

    def __init__(self, plan: Plan, refs: Refs) -> None:
        self.dags: Mapping[str, DagPlan] = {dag.dag_id: dag for dag in plan.dags}
        self.index: Mapping[str, DagIndex] = {dag.dag_id: _index(dag) for dag in plan.dags}
        self.left_out = frozenset(entry.node for entry in plan.left_out)
        self.outside_selection = frozenset(entry.node for entry in plan.left_out if entry.is_outside_selection)
        self.place: dict[str, Place] = {}
        for dag in plan.dags:
            if dag.kind in BUILDING:
                for task in dag.tasks:
                    self.place.update((node, Place(dag, task)) for node in task.nodes if node in refs.nodes)
        self._refs = refs
        self._blocking = self._blocking_tests(refs)
        #: Sources with blocking tests -> the DAG that runs them.
        self.tested_sources: dict[str, DagPlan] = {}
        for key, place in self.place.items():
            if place.dag.kind is DagKind.FRESHNESS and refs.nodes[key].is_test and refs.blocks(key):
                source = refs.placed_with_source(key)
                if source is not None:
                    self.tested_sources[source] = place.dag
                    self._blocking.setdefault(source, set()).add(place.task.task_id)

    def last(self, nodes: Iterable[str]) -> str | None:
        """The node that comes last: one with a schedule, then the larger depth and unique_id. None for no nodes."""
        return max(self._last(nodes), default=None)

    def placed_with(self, test: str) -> str | None:
        """The node that a test is placed with: of the last ones the plan may choose, and shows by the task group."""
        last, home = self._last(self._refs.parents(test)), self.place.get(test)
        here = [key for key in last if home is not None and key in self.place and self.place[key].dag is home.dag]
        # A medium test has no group: it comes after all that its DAG has, whichever of them it is placed with.
        near = [key for key in here if home is not None and _are_close(home, self.place[key])]
        return max(near or here or last, default=None)

    def _last(self, nodes: Iterable[str]) -> list[str]:
        """The nodes than which none comes later. A test that is planned is placed with a node that is planned."""
        planned = [key for key in nodes if key in self.place] or list(nodes)
        levels = {key: (not self._is_manual(key), self._refs.depth(key)) for key in planned}
        return [key for key in planned if levels[key] == max(levels.values())]

    def _is_manual(self, key: str) -> bool:
        return key in self.place and self.place[key].dag.schedule is None

    def blocking_tests(self, node: str) -> frozenset[str]:
        """Ids of the tasks that run the blocking tests placed with a node."""
        return frozenset(self._blocking.get(node, ()))

    def done(self, node: str) -> str | None:
        """The task after which a planned node counts as done; None where no endpoint closes its several tests."""
        tests = self.blocking_tests(node)
        if not tests:
            return self.place[node].task.task_id
        if len(tests) == 1:
            return next(iter(tests))
        return self.index[self.dag_of(node).dag_id].endpoints.get(tests)

    def dag_of(self, key: str) -> DagPlan:
        """The DAG that builds a node, or that tests a source."""
        return self.tested_sources[key] if key in self.tested_sources else self.place[key].dag

    def _blocking_tests(self, refs: Refs) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for key, place in self.place.items():
            if refs.nodes[key].is_test and refs.blocks(key):
                beside = self.placed_with(key)
                if beside in self.place and self.place[beside].dag.dag_id == place.dag.dag_id:
                    found.setdefault(beside, set()).add(place.task.task_id)
        return found


def _are_close(one: Place, other: Place) -> bool:
    if one.dag.dag_id != other.dag.dag_id:
        return False
    return one.task.task_id == other.task.task_id or (one.task.group is not None and one.task.group == other.task.group)


def _index(dag: DagPlan) -> DagIndex:
    return DagIndex(
        tasks={task.task_id: task for task in dag.tasks},
        position={task.task_id: number for number, task in enumerate(dag.tasks)},
        endpoints={frozenset(task.upstream): task.task_id for task in dag.tasks if task.kind is TaskKind.ENDPOINT},
        gates={source: (task.task_id,) for task in dag.tasks if task.gate for source in task.nodes},
    )
