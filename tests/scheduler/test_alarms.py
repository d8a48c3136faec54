"""Callbacks, a deadline and refreshes under a real scheduler: on the worker, in the DAG processor, in the triggerer."""

import pytest
from scheduler.lab import Lab

pytestmark = [pytest.mark.scheduler, pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

DAGS = ("badly__daily", "broken__daily", "well__daily")


@pytest.fixture(scope="module")
def ended(lab: Lab) -> Lab:
    """One run of each DAG has come to its end, one after the other: they share a DuckDB file."""
    lab.session.until("Airflow has read alarms.py", lambda: set(DAGS) <= set(lab.dags_or_fail("alarms_dags.py")))
    for dag_id in DAGS:
        lab.rest.switch_on(dag_id)
        lab.session.until(f"{dag_id} has ended", lambda dag_id=dag_id: _state(lab, dag_id) in ("success", "failed"))
    return lab


def _state(lab: Lab, dag_id: str) -> str:
    return "".join(run["state"] for run in lab.rest.runs(dag_id))


def _states(lab: Lab, dag_id: str) -> dict[str, str]:
    return {task["task_id"]: task["state"] for task in lab.rest.tasks(dag_id)}


def _said(lab: Lab) -> list[str]:
    alarms = lab.session.control / "alarms.txt"
    return sorted(alarms.read_text().splitlines()) if alarms.exists() else []


def test_a_refresh_that_fails_leaves_the_tasks_of_dbt_green(ended: Lab) -> None:
    """The run is red, as every run whose last task failed; the test after it in the same DAG has run as well."""
    assert _states(ended, "badly__daily") == {
        "payments": "success",
        "payments__tests": "success",
        "payments__medium_tests": "success",
        "refresh__lost_board": "failed",
    }
    assert _state(ended, "badly__daily") == "failed"
    refresh = ended.task("badly__daily", "refresh__lost_board")
    assert refresh
    assert refresh["try_number"] == 1
    assert "The board is lost." in ended.log(refresh)


def test_a_refresh_is_done_after_the_model_and_its_tests(ended: Lab) -> None:
    assert set(_states(ended, "well__daily").values()) == {"success"}
    refresh = ended.task("well__daily", "refresh__board")
    assert refresh
    assert "The board is new." in ended.log(refresh)


def test_each_task_and_each_run_is_told_once(ended: Lab) -> None:
    expected = {
        "dag failure: badly__daily",
        "dag failure: broken__daily",
        "dag success: well__daily",
        "task failure: badly__daily.refresh__lost_board",
        "task failure: broken__daily.no_model",
        "task retry: broken__daily.no_model",
        *(f"task success: badly__daily.{name}" for name in ("payments", "payments__tests", "payments__medium_tests")),
        *(
            f"task success: well__daily.{name}"
            for name in ("orders", "orders__tests", "orders__medium_tests", "refresh__board")
        ),
    }
    ended.session.until("all of it is told", lambda: expected <= set(_said(ended)), seconds=60)
    told = [line for line in _said(ended) if not line.startswith("late")]
    assert told == sorted(expected)


def test_a_run_that_takes_longer_than_its_deadline_is_told(ended: Lab) -> None:
    """No dbt task is done within a second of the moment when its run was queued."""
    expected = {f"late for anna: {dag_id}" for dag_id in DAGS}
    ended.session.until("the deadlines are told", lambda: expected <= set(_said(ended)), seconds=60)
    assert sorted(expected) == [line for line in _said(ended) if line.startswith("late")]
