"""What a wait makes of upstream states: every state of Airflow, every state of a run."""

import json
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from dbt_af_k8s.airflow.skip_marks import NOT_BUILT, NOT_DUE, SKIP_KEY, SkipMark, read_skip_mark, skip_mark
from dbt_af_k8s.airflow.waits.state import (
    DONE_STATES,
    FAILED_STATES,
    FINISHED_RUN_STATES,
    REMOVED,
    Outcome,
    RunState,
    UpstreamRun,
    interval_text,
    judge,
    judge_run,
    runs_text,
)
from dbt_af_k8s.schedule.values import Interval

ON_THE_WAY = (
    "scheduled",
    "queued",
    "running",
    "restarting",
    "deferred",
    "up_for_retry",
    "up_for_reschedule",
    "awaiting_input",
)
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def hours(count: int) -> tuple[Interval, ...]:
    return tuple(Interval(DAY + timedelta(hours=n), DAY + timedelta(hours=n + 1)) for n in range(count))


@pytest.mark.parametrize("run", list(RunState))
@pytest.mark.parametrize("state", ["success", NOT_DUE])
def test_success_and_a_skip_with_nothing_to_do_are_done_whatever_the_run_does(state: str, run: RunState) -> None:
    assert judge_run(UpstreamRun("r", (state,), run)).outcome is Outcome.DONE


@pytest.mark.parametrize("run", list(RunState))
@pytest.mark.parametrize("state", ["failed", "upstream_failed"])
def test_failed_states_fail_at_once(state: str, run: RunState) -> None:
    verdict = judge_run(UpstreamRun("r", (state,), run))
    assert (verdict.outcome, verdict.because) == (Outcome.FAILED, state)


@pytest.mark.parametrize("run", list(RunState))
@pytest.mark.parametrize("others", [(), ("success",), (NOT_DUE,), (NOT_BUILT,), ("running",)])
def test_a_skip_without_a_mark_fails_and_says_so(run: RunState, others: tuple[str, ...]) -> None:
    verdict = judge_run(UpstreamRun("r", ("skipped", *others), run))
    assert verdict.outcome is Outcome.FAILED
    assert "skipped, and not by itself: its run was marked as failed or ran into its time limit" in verdict.because


def test_what_is_not_built_is_neither_done_nor_failed() -> None:
    assert judge_run(UpstreamRun("r", (NOT_BUILT,))).outcome is Outcome.NOT_BUILT
    assert judge_run(UpstreamRun("r", ("success", NOT_BUILT))).outcome is Outcome.NOT_BUILT
    assert judge_run(UpstreamRun("r", ("running", NOT_BUILT))).outcome is Outcome.WAITING


def test_a_wait_is_skipped_only_while_no_run_has_built_the_node() -> None:
    not_built, passed = UpstreamRun("a", (NOT_BUILT,)), UpstreamRun("b", (), RunState.NEVER_COMES)
    verdict = judge([not_built, passed])
    assert verdict.outcome is Outcome.NOT_BUILT
    assert verdict.sentence() == (
        "passed over 1 of 2: b (never made: the DAG does not catch up and has a later run); "
        "skipped 1 of 2: a (not built yet)"
    )
    assert judge([not_built, passed, UpstreamRun("c", ("success",))]).outcome is Outcome.DONE
    assert judge([not_built, UpstreamRun("c", ("running",))]).outcome is Outcome.WAITING
    assert judge([not_built, UpstreamRun("c", ("failed",))]).outcome is Outcome.FAILED


@pytest.mark.parametrize("kind", [NOT_DUE, NOT_BUILT])
def test_a_mark_is_read_as_it_was_left(kind: str) -> None:
    key, value = skip_mark(kind, "because")
    assert key == SKIP_KEY
    assert read_skip_mark(json.loads(json.dumps(value))) == SkipMark(kind, "because")


@pytest.mark.parametrize("value", [None, "not-due", [], {}, {"kind": "mine"}, {"because": "x"}, 7])
def test_what_else_stands_in_an_xcom_is_no_mark(value: object) -> None:
    assert read_skip_mark(value) is None


@pytest.mark.parametrize("run", list(RunState))
@pytest.mark.parametrize("state", ON_THE_WAY)
def test_a_task_on_its_way_is_waited_for(state: str, run: RunState) -> None:
    verdict = judge_run(UpstreamRun("r", (state,), run))
    assert (verdict.outcome, verdict.because) == (Outcome.WAITING, state)


@pytest.mark.parametrize("run", [run for run in RunState if run is not RunState.FINISHED])
def test_a_task_without_a_state_is_waited_for_while_its_run_goes_on(run: RunState) -> None:
    assert judge_run(UpstreamRun("r", (None,), run)).outcome is Outcome.WAITING


def test_a_task_without_a_state_in_a_run_that_ended_will_never_start() -> None:
    verdict = judge_run(UpstreamRun("r", (None,), RunState.FINISHED))
    assert verdict.outcome is Outcome.FAILED
    assert "ended before" in verdict.because


@pytest.mark.parametrize("states", [(), (REMOVED,)])
@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (RunState.NOT_ASKED, Outcome.WAITING),
        (RunState.NOT_THERE, Outcome.WAITING),
        (RunState.GOING_ON, Outcome.WAITING),
        (RunState.FINISHED, Outcome.PASSED_OVER),
        (RunState.NEVER_COMES, Outcome.PASSED_OVER),
    ],
)
def test_no_task_in_the_run(states: tuple[str, ...], run: RunState, outcome: Outcome) -> None:
    assert judge_run(UpstreamRun("r", states, run)).outcome is outcome


def test_every_state_of_airflow_has_its_meaning() -> None:
    from airflow.utils.state import DagRunState, TaskInstanceState

    known = {*DONE_STATES, *FAILED_STATES, REMOVED, *ON_THE_WAY} - {NOT_DUE}
    assert known == {state.value for state in TaskInstanceState}
    assert set(FINISHED_RUN_STATES) == {s.value for s in DagRunState} - {"queued", "running"}


def test_mapped_instances_fail_before_they_wait_and_wait_before_they_are_done() -> None:
    order = [Outcome.FAILED, Outcome.WAITING, Outcome.DONE]
    outcome_of = dict.fromkeys(DONE_STATES, Outcome.DONE)
    outcome_of |= dict.fromkeys(FAILED_STATES, Outcome.FAILED)
    outcome_of |= dict.fromkeys(ON_THE_WAY, Outcome.WAITING)
    for one, two in product(outcome_of, repeat=2):
        expected = min((outcome_of[one], outcome_of[two]), key=order.index)
        assert judge_run(UpstreamRun("r", (one, two))).outcome is expected


def test_one_failure_outweighs_what_is_missing() -> None:
    verdict = judge([UpstreamRun("a", ("success",)), UpstreamRun("b", ("running",)), UpstreamRun("c", ("failed",))])
    assert verdict.outcome is Outcome.FAILED
    assert verdict.sentence() == "failed 1 of 3: c (failed); missing 1 of 3: b (running); done 1 of 3"


def test_one_missing_run_keeps_the_wait_up() -> None:
    verdict = judge([UpstreamRun("a", ("success",)), UpstreamRun("b", (), RunState.NOT_THERE)])
    assert verdict.outcome is Outcome.WAITING
    assert verdict.sentence() == "missing 1 of 2: b (no such run yet); done 1 of 2"


def test_passed_over_runs_hold_nothing_up_and_are_named() -> None:
    verdict = judge([UpstreamRun("a", (NOT_DUE,)), UpstreamRun("b", (), RunState.NEVER_COMES)])
    assert verdict.outcome is Outcome.DONE
    assert verdict.sentence().startswith("passed over 1 of 2: b (never made")


def test_a_long_list_is_cut_in_the_middle() -> None:
    verdict = judge([UpstreamRun(f"r{number:02}", ("running",)) for number in range(24)])
    assert verdict.sentence() == (
        "missing 24 of 24: r00 (running), r01 (running), r02 (running), r03 (running), ... r23 (running)"
    )


def test_intervals_are_told_in_utc() -> None:
    assert interval_text(hours(1)[0]) == "2026-03-01 00:00 to 01:00 UTC"
    assert interval_text(Interval(DAY, DAY + timedelta(days=1))) == "2026-03-01 00:00 to 2026-03-02 00:00 UTC"


def test_runs_are_counted_and_named() -> None:
    assert runs_text(()) == "no run"
    assert runs_text(hours(1)) == "1 run: 2026-03-01 00:00 to 01:00 UTC"
    text = runs_text(hours(24))
    assert text.startswith("24 runs: 2026-03-01 00:00 to 01:00 UTC, ")
    assert text.endswith(", ... 2026-03-01 23:00 to 2026-03-02 00:00 UTC")
