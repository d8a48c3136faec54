"""Runs for which nothing that they read can exist yet: whom a skip reaches, and what is told of it."""

from datetime import UTC, datetime, timedelta

import pytest
from building import model, plan_of, tasks_of, test

from dbt_af_k8s.plan.first_runs import ColdStart, cold_start_issues, cold_starts, tasks_after_waits, work_before
from dbt_af_k8s.plan.values import Plan, WaitsFor

START = datetime(2026, 1, 1, tzinfo=UTC)
SHOP = (
    model("days", folder="raw"),
    model("hours", "days", folder="sales", meta={"schedule": "@hourly"}),
    test("positive", "hours"),
    test("unique", "hours"),
    model("report", "hours", folder="sales", meta={"schedule": "@hourly"}),
    model("board", "hours", folder="finance", meta={"schedule": "@hourly"}),
)
ONE_TASK_PER_TEST = {"tests": {"per": "test"}}


def only_wait(plan: Plan, dag_id: str) -> WaitsFor:
    (wait,) = (task.waits_for for task in tasks_of(plan, dag_id).values() if task.waits_for is not None)
    return wait


def codes(plan: Plan) -> list[str]:
    return [issue.code for issue in plan.issues if issue.is_error]


def test_a_skip_is_seen_through_the_task_that_closes_several_tests() -> None:
    plan = plan_of(*SHOP, settings=ONE_TASK_PER_TEST)
    dag = plan.dag("sales__hourly")
    assert dag is not None
    assert tasks_of(plan, "sales__hourly")["report"].upstream == ("hours__end",)
    assert work_before(dag, "report") == ("positive", "unique")
    assert work_before(dag, "hours") == ("wait__days",)
    assert tasks_after_waits(dag) == {"hours", "positive", "unique", "report"}


def test_a_wait_for_a_task_that_closes_others_names_them() -> None:
    per_test = tasks_of(plan_of(*SHOP, settings=ONE_TASK_PER_TEST), "finance__hourly")["wait__hours"].waits_for
    assert per_test is not None
    assert (per_test.task_id, per_test.work) == ("hours__end", ("positive", "unique"))
    per_model = tasks_of(plan_of(*SHOP), "finance__hourly")["wait__hours"].waits_for
    assert per_model is not None
    assert (per_model.task_id, per_model.work) == ("hours__tests", ())


def test_the_tasks_behind_follow_the_ids_of_dbt_af_and_of_fused_tasks() -> None:
    renamed = plan_of(*SHOP, settings={**ONE_TASK_PER_TEST, "dags": {"task_ids": "dbt_af"}})
    wait = only_wait(renamed, "finance__hourly")
    upstream = tasks_of(renamed, "sales__hourly")[wait.task_id].upstream
    assert wait.work == upstream == ("hours__group.positive", "hours__group.unique")
    cheap = {"granularity": "fused", "fused": {"cheap": ["table", "test"]}}
    wait = only_wait(plan_of(*SHOP, settings={**ONE_TASK_PER_TEST, **cheap}), "finance__hourly")
    assert (wait.task_id, wait.work) == ("hours", ())


def test_which_dags_have_runs_before_the_first_run_of_what_they_read() -> None:
    plan = plan_of(*SHOP)
    assert cold_starts(plan.dags) == (ColdStart("raw__daily", START + timedelta(days=1), "sales__hourly"),)


@pytest.mark.parametrize(
    ("first_runs", "does"), [("skip", "are skipped"), ("wait", "wait for"), ("run", "run all the")]
)
def test_it_is_told_as_long_as_there_are_any(first_runs: str, does: str) -> None:
    plan = plan_of(*SHOP, settings={"waits": {"first_runs": first_runs}})
    assert codes(plan) == []
    (issue,) = cold_start_issues(plan.dags, START + timedelta(hours=23))
    assert (issue.code, issue.key, issue.is_error) == ("before-first-run", "waits.first_runs", False)
    assert "first run of DAG `raw__daily` begins at 2026-01-02 00:00 UTC" in issue.message
    assert f"`sales__hourly` {does}" in issue.message
    assert list(cold_start_issues(plan.dags, START + timedelta(days=1))) == []


def test_many_readers_of_one_dag_are_one_issue() -> None:
    readers = [model(f"r{n}", "days", folder=f"d{n}", meta={"schedule": "@hourly"}) for n in range(5)]
    (issue,) = cold_start_issues(plan_of(model("days", folder="raw"), *readers).dags, START)
    assert "`d0__hourly`, `d1__hourly`, `d2__hourly` and 2 more are skipped" in issue.message


CIRCLE = (
    model("days", "hours_before", folder="raw"),
    model("hours_before", folder="sales", meta={"schedule": "@hourly"}),
    model("hours", "days", folder="sales", meta={"schedule": "@hourly"}),
)


def test_waiting_for_a_first_run_that_waits_in_turn_is_an_error() -> None:
    assert codes(plan_of(*CIRCLE)) == []
    plan = plan_of(*CIRCLE, settings={"waits": {"first_runs": "wait"}})
    (issue,) = [issue for issue in plan.issues if issue.is_error]
    assert (issue.code, issue.key) == ("first-runs-deadlock", "waits.first_runs")
    assert "stop DAG `sales__hourly` for ever" in issue.message


def test_also_where_a_third_dag_stands_between() -> None:
    chain = (
        model("days", "between", folder="raw"),
        model("between", "hours_before", folder="other"),
        *CIRCLE[1:],
    )
    assert codes(plan_of(*chain, settings={"waits": {"first_runs": "wait"}})) == ["first-runs-deadlock"]


def test_dags_of_one_schedule_that_read_each_other_have_no_such_runs() -> None:
    alike = (
        model("a", "b", folder="one"),
        model("b", folder="two"),
        model("c", "d", folder="two"),
        model("d", folder="one"),
    )
    assert codes(plan_of(*alike, settings={"waits": {"first_runs": "wait"}})) == []
