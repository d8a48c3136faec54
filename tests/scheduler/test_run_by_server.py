"""Tasks whose dbt runs on a `dbt-af-k8s serve`, under a real scheduler, worker and triggerer, and what gets lost.

The model `held` has the server's only place from the beginning, so all other tasks are deferred until it ends. How
often dbt began is counted in the server's list of invocations, and in what the models themselves leave. Tests that ask
for `after_losses` run last of all.
"""

from typing import Any

import pytest
from scheduler.dbt_server import TOKEN, DbtServer
from scheduler.lab import Lab, moment

pytestmark = [pytest.mark.scheduler, pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

BACKFILL = {
    "start_dttm": "2026-01-01",
    "end_dttm": "2026-01-03",
    "chunk": "day",
    "models": "days",
    "vars": {"by": "backfill"},
}
BY_HAND = {"start_dttm": "2026-02-01", "end_dttm": "2026-02-02", "models": "days", "extra": {"vars": {"by": "hand"}}}


def only_task(lab: Lab, name: str) -> dict[str, Any]:
    task = lab.task(f"{name}__daily", name)
    assert task is not None
    return task


def test_a_new_triggerer_starts_nothing_twice(server: DbtServer) -> None:
    lab, session = server.lab, server.lab.session
    begun = moment(only_task(lab, "held")["trigger"]["created_date"])
    # Another test may have killed it since the task was deferred: one time is enough.
    if session.started["triggerer"] < begun:
        session.kill_process("triggerer")
        session.start_process("triggerer")

    def moved_over() -> bool:
        jobs = [only_task(lab, name)["triggerer_job"] for name in ("held", "marked", "cleared")]
        return all(job is not None and moment(job["start_date"]) > session.started["triggerer"] for job in jobs)

    session.until("the new triggerer has the tasks", moved_over)
    assert server.invocations("held__daily", "held") == {1: "STARTED"}
    assert server.begun("held") == 1
    for name in ("marked", "cleared"):
        assert server.invocations(f"{name}__daily", name) == {1: "PENDING"}


def test_a_server_that_is_killed_loses_what_runs_and_nothing_else(server: DbtServer) -> None:
    """The others go on as they were asked for; the lost one is the task's to ask for again, and the server's never."""
    server.kill()
    server.go_on("held")
    server.start_again()
    server.process.ready()
    lost = server.process.get("/invocations?state=INTERNAL_ERROR").json["invocations"]
    assert [each["task_id"].split(".")[1] for each in lost] == ["held"]
    for name, task in (("marked", "marked"), ("cleared", "cleared"), ("calm", "orders")):
        assert list(server.invocations(f"{name}__daily", task)) == [1]


def test_what_is_killed_in_airflow_is_aborted_on_the_server(server: DbtServer) -> None:
    """A run that is marked as failed, and a task that is cleared, both while deferred, in the order of the queue."""
    lab = server.lab
    # What is tested last begins meanwhile.
    for dag_id in ("whole__daily", "whole__backfill", "by_server_dbt_run_model", "calm__maintenance"):
        lab.rest.switch_on(dag_id)
    lab.rest.trigger("whole__backfill", form=BACKFILL)
    lab.rest.trigger("by_server_dbt_run_model", form=BY_HAND)
    at_work: dict[str, Any] = {"marked": kill_marked, "cleared": kill_cleared}
    while at_work:

        def first() -> str | None:
            states = {name: server.invocations(f"{name}__daily", name) for name in at_work}
            return next((name for name, tries in states.items() if tries[1] == "STARTED"), None)

        at_work.pop(lab.session.until("one of them is at work", first))(server)


def kill_marked(server: DbtServer) -> None:
    lab = server.lab
    lab.session.until("dbt has begun", lambda: server.begun("marked"))
    task = lab.until_state("marked__daily", "marked", "deferred")
    lab.session.until("the triggerer shows dbt's lines", lambda: "Waits for word of marked" in lab.log(task))
    lab.rest.mark("marked__daily", task["dag_run_id"], "failed")
    server.until("marked", try_1="ABORTED")
    assert only_task(lab, "marked")["state"] == "failed"


def kill_cleared(server: DbtServer) -> None:
    lab = server.lab
    lab.session.until("dbt has begun", lambda: server.begun("cleared"))
    task = lab.until_state("cleared__daily", "cleared", "deferred")
    lab.rest.clear("cleared__daily", task["dag_run_id"], "cleared")
    lab.session.until("it is aborted", lambda: server.invocations("cleared__daily", "cleared")[1] == "ABORTED")
    server.go_on("cleared")


def test_a_task_that_is_cleared_starts_anew(after_losses: DbtServer) -> None:
    after_losses.lab.until_state("cleared__daily", "cleared", "success")
    tries = after_losses.invocations("cleared__daily", "cleared")
    # Airflow may count a resumption that races with the clearing as a try of its own; the invocation is the same one.
    assert sorted(tries.values()) == ["ABORTED", "SUCCESS"]
    assert after_losses.begun("cleared") == 2


def test_a_task_whose_server_was_lost_is_retried_with_an_invocation_of_its_own(after_losses: DbtServer) -> None:
    lab = after_losses.lab
    task = lab.until_state("held__daily", "held", "success")
    assert task["try_number"] == 2
    assert after_losses.invocations("held__daily", "held") == {1: "INTERNAL_ERROR", 2: "SUCCESS"}
    assert after_losses.begun("held") == 2
    first = lab.rest.log("held__daily", task["dag_run_id"], "held", 1)
    assert "The dbt server lost the invocation held__daily.held." in first
    assert "ServerLost: The server that ran it stopped or was lost." in first
    assert "Waits for word of held" in first


def test_an_invocation_survives_triggerer_server_and_worker(after_losses: DbtServer) -> None:
    """The worker was killed in the first try, with the invocation in the queue; the second try has taken it over."""
    orders = after_losses.lab.until_state("calm__daily", "orders", "success")
    assert orders["try_number"] == 2
    assert after_losses.invocations("calm__daily", "orders") == {1: "SUCCESS"}
    assert "Try 1 lost its invocation" in after_losses.lab.log(orders)


def test_a_dag_whose_dbt_runs_on_a_server(after_losses: DbtServer) -> None:
    lab = after_losses.lab
    tests = lab.until_state("calm__daily", "orders__tests", "success")
    orders = lab.until_state("calm__daily", "orders", "success")
    result = lab.rest.result(orders)
    assert result.pop("seconds") > 0
    assert result == {"status": "success", "rows": None, "message": "model.by_server.orders: success OK"}
    assert [node["status"] for node in lab.rest.result(tests)["nodes"]] == ["pass"]
    log = lab.log(orders)
    assert "OK created sql table model main.orders" in log
    assert "model.by_server.orders: success OK" in log
    assert TOKEN not in log
    assert "1 of 1 PASS unique_orders_id" in lab.log(tests)


def test_a_gate_opens_by_the_age_that_the_server_tells(after_losses: DbtServer) -> None:
    lab = after_losses.lab
    gate = lab.until_state("whole__daily", "fresh__raw__events", "success")
    result = lab.rest.result(gate)
    assert result["status"] == "pass"
    assert 0 <= result["age"] < 600
    lab.until_state("whole__daily", "days", "success")


def test_backfill_maintenance_and_a_run_by_hand(after_losses: DbtServer) -> None:
    lab = after_losses.lab
    lab.until_states("whole__backfill", "days", ["success"], runs=2)
    (hand,) = lab.rest.tasks("by_server_dbt_run_model")
    hand = lab.until_state("by_server_dbt_run_model", hand["task_id"], "success")
    assert [node["unique_id"] for node in lab.rest.result(hand)["nodes"]] == ["model.by_server.days"]
    ttl = lab.until_state("calm__maintenance", "ttl__orders", "success")
    result = lab.rest.result(ttl)
    assert (result["status"], result["rows"]) == ("done", 1)
    sql = "select strftime(day at time zone 'UTC', '%Y-%m-%d'), asked from days where asked <> 'plan' order by 1"
    assert after_losses.query(sql) == [("2026-01-01", "backfill"), ("2026-01-02", "backfill"), ("2026-02-01", "hand")]
    assert after_losses.query("select count(*) from orders") == [(1,)]
