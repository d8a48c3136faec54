"""Starting runs: order, how many at once, failures, and beginning again. Against a server that speaks Airflow's API."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow_server import AirflowState

from dbt_af_k8s.cluster.airflow_api import AirflowApi
from dbt_af_k8s.cluster.airflow_login import AirflowLogin
from dbt_af_k8s.cluster.one_time import RunProgress, RunState, check_dag, run_all
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.one_time.runs import runs_of
from dbt_af_k8s.plan.one_time.values import Asked
from dbt_af_k8s.schedule.values import Interval

DAG = "finance__backfill"
WEEK = Interval(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
ASKED = Asked(DAG, (WEEK,), chunk="day", tags={"ticket": "OPS-12"})


class StoppedError(Exception):
    """The process was ended."""


def run(server: AirflowState, asked: Asked = ASKED, looks: int = 99, **options: Any) -> tuple[RunProgress, ...]:
    airflow = AirflowApi(server.url, AirflowLogin(token="fixed"), sleep=lambda _: None)
    left = iter(range(looks))

    def sleep(seconds: float) -> None:
        assert seconds == asked.poll
        if next(left, None) is None:
            raise StoppedError

    runs = runs_of(asked, name="x", config_version=None)
    return run_all(asked, runs, airflow, tell=lambda _: None, sleep=sleep, **options)


def started(server: AirflowState) -> list[str]:
    return [run["conf"]["start_dttm"][8:10] for run in server.runs.values()]


def states(done: tuple[RunProgress, ...]) -> list[str]:
    return [each.state.value for each in done]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_all_are_started_in_order_so_many_at_once(server: AirflowState, concurrency: int) -> None:
    done = run(server, replace(ASKED, concurrency=concurrency))
    assert states(done) == ["success"] * 7
    assert started(server) == ["05", "06", "07", "08", "09", "10", "11"]
    assert server.most_active == concurrency
    assert next(iter(server.runs.values()))["note"] == "One-time job, 2026-01-05 → 2026-01-06 (ticket: OPS-12)"


def test_newest_first(server: AirflowState) -> None:
    run(server, replace(ASKED, newest_first=True))
    assert started(server) == ["11", "10", "09", "08", "07", "06", "05"]


def test_the_one_that_builds_anew_is_alone(server: AirflowState) -> None:
    active_then = []
    server.after = lambda method, path: (
        active_then.append([r["state"] for r in server.runs.values()])
        if method == "POST" and path.endswith("dagRuns")
        else None
    )
    run(server, replace(ASKED, full_refresh=True, concurrency=3))
    assert active_then[0] == ["queued"]
    assert active_then[1][0] == "success"


def test_after_a_failure_no_further_one_is_started(server: AirflowState) -> None:
    server.course = lambda run_id: ["running", "failed" if "20260106" in run_id else "success"]
    done = run(server, replace(ASKED, concurrency=2))
    assert states(done) == ["success", "failed"] + ["not started"] * 5
    assert done[1].failed_tasks == ("revenue",)


def test_going_on_after_a_failure(server: AirflowState) -> None:
    server.course = lambda run_id: ["failed" if "20260106" in run_id else "success"]
    assert states(run(server, replace(ASKED, stops_on_failure=False))) == ["success", "failed"] + ["success"] * 5


def test_it_begins_again_where_it_was_stopped(server: AirflowState) -> None:
    with pytest.raises(StoppedError):
        run(server, looks=3)
    before = list(server.runs)
    assert 0 < len(before) < 7
    done = run(server)
    assert states(done) == ["success"] * 7
    assert [each.was_there for each in done] == [each.run.run_id in before for each in done]
    assert len(server.runs) == 7


def test_it_waits_for_what_another_start_has_at_work(server: AirflowState) -> None:
    with pytest.raises(StoppedError):
        run(server, replace(ASKED, concurrency=2), looks=0)
    server.most_active = 0
    assert states(run(server, replace(ASKED, concurrency=2))) == ["success"] * 7
    assert server.most_active == 2


def test_failed_ones_are_tried_again_when_asked(server: AirflowState) -> None:
    server.course = lambda run_id: ["failed" if "20260106" in run_id else "success"]
    run(server)
    server.course = lambda _: ["success"]
    assert states(run(server)) == ["success", "failed"] + ["not started"] * 5
    done = run(server, retry_failed=True)
    assert states(done) == ["success"] * 7
    assert len([1 for method, path in server.asked if path.endswith("/clear")]) == 1


def test_a_run_that_somebody_deletes_is_told(server: AirflowState) -> None:
    server.after = lambda method, _: server.runs.clear() if method == "POST" else None
    assert run(server)[0].state is RunState.GONE


def test_a_server_that_goes_away_for_a_while_does_no_harm(server: AirflowState) -> None:
    server.faults = [(0, None), (503, {}), None, (0, None), (500, {}), (0, None), None, None, (502, {})]
    assert states(run(server)) == ["success"] * 7
    assert len(server.runs) == 7


def check(server: AirflowState, asked: Asked) -> tuple[str, ...]:
    return check_dag(asked, AirflowApi(server.url, AirflowLogin(token="fixed")))


def test_a_dag_that_can_do_it(server: AirflowState) -> None:
    assert check(server, replace(ASKED, models=("a",), static=(("region", ("north",)),))) == ()


@pytest.mark.parametrize(
    ("dag", "asked", "told"),
    [
        ({}, replace(ASKED, dag_id="finance__backfil"), "did you mean `finance__backfill`?"),
        ({"is_paused": True}, ASKED, "is paused"),
        ({"has_import_errors": True}, ASKED, "import error"),
        (
            {"params": {"start_dttm": {}}},
            replace(ASKED, models=("a",), with_tests=True),
            "no `models` and no `with_tests`",
        ),
    ],
)
def test_a_dag_that_cannot(server: AirflowState, dag: dict[str, Any], asked: Asked, told: str) -> None:
    server.dags[DAG] |= dag
    with pytest.raises(UsageError, match=told.replace("?", r"\?")):
        check(server, asked)


def test_a_dag_without_vars_is_a_warning(server: AirflowState) -> None:
    server.dags[DAG]["params"] = {"start_dttm": {}}
    (warning,) = check(server, replace(ASKED, static=(("region", ("north",)),)))
    assert "`region` reach it in the run's configuration only" in warning
