"""Several DAGs in one `run`: each run once, and no wait passed over for what has just been made."""

from datetime import UTC, datetime

from dbt_af_k8s.cli.run_order import RunStep, order_of_runs
from dbt_af_k8s.plan.values import DagKind, DagPlan, Plan, TaskKind, TaskPlan, WaitsFor
from dbt_af_k8s.schedule.values import Interval

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Interval(datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
HOUR = Interval(datetime(2026, 1, 11, 23, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
CRONS = {"raw": "0 0 * * *", "web": "0 * * * *", "sales": "0 0 * * *"}


def dag(name: str, **waits: str) -> DagPlan:
    """A DAG that waits for others: DAG id and policy."""
    tasks = tuple(
        TaskPlan(
            f"wait__{up}",
            TaskKind.WAIT,
            waits_for=WaitsFor(up, "done", "model.shop.x", policy, CRONS[up], "UTC", START, False),
        )
        for up, policy in waits.items()
    )
    done = TaskPlan("done", TaskKind.RUN, upstream=tuple(task.task_id for task in tasks))
    return DagPlan(name, DagKind.SCHEDULED, name, CRONS[name], "x", "UTC", START, tasks=(*tasks, done))


def runs_of_several(plan, wanted, *, with_upstream: bool) -> tuple[RunStep, ...]:
    steps = [RunStep(each.dag_id, interval) for each, interval in wanted]
    return order_of_runs(plan, steps, with_upstream=with_upstream).runs


RAW, WEB, SALES = dag("raw"), dag("web", raw="last"), dag("sales", raw="last", web="all")
PLAN = Plan("shop", "abc", "1.11", (RAW, SALES, WEB))


def test_what_has_been_made_is_not_passed_over() -> None:
    steps = runs_of_several(PLAN, [(RAW, DAY), (WEB, HOUR), (SALES, DAY)], with_upstream=False)
    # Sales waits for all 24 hours of web, and one has been made.
    assert steps == (RunStep("raw", DAY), RunStep("web", HOUR), RunStep("sales", DAY, ("web.done",)))


def test_the_order_is_that_of_the_waits_and_else_the_one_asked_for() -> None:
    steps = runs_of_several(PLAN, [(WEB, HOUR), (RAW, DAY)], with_upstream=False)
    assert steps == (RunStep("raw", DAY), RunStep("web", HOUR))
    later = Interval(DAY.end, datetime(2026, 1, 13, tzinfo=UTC))
    steps = runs_of_several(PLAN, [(WEB, HOUR), (RAW, later)], with_upstream=False)
    assert steps == (RunStep("web", HOUR, ("raw.done",)), RunStep("raw", later))


def test_each_run_is_made_once() -> None:
    steps = runs_of_several(PLAN, [(SALES, DAY), (WEB, HOUR), (RAW, DAY)], with_upstream=True)
    assert len({(step.dag_id, step.interval) for step in steps}) == len(steps)
    assert sorted(step.dag_id for step in steps if step.dag_id != "web") == ["raw", "raw", "sales"]
    assert all(not step.passed_over for step in steps)
