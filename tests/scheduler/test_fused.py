"""Fused tasks under a real scheduler: several nodes in one dbt process, each with a verdict, and what a retry runs."""

import duckdb
import pytest
from scheduler.lab import Lab

pytestmark = [pytest.mark.scheduler, pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

DAG = "cheap__daily"


@pytest.fixture(scope="module")
def ended(lab: Lab) -> Lab:
    """The only run has come to its end."""
    lab.session.until("Airflow has read fused_dags.py", lambda: DAG in lab.dags_or_fail("fused_dags.py"))
    lab.rest.switch_on(DAG)
    lab.until_state(DAG, "after_bad", "failed")
    return lab


def told(lab: Lab, task_id: str) -> list[tuple[str, str, bool]]:
    """What XCom has of each node: name, status, and whether an earlier try has done it."""
    task = lab.task(DAG, task_id)
    assert task
    rows = lab.rest.xcom(DAG, task["dag_run_id"], task_id, "nodes")
    return [(row["unique_id"].split(".")[2], row["status"], row.get("earlier", False)) for row in rows]


def test_a_retry_runs_only_what_is_not_done(ended: Lab) -> None:
    task = ended.task(DAG, "second")
    assert task
    assert (task["state"], task["try_number"]) == ("success", 2)
    assert told(ended, "second") == [
        ("first", "success", True),
        ("second", "success", False),
        ("first_is_there", "pass", True),
    ]
    first, last = (ended.rest.log(DAG, task["dag_run_id"], "second", number) for number in (1, 2))
    assert "OK created sql view model main.first" in first
    assert "not_there_yet does not exist" in first
    assert "2 of 3 nodes were done by an earlier try." in last
    assert "OK created sql view model main.second" in last
    assert "main.first " not in last


def test_one_red_node_leaves_the_verdicts_of_the_others(ended: Lab) -> None:
    assert {task["task_id"]: task["state"] for task in ended.rest.tasks(DAG)} == {
        "second": "success",
        "after_bad": "failed",
    }
    assert told(ended, "after_bad") == [
        ("after_bad", "skipped", False),
        ("bad", "error", False),
        ("good", "success", False),
    ]
    task = ended.task(DAG, "after_bad")
    assert task
    assert "dbt left out what is downstream of a failure: model.fused.after_bad" in ended.log(task)
    links = ended.rest.links(DAG, task["dag_run_id"], "after_bad")
    assert links["Nodes"].startswith(ended.rest.address[0])
    with duckdb.connect(ended.session.home / "fused" / "fused.duckdb", read_only=True) as database:
        assert database.execute("select id from good").fetchall() == [(1,)]
