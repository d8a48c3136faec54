"""Which runs are made, and in which order."""

from datetime import UTC, datetime, timedelta

from dbt_af_k8s.cli.run_order import RunStep, runs_in_order
from dbt_af_k8s.plan.values import DagKind, DagPlan, Plan, TaskKind, TaskPlan, WaitsFor
from dbt_af_k8s.schedule.values import Interval

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURLY, DAILY = "0 * * * *", "0 0 * * *"
DAY = Interval(datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))


def dag(name: str, cron: str, *waits: tuple[str, str, str]) -> DagPlan:
    """A DAG with waits of (DAG id, its cron, policy)."""
    tasks = tuple(
        TaskPlan(
            f"wait__{dag_id}__{policy}",
            TaskKind.WAIT,
            waits_for=WaitsFor(dag_id, "done", "model.shop.x", policy, upstream, "UTC", START, False),
        )
        for dag_id, upstream, policy in waits
    )
    return DagPlan(name, DagKind.SCHEDULED, name, cron, "x", "UTC", START, tasks=tasks)


def plan(*dags: DagPlan) -> Plan:
    return Plan("shop", "abc", "1.11", dags)


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


def test_two_domains_that_wait_for_each_other() -> None:
    one, two = dag("one", DAILY, ("two", DAILY, "last")), dag("two", DAILY, ("one", DAILY, "last"))
    steps = runs_in_order(plan(one, two), one, DAY, with_upstream=True)
    assert steps == (RunStep("two", DAY, ("one.done",)), RunStep("one", DAY))


def test_a_long_chain_of_dags() -> None:
    dags = [dag("d0", DAILY), *(dag(f"d{i}", DAILY, (f"d{i - 1}", DAILY, "last")) for i in range(1, 3000))]
    steps = runs_in_order(plan(*dags), dags[-1], DAY, with_upstream=True)
    assert [step.dag_id for step in steps] == [each.dag_id for each in dags]
