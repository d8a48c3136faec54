"""The layout of DAGs that only look: large tests, and the freshness and tests of sources."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from dbt_af_k8s.graph.placement import TestSize
from dbt_af_k8s.names import IdBook
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.choose_schedule import ScheduleBook
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.passes.decide_source import SourceDecision
from dbt_af_k8s.plan.passes.layout import DagLayout, SourceTasks, claim_dag_id, claim_done, name_of
from dbt_af_k8s.plan.passes.shelve_tests import TestShelf, group_tests, single_test
from dbt_af_k8s.plan.values import DagKind
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.parse import parse_schedule
from dbt_af_k8s.schedule.values import Schedule

#: So far ahead of the start date the ticks of two schedules are compared to find the shorter one.
_HORIZON = timedelta(days=62)


def lay_out_large_tests(
    inputs: PlanInputs, decisions: Decisions, shelf: TestShelf, dag_ids: IdBook
) -> tuple[DagLayout, ...]:
    """One daily DAG for the large tests of each domain."""
    schedule = parse_schedule("@daily", timezone=inputs.settings.dags.timezone)
    dags = []
    for domain in sorted(shelf.large):
        book = IdBook()
        beside: dict[str, list[str]] = {}
        for test in shelf.large[domain]:
            placement = decisions.placements[test.node.unique_id]
            beside.setdefault(placement.beside or placement.source or "", []).append(test.node.unique_id)
        tasks = []
        for place, keys in sorted(beside.items()):
            tests = [decisions.nodes[key] for key in keys]
            if not place:
                tasks += [single_test(inputs, test, book) for test in tests]
                continue
            wanted = f"{name_of(inputs, place)}__large_tests"
            tasks += group_tests(inputs, tests, book, wanted=wanted, owner=place, group=None)
        dag_id = claim_dag_id(inputs, dag_ids, domain, f"large_tests__{schedule.key}")
        dags.append(
            DagLayout(dag_id, DagKind.LARGE_TESTS, domain, schedule, loose_tests=tuple(tasks), ids=book.taken())
        )
    return tuple(dags)


def lay_out_freshness(
    inputs: PlanInputs,
    decisions: Decisions,
    shelf: TestShelf,
    schedules: Mapping[str, Sequence[Schedule]],
    dag_ids: IdBook,
) -> tuple[DagLayout, ...]:
    """One DAG for the sources of each domain that have freshness limits or tests.

    `schedules` are those of each domain's scheduled DAGs.
    """
    if "freshness" not in inputs.settings.dags.kinds:
        return ()
    by_domain: dict[str, list[SourceDecision]] = {}
    for key, source in decisions.sources.items():
        if source.has_freshness or shelf.of(key, TestSize.SMALL) or shelf.of(key, TestSize.MEDIUM):
            by_domain.setdefault(source.domain.domain, []).append(source)
    dags = []
    for domain in sorted(by_domain):
        book = IdBook()
        sources = tuple(_source_tasks(inputs, source, shelf, book) for source in by_domain[domain])
        medium = tuple(
            test
            for source in by_domain[domain]
            for test in group_tests(
                inputs,
                shelf.of(source.source.unique_id, TestSize.MEDIUM),
                book,
                wanted=f"{name_of(inputs, source.source.unique_id)}__medium_tests",
                owner=source.source.unique_id,
                group=None,
            )
        )
        dags.append(
            DagLayout(
                dag_id=claim_dag_id(inputs, dag_ids, domain, "freshness"),
                kind=DagKind.FRESHNESS,
                domain=domain,
                schedule=_freshness_schedule(inputs, schedules.get(domain, ())),
                sources=sources,
                loose_tests=medium,
                ids=book.taken(),
            )
        )
    return tuple(dags)


def _source_tasks(inputs: PlanInputs, decision: SourceDecision, shelf: TestShelf, book: IdBook) -> SourceTasks:
    key = decision.source.unique_id
    name = name_of(inputs, key)
    check = book.claim(f"fresh__{name}", key) if decision.has_freshness else None
    tests = shelf.of(key, TestSize.SMALL)
    if not tests:
        return SourceTasks(key, check, None)
    group = book.claim(f"{name}__group", f"group of {key}")
    tasks = group_tests(inputs, tests, book, wanted=f"{name}__tests", owner=f"tests of {key}", group=group)
    return SourceTasks(key, check, claim_done(tasks, name, key, book), tasks, group)


def _freshness_schedule(inputs: PlanInputs, of_domain: Sequence[Schedule]) -> Schedule:
    """The setting, else the domain's shortest schedule, else the default one."""
    wanted = inputs.settings.freshness.schedule
    if wanted is not None:
        return ScheduleBook(inputs).read(wanted, "`freshness.schedule` of the settings").schedule
    calendars = [schedule for schedule in of_domain if schedule.cron is not None]
    if not calendars:
        return ScheduleBook(inputs).default.schedule
    return min(calendars, key=lambda schedule: (-_ticks(schedule, inputs), schedule.key))


def _ticks(schedule: Schedule, inputs: PlanInputs) -> int:
    """How often the schedule comes in the first weeks."""
    start = inputs.settings.dags.start_date
    calendar = Calendar(schedule.cron or "", schedule.timezone)
    return len(calendar.intervals_ending_in(start, start + _HORIZON))
