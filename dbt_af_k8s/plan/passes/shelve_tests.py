"""Which tests share a task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dbt_af_k8s.graph.placement import Placement, TestSize
from dbt_af_k8s.names import IdBook, legal_id
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.airflow_fields import TaskFields, fields_of
from dbt_af_k8s.plan.passes.decide import Decisions, NodeDecision


@dataclass(frozen=True, slots=True)
class TestTask:
    """Tests that run in one dbt process."""

    __test__ = False  # pytest must not collect it

    task_id: str
    #: unique_ids, sorted.
    tests: tuple[str, ...]
    fields: TaskFields
    group: str | None = None


class TestShelf:
    """The tests of a project that get a task, by what they are placed with and by size."""

    __test__ = False  # pytest must not collect it

    def __init__(self, decisions: Decisions, left_out: Mapping[str, str]) -> None:
        self._decisions = decisions
        self._by_place: dict[tuple[str, TestSize], list[NodeDecision]] = {}
        #: Tests that neither a node nor a source stands behind, in the order of their ids.
        self.loose: list[NodeDecision] = []
        #: Large tests of each domain, in the order of their ids.
        self.large: dict[str, list[NodeDecision]] = {}
        for key, placement in decisions.placements.items():
            if key not in left_out:
                self._put(decisions.nodes[key], placement)

    def _put(self, test: NodeDecision, placement: Placement) -> None:
        place = placement.beside or placement.source
        if placement.size is TestSize.LARGE:
            self.large.setdefault(test.domain.domain, []).append(test)
        elif place is None:
            self.loose.append(test)
        else:
            self._by_place.setdefault((place, placement.size), []).append(test)

    def of(self, place: str, size: TestSize) -> Sequence[NodeDecision]:
        """Tests of a size that are placed with this node or source."""
        return self._by_place.get((place, size), ())


def group_tests(
    inputs: PlanInputs,
    tests: Iterable[NodeDecision],
    book: IdBook,
    *,
    wanted: str,
    owner: str,
    group: str | None,
) -> tuple[TestTask, ...]:
    """Tasks for the tests of one place: one each with `tests.per: test`, else one for all that run in the same way.

    `wanted` is the id that the shared task should have; another target or environment parts tests from it.
    """
    if inputs.settings.tests_per == "test":
        return tuple(_alone(inputs, twins, book, group) for twins in _twins(tests))
    alike: list[tuple[TaskFields, list[str]]] = []
    for test in tests:
        fields = fields_of(inputs, test)
        mates = next((mates for known, mates in alike if known == fields), None)
        if mates is None:
            alike.append((fields, [test.node.unique_id]))
        else:
            mates.append(test.node.unique_id)
    tasks: list[TestTask] = []
    for fields, mates in alike:
        apart = "" if not tasks else f"__{legal_id(fields.target or 'default')}"
        task_id = book.claim(f"{wanted}{apart}", f"{owner} {mates[0]}")
        tasks.append(TestTask(task_id, tuple(sorted(mates)), fields, group))
    return tuple(tasks)


def _twins(tests: Iterable[NodeDecision]) -> Iterable[Sequence[NodeDecision]]:
    """Tests of one node to which a person gave one name run together: dbt's selection cannot tell them apart."""
    found: dict[tuple[object, ...], list[NodeDecision]] = {}
    for test in tests:
        found.setdefault((test.node.package, test.node.fqn, test.node.parents), []).append(test)
    return found.values()


def _alone(inputs: PlanInputs, twins: Sequence[NodeDecision], book: IdBook, group: str | None) -> TestTask:
    first = single_test(inputs, twins[0], book, group)
    return replace(first, tests=tuple(sorted(test.node.unique_id for test in twins)))


def single_test(inputs: PlanInputs, test: NodeDecision, book: IdBook, group: str | None = None) -> TestTask:
    """A task for one test alone."""
    key = test.node.unique_id
    return TestTask(book.claim(legal_id(test.node.name), key), (key,), fields_of(inputs, test), group)
