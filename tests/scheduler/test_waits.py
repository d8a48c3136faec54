"""The wait sensor under a real scheduler, DAG processor, triggerer and API server.

Every test reads the start and end times that Airflow recorded. That they can fail is shown by the same DAGs with a
sensor that does nothing.
"""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from scheduler import cases
from scheduler.cases import (
    BY_HAND_DATED,
    BY_HAND_UNDATED,
    CLEARED,
    EARLY,
    FAILED,
    LATE,
    MARKED,
    NO_MORE,
    POKING,
    RESCHEDULED,
    SKIPPED,
    TIMEOUT,
    TOO_LONG,
    TRIGGERER,
    WAITING,
    Case,
    at,
)
from scheduler.lab import Lab, moment

pytestmark = [pytest.mark.scheduler, pytest.mark.airflow, pytest.mark.slow]

DAY = "06-10T00:00"


def by_name(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", WAITING, ids=by_name)
def test_downstream_starts_after_the_right_upstream_runs(staged: Lab, case: Case) -> None:
    staged.until_states(case.dag_id, "after", ["success"], runs=len(case.needs))
    assert staged.violations(case.dag_id, case) == []


@pytest.mark.parametrize("case", WAITING, ids=by_name)
def test_a_sensor_that_does_nothing_is_found_out(staged: Lab, case: Case) -> None:
    staged.until_states(case.blind_dag_id, "after", ["success"], runs=len(case.needs))
    found = staged.violations(case.blind_dag_id, case)
    assert len(found) == sum(len(needed) for needed in case.needs.values())
    assert all(violation.endswith(("too late", "did not run")) for violation in found)


def test_nothing_waits_for_a_run_it_does_not_need(staged: Lab) -> None:
    staged.until_state(NO_MORE.dag_id, "after", "success")
    held = staged.until_state(NO_MORE.upstream.dag_id, "node", "running", DAY)
    staged.unsay("hold", NO_MORE.upstream.dag_id, DAY)
    assert held["end_date"] is None
    assert staged.violations(NO_MORE.dag_id, NO_MORE) == []


def test_an_upstream_that_skipped_itself_is_done(staged: Lab) -> None:
    staged.until_state(SKIPPED.dag_id, "after", "success")
    assert staged.until_state(SKIPPED.upstream.dag_id, "node", "skipped")
    assert staged.violations(SKIPPED.dag_id, SKIPPED) == []


def test_a_run_marked_as_failed_fails_the_wait_and_says_why(staged: Lab) -> None:
    upstream = MARKED.upstream.dag_id
    staged.until_state(upstream, "before", "running")
    (run,) = staged.rest.runs(upstream)
    staged.rest.mark(upstream, run["dag_run_id"], "failed")
    wait = staged.until_state(MARKED.dag_id, "wait", "failed")
    assert staged.until_state(upstream, "node", "skipped")
    assert staged.until_state(MARKED.dag_id, "after", "upstream_failed")
    assert "skipped, and not by itself: its run was marked as failed" in staged.log(wait)

    staged.unsay("hold", upstream, DAY)
    staged.rest.clear(upstream, run["dag_run_id"], "before", downstream=True)
    staged.until_state(upstream, "node", "success")
    staged.rest.clear(MARKED.dag_id, wait["dag_run_id"], "wait", downstream=True)
    staged.until_state(MARKED.dag_id, "after", "success")
    assert staged.violations(MARKED.dag_id, MARKED) == []


def test_a_run_over_its_time_limit_fails_the_wait(staged: Lab) -> None:
    wait = staged.until_state(TOO_LONG.dag_id, "wait", "failed")
    node = staged.until_state(TOO_LONG.upstream.dag_id, "node", "skipped")
    (run,) = staged.rest.runs(TOO_LONG.upstream.dag_id)
    assert run["state"] == "failed"
    assert node["start_date"] is None
    assert "ran into its time limit" in staged.log(wait)


def test_a_failed_upstream_fails_the_wait_until_it_is_mended_and_cleared(staged: Lab) -> None:
    wait = staged.until_state(FAILED.dag_id, "wait", "failed")
    assert staged.until_state(FAILED.dag_id, "after", "upstream_failed")
    assert wait["try_number"] <= wait["max_tries"], "it was retried"
    assert "model.lab.up_failed_upstream failed" in staged.log(wait)

    staged.unsay("fail", FAILED.upstream.dag_id, DAY)
    node = staged.until_state(FAILED.upstream.dag_id, "node", "failed")
    staged.rest.clear(FAILED.upstream.dag_id, node["dag_run_id"], "node")
    staged.until_state(FAILED.upstream.dag_id, "node", "success")
    staged.rest.clear(FAILED.dag_id, wait["dag_run_id"], "wait", downstream=True)
    staged.until_state(FAILED.dag_id, "after", "success")
    assert staged.violations(FAILED.dag_id, FAILED) == []


def test_an_upstream_cleared_meanwhile_is_waited_for_again(staged: Lab) -> None:
    upstream = CLEARED.upstream.dag_id
    first = staged.until_state(upstream, "node", "success", "06-10T22:00")
    staged.say("hold", upstream, "06-10T22:00")
    staged.rest.clear(upstream, first["dag_run_id"], "node")
    staged.until_state(upstream, "node", "running", "06-10T22:00")
    staged.unsay("hold", upstream, "06-10T23:00")
    staged.until_state(upstream, "node", "success", "06-10T23:00")
    time.sleep(CLEARED.poke + 2)
    assert staged.until_state(CLEARED.dag_id, "wait", "deferred", seconds=1)

    staged.unsay("hold", upstream, "06-10T22:00")
    staged.until_state(CLEARED.dag_id, "after", "success")
    again = staged.until_state(upstream, "node", "success", "06-10T22:00")
    assert moment(again["end_date"]) > moment(first["end_date"])
    assert staged.violations(CLEARED.dag_id, CLEARED) == []


def test_runs_that_a_late_upstream_never_makes_are_passed_over(staged: Lab) -> None:
    staged.until_state(LATE.dag_id, "after", "success")
    wait = staged.until_state(LATE.dag_id, "wait", "success")
    made = staged.rest.runs(LATE.upstream.dag_id)
    assert made
    assert all(moment(run["logical_date"]) > at("06-11T00:00") for run in made)
    assert moment(wait["end_date"]) > min(moment(run["queued_at"]) for run in made)
    assert "passed over 24 of 24" in staged.log(wait)


def test_a_run_before_the_first_upstream_run_is_skipped_with_a_mark(staged: Lab) -> None:
    wait = staged.until_state(EARLY.dag_id, "wait", "skipped")
    assert staged.rest.runs(EARLY.upstream.dag_id) == []
    assert "model.lab.up_before_start_date is not built yet" in staged.log(wait)
    mark = staged.rest.xcom(EARLY.dag_id, wait["dag_run_id"], "wait", "dbt_af_k8s_skip")
    assert mark["kind"] == "not-built"


def test_a_wait_in_a_worker_slot(staged: Lab) -> None:
    staged.until_state(POKING.dag_id, "after", "success")
    assert staged.violations(POKING.dag_id, POKING) == []


def test_a_wait_that_takes_too_long_says_what_was_missing(staged: Lab) -> None:
    wait = staged.until_state(TIMEOUT.dag_id, "wait", "failed")
    log = staged.log(wait)
    assert "Waited 4 s for model.lab.up_timeout" in log
    assert "missing 1 of 1: 2025-06-10 00:00 to 2025-06-11 00:00 UTC (no such run yet)" in log
    assert "up_timeout is paused" in log
    assert wait["try_number"] <= wait["max_tries"], "it was retried"
    assert 4 <= (moment(wait["end_date"]) - moment(wait["start_date"])).total_seconds() < 60


def test_airflow_shows_what_is_waited_for(staged: Lab) -> None:
    case = next(case for case in WAITING if case.policy == "all")
    wait = staged.until_state(case.dag_id, "wait", "success")
    fields = staged.rest.rendered(case.dag_id, wait["dag_run_id"], "wait")
    assert fields["waiting_for"].startswith(
        "model.lab.up_hourly: task node of DAG up_hourly, 24 runs: 2025-06-10 00:00"
    )
    assert "missing 24 of 24" in staged.log(wait)
    assert "The wait is over: done 24 of 24" in staged.log(wait)


def test_a_run_by_hand_with_a_date(lab: Lab) -> None:
    """The last full day before the logical date."""
    lab.rest.switch_on(BY_HAND_DATED.dag_id)
    lab.rest.trigger(BY_HAND_DATED.dag_id, at("06-11T10:00"))
    lab.until_state(BY_HAND_DATED.dag_id, "wait", "deferred")
    lab.rest.switch_on(BY_HAND_DATED.upstream.dag_id)
    after = lab.until_state(BY_HAND_DATED.dag_id, "after", "success")
    node = lab.until_state(BY_HAND_DATED.upstream.dag_id, "node", "success", DAY)
    assert moment(node["end_date"]) < moment(after["start_date"])


def test_a_run_by_hand_without_a_date(lab: Lab) -> None:
    """The last full day before now."""
    lab.rest.switch_on(BY_HAND_UNDATED.dag_id)
    run_id = lab.rest.trigger(BY_HAND_UNDATED.dag_id)
    lab.until_state(BY_HAND_UNDATED.dag_id, "wait", "deferred")
    (run,) = [run for run in lab.rest.runs(BY_HAND_UNDATED.dag_id) if run["dag_run_id"] == run_id]
    assert run["logical_date"] is None
    lab.rest.switch_on(BY_HAND_UNDATED.upstream.dag_id)
    after = lab.until_state(BY_HAND_UNDATED.dag_id, "after", "success")
    node = lab.until_state(BY_HAND_UNDATED.upstream.dag_id, "node", "success")
    midnight = moment(run["run_after"]).replace(hour=0, minute=0, second=0, microsecond=0)
    assert moment(node["logical_date"]) == midnight - timedelta(days=1)
    assert moment(node["end_date"]) < moment(after["start_date"])


def test_a_wait_survives_a_triggerer_that_is_killed(staged: Lab) -> None:
    wait = staged.until_state(TRIGGERER.dag_id, "wait", "deferred")
    staged.session.kill_process("triggerer")
    staged.session.start_process("triggerer")

    def moved_over() -> bool:
        task = staged.task(TRIGGERER.dag_id, "wait") or {}
        job = task.get("triggerer_job")
        return job is not None and job["id"] != wait["triggerer_job"]["id"]

    staged.session.until("the new triggerer has the wait", moved_over)
    staged.unsay("hold", TRIGGERER.upstream.dag_id, DAY)
    staged.until_state(TRIGGERER.dag_id, "after", "success")
    assert staged.violations(TRIGGERER.dag_id, TRIGGERER) == []


def test_a_wait_that_gives_its_slot_back(staged: Lab) -> None:
    """It looks once a minute, so it comes last."""
    staged.until_state(RESCHEDULED.dag_id, "after", "success")
    assert staged.violations(RESCHEDULED.dag_id, RESCHEDULED) == []


def test_every_case_is_tested() -> None:
    source = Path(__file__).read_text()
    in_tests = {name for name, value in globals().items() if isinstance(value, Case) and f"({name}." in source}
    assert in_tests == {name for name, value in vars(cases).items() if value in (*cases.ALONE, *cases.BY_HAND)}
