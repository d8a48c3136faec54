"""Which runs are made, and in which order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.cli.run_order import RunOrder, RunStep, order_of_runs
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.values import DagKind, DagPlan, Plan, TaskKind, TaskPlan, WaitsFor
from dbt_af_k8s.schedule.values import Interval

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURLY, DAILY = "0 * * * *", "0 0 * * *"
DAY = Interval(datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))


def dag(name: str, cron: str, *waits: tuple[str, str, str]) -> DagPlan:
    """A DAG with waits of (DAG id, its cron, policy), and a task `done` after them."""
    tasks = tuple(
        TaskPlan(
            f"wait__{dag_id}__{policy}",
            TaskKind.WAIT,
            waits_for=WaitsFor(dag_id, "done", "model.shop.x", policy, upstream, "UTC", START, False),
        )
        for dag_id, upstream, policy in waits
    )
    done = TaskPlan("done", TaskKind.RUN, upstream=tuple(task.task_id for task in tasks))
    return DagPlan(name, DagKind.SCHEDULED, name, cron, "x", "UTC", START, tasks=(*tasks, done))


def plan(*dags: DagPlan) -> Plan:
    return Plan("shop", "abc", "1.11", dags)


def runs_in_order(plan: Plan, dag: DagPlan, interval: Interval, *, with_upstream: bool) -> tuple[RunStep, ...]:
    return order_of_runs(plan, [RunStep(dag.dag_id, interval)], with_upstream=with_upstream).runs


def test_alone_it_names_what_it_does_not_wait_for() -> None:
    down = dag("down", DAILY, ("up", DAILY, "last"), ("hours", HOURLY, "all"))
    assert runs_in_order(plan(down), down, DAY, with_upstream=False) == (
        RunStep("down", DAY, ("hours.done", "up.done")),
    )


def test_upstream_comes_first_and_each_run_once() -> None:
    down = dag("down", DAILY, ("middle", DAILY, "last"), ("up", DAILY, "last"))
    middle, up = dag("middle", DAILY, ("up", DAILY, "last")), dag("up", DAILY)
    steps = runs_in_order(plan(down, middle, up), down, DAY, with_upstream=True)
    assert steps == (RunStep("up", DAY), RunStep("middle", DAY), RunStep("down", DAY))


def test_all_needs_every_run_of_the_interval() -> None:
    down, hours = dag("down", DAILY, ("hours", HOURLY, "all")), dag("hours", HOURLY)
    steps = runs_in_order(plan(down, hours), down, DAY, with_upstream=True)
    assert [step.dag_id for step in steps] == ["hours"] * 24 + ["down"]
    assert [step.interval.start for step in steps[:24]] == [DAY.start + timedelta(hours=hour) for hour in range(24)]


def test_runs_before_the_start_date_are_not_made() -> None:
    down, up = dag("down", DAILY, ("up", DAILY, "last")), dag("up", DAILY)
    early = Interval(START - timedelta(days=2), START - timedelta(days=1))
    assert runs_in_order(plan(down, up), down, early, with_upstream=True) == (RunStep("down", early),)


def layers(task_count: int, edges: set[tuple[int, int]]) -> Plan:
    """Nodes 0 to n in three DAGs by turns, each reading earlier ones: inside its DAG an edge, else a wait."""
    tasks: dict[str, list[TaskPlan]] = {"staging": [], "intermediate": [], "marts": []}
    names = tuple(tasks)
    for number in range(task_count):
        own, upstream = names[number % 3], []
        for parent in sorted(parent for parent, child in edges if child == number):
            other = names[parent % 3]
            if other == own:
                upstream.append(f"n{parent}")
                continue
            upstream.append(wait := f"wait__n{parent}")
            if all(task.task_id != wait for task in tasks[own]):
                waits_for = WaitsFor(other, f"n{parent}", "model.shop.x", "last", DAILY, "UTC", START, False)
                tasks[own].append(TaskPlan(wait, TaskKind.WAIT, waits_for=waits_for))
        tasks[own].append(TaskPlan(f"n{number}", TaskKind.RUN, upstream=tuple(upstream)))
    return plan(
        *(DagPlan(name, DagKind.SCHEDULED, name, DAILY, "x", "UTC", START, tasks=tuple(tasks[name])) for name in names)
    )


def assert_in_order(made: Plan, order: RunOrder) -> None:
    """Each task comes once, after every edge and wait of it."""
    places = {(step.run, step.task_id): place for place, step in enumerate(order.tasks)}
    assert len(places) == len(order.tasks)
    numbers = {run.dag_id: number for number, run in enumerate(order.runs)}
    tasks = {(each.dag_id, task.task_id): task for each in made.dags for task in each.tasks}
    for step in order.tasks:
        task = tasks[order.runs[step.run].dag_id, step.task_id]
        needed = [(step.run, upstream) for upstream in task.upstream]
        if task.waits_for:
            (after,) = step.after
            assert after == (numbers[task.waits_for.dag_id], task.waits_for.task_id)
            needed.append(after)
        assert all(places[each] < places[step.run, step.task_id] for each in needed)


#: Later nodes read earlier ones: no circle, though the three DAGs read each other.
EDGES = st.integers(2, 18).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.sets(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda edge: edge[0] < edge[1])),
    )
)


@given(EDGES, st.permutations(["staging", "intermediate", "marts"]), st.booleans())
def test_the_order_respects_every_edge_and_wait(drawn, names: list[str], with_upstream: bool) -> None:
    made = layers(*drawn)
    order = order_of_runs(made, [RunStep(name, DAY) for name in names], with_upstream=with_upstream)
    assert_in_order(made, order)
    assert len(order.tasks) == sum(len(each.tasks) for each in made.dags)
    assert all(not run.passed_over for run in order.runs)


@given(EDGES, st.sampled_from(["staging", "intermediate", "marts"]))
def test_upstream_is_what_is_needed_and_no_more(drawn, name: str) -> None:
    made = layers(*drawn)
    order = order_of_runs(made, [RunStep(name, DAY)], with_upstream=True)
    assert_in_order(made, order)
    tasks = {(each.dag_id, task.task_id): task for each in made.dags for task in each.tasks}
    read = {after for step in order.tasks for after in step.after}
    for step in order.tasks:
        read |= {(step.run, task_id) for task_id in tasks[order.runs[step.run].dag_id, step.task_id].upstream}
    asked = [number for number, run in enumerate(order.runs) if run.dag_id == name]
    assert all(step.run in asked or (step.run, step.task_id) in read for step in order.tasks)


def test_it_stays_in_a_run_as_long_as_it_can() -> None:
    made = layers(6, {(0, 2), (2, 3)})
    order = order_of_runs(made, [RunStep(each.dag_id, DAY) for each in made.dags], with_upstream=False)
    turns = [order.runs[step.run].dag_id for step in order.tasks]
    assert [name for place, name in enumerate(turns) if place == 0 or turns[place - 1] != name] == [
        "staging",
        "marts",
        "staging",
        "intermediate",
    ]


def test_a_true_circle_is_named() -> None:
    one, two = dag("one", DAILY, ("two", DAILY, "last")), dag("two", DAILY, ("one", DAILY, "last"))
    with pytest.raises(UsageError, match=r"circle.*two\.wait__one__last <- one\.done.*skip: true"):
        runs_in_order(plan(one, two), one, DAY, with_upstream=True)


def test_a_long_chain_of_dags() -> None:
    dags = [dag("d0", DAILY), *(dag(f"d{i}", DAILY, (f"d{i - 1}", DAILY, "last")) for i in range(1, 3000))]
    steps = runs_in_order(plan(*dags), dags[-1], DAY, with_upstream=True)
    assert [step.dag_id for step in steps] == [each.dag_id for each in dags]
