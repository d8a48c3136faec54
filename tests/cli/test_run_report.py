"""What a run shows, from the events that the child writes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbt_af_k8s.cli.run_home import PrivateHome
from dbt_af_k8s.cli.run_order import RunStep
from dbt_af_k8s.cli.run_report import Report
from dbt_af_k8s.schedule.values import Interval

DAY = Interval(datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
LOG = b"""\
2026-01-12T00:00:01.123456Z [info     ] dbt run model.shop.bad [airflow.task] loc=x.py:1
2026-01-12T00:00:02.123456Z [error    ] 1 of 1 ERROR creating sql table model main.bad [airflow.task.op] loc=x.py:1
2026-01-12T00:00:02.123456Z [error    ] Task failed with exception [task] loc=task_runner.py:1
Traceback (most recent call last):
  File "x.py", line 1
"""


def task(task_id: str, state: str, **rest: Any) -> dict[str, Any]:
    values = {"seconds": 1.25, "rows": None, "message": None, "log_from": 0, "log_to": len(LOG)}
    return {
        "event": "task-done",
        "run": 0,
        "dag_id": "sales__daily",
        "task_id": task_id,
        "state": state,
        **values,
        **rest,
    }


def started(tasks: int) -> dict[str, Any]:
    span = {"start": DAY.start.isoformat(), "end": DAY.end.isoformat()}
    return {"event": "dag-started", "run": 0, "dag_id": "sales__daily", **span, "tasks": tasks}


def done(state: str) -> dict[str, Any]:
    return {"event": "dag-done", "run": 0, "dag_id": "sales__daily", "state": state, "seconds": 3.5}


@pytest.fixture
def home(tmp_path: Path) -> PrivateHome:
    (tmp_path / "run.log").write_bytes(LOG)
    return PrivateHome(tmp_path)


def told(report: Report, events: list[dict[str, Any]]) -> None:
    report.announce()
    for event in events:
        report.take(event)
    report.close()


def test_a_good_run(home: PrivateHome, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(home, (RunStep("sales__daily", DAY, ("web__hourly.visits",)),))
    begun = {"event": "task-started", "run": 0, "dag_id": "sales__daily", "task_id": "orders"}
    told(
        report,
        [
            started(3),
            task("wait__visits", "passed-over"),
            begun,
            task("orders", "success", rows=12),
            task("items", "success", rows=1),
            done("success"),
        ],
    )
    assert report.succeeded
    assert capsys.readouterr().out.splitlines() == [
        "",
        "sales__daily for 2026-01-11 00:00 → 2026-01-12 00:00 (UTC)",
        "  →            wait__visits  wait passed over",
        "  ✓     1.2 s  orders  12 rows",
        "  ✓     1.2 s  items  1 row",
        "  2 tasks done in 3.5 s",
        "  Not waited for: web__hourly.visits; --with-upstream runs them first.",
    ]


def test_a_failed_run_shows_why(home: PrivateHome, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(home, (RunStep("sales__daily", DAY), RunStep("finance__daily", DAY)))
    failed = task("bad", "failed", message="Database Error: no such table")
    told(report, [started(3), failed, task("after", "upstream_failed"), done("failed")])
    assert not report.succeeded
    out = capsys.readouterr().out
    assert "2 runs, task by task in order of their waits: sales__daily, finance__daily" in out
    assert "  ✗     1.2 s  bad  failed" in out
    assert "after  not run: a task before it failed" in out
    assert "  1 task failed in 3.5 s" in out
    panel = [line.strip("│ ") for line in out.splitlines() if line.startswith("│")]
    assert panel == [
        "dbt run model.shop.bad",
        "1 of 1 ERROR creating sql table model main.bad",
        "",
        "Database Error: no such table",
    ]
    assert "1 run not started after this." in out
    assert "Full log:" in out


def test_runs_that_take_turns(home: PrivateHome, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(home, (RunStep("sales__daily", DAY), RunStep("finance__daily", DAY)))
    other = {"run": 1, "dag_id": "finance__daily"}
    told(
        report,
        [
            started(2),
            task("one", "success"),
            {**started(1), **other},
            {**task("two", "success"), **other},
            {**done("success"), **other},
            task("three", "success"),
            done("success"),
        ],
    )
    assert report.succeeded
    assert [[each["task_id"] for each in run["tasks"]] for run in report.runs] == [["one", "three"], ["two"]]
    assert "sales__daily goes on\n  ✓     1.2 s  three" in capsys.readouterr().out


def test_a_fault_of_airflow(home: PrivateHome, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(home, (RunStep("sales__daily", DAY),))
    told(report, [{"event": "fault", "dag_id": "", "message": "ImportError: x"}])
    assert not report.succeeded
    assert "Airflow could not go on: ImportError: x" in capsys.readouterr().out


def test_quiet_remembers_all_and_shows_nothing(home: PrivateHome, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(home, (RunStep("sales__daily", DAY),), quiet=True)
    told(report, [started(1), task("orders", "success", rows=12), done("success")])
    assert capsys.readouterr().out == ""
    assert report.summary() == {
        "version": 1,
        "succeeded": True,
        "faults": [],
        "runs": [
            {
                "dag_id": "sales__daily",
                "start": "2026-01-11T00:00:00+00:00",
                "end": "2026-01-12T00:00:00+00:00",
                "state": "success",
                "seconds": 3.5,
                "passed_over": [],
                "tasks": [
                    {
                        "task_id": "orders",
                        "state": "success",
                        "seconds": 1.25,
                        "rows": 12,
                        "message": None,
                        "log": [0, len(LOG)],
                    }
                ],
            }
        ],
    }
