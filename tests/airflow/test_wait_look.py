"""The questions of a wait, against an upstream DAG in memory."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.airflow.waits.look import Lookout
from dbt_af_k8s.airflow.waits.state import FINISHED_RUN_STATES, Outcome, RunState, judge
from dbt_af_k8s.plan.values import WaitsFor
from dbt_af_k8s.schedule.values import Interval

DAY = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOON = DAY + timedelta(hours=36)


def waits_for(*, catchup: bool = False) -> WaitsFor:
    return WaitsFor("sales__hourly", "orders", "model.shop.orders", "all", "0 * * * *", "UTC", DAY, catchup)


def hours(first: int, count: int) -> tuple[Interval, ...]:
    return tuple(Interval(DAY + n * HOUR, DAY + (n + 1) * HOUR) for n in range(first, first + count))


def outcomes(lookout: Lookout, now: datetime = NOON) -> list[Outcome]:
    return [run.outcome for run in judge(lookout.look(now)).runs]


def test_one_question_settles_all_runs_when_all_are_there(upstream: Any) -> None:
    for run in hours(0, 24):
        upstream.put(run.start)
    assert outcomes(Lookout(upstream, waits_for(), hours(0, 24))) == [Outcome.DONE] * 24
    assert upstream.questions == ["states"]


def test_runs_of_other_tasks_and_dates_do_not_count(upstream: Any) -> None:
    upstream.put(DAY, kind="manual", has_task=False)
    upstream.put(DAY + 9 * HOUR)
    upstream.put(None)
    assert outcomes(Lookout(upstream, waits_for(catchup=True), hours(3, 1))) == [Outcome.WAITING]


def test_a_run_by_hand_with_the_right_logical_date_is_the_run(upstream: Any) -> None:
    upstream.put(DAY, kind="manual")
    assert outcomes(Lookout(upstream, waits_for(), hours(0, 1))) == [Outcome.DONE]


def test_what_is_missing_is_found_by_halving_and_remembered(upstream: Any) -> None:
    for run in hours(0, 24):
        if run.start.hour not in (7, 23):
            upstream.put(run.start)
    lookout = Lookout(upstream, waits_for(catchup=True), hours(0, 24))
    missing = [run.name for run in lookout.look(NOON) if run.run is RunState.NOT_THERE]
    assert missing == ["2026-03-01 07:00 to 08:00 UTC", "2026-03-01 23:00 to 2026-03-02 00:00 UTC"]
    upstream.questions.clear()
    lookout.look(NOON)
    assert upstream.questions == ["states", "count"]
    upstream.put(DAY + 7 * HOUR, "running")
    assert outcomes(lookout) == [*[Outcome.DONE] * 7, Outcome.WAITING, *[Outcome.DONE] * 15, Outcome.WAITING]


def test_a_run_without_the_task_is_waited_for_while_it_goes_on(upstream: Any) -> None:
    upstream.put(DAY, has_task=False, state="running")
    assert [run.run for run in Lookout(upstream, waits_for(), hours(0, 1)).look(NOON)] == [RunState.GOING_ON]


@pytest.mark.parametrize("state", FINISHED_RUN_STATES)
def test_a_run_that_ended_without_the_task_is_passed_over(upstream: Any, state: str) -> None:
    upstream.put(DAY, has_task=False, state=state)
    assert outcomes(Lookout(upstream, waits_for(), hours(0, 1))) == [Outcome.PASSED_OVER]


@pytest.mark.parametrize("state", FINISHED_RUN_STATES)
def test_a_removed_task_is_passed_over_once_its_run_ended(upstream: Any, state: str) -> None:
    upstream.put(DAY, "removed", state="running")
    lookout = Lookout(upstream, waits_for(), hours(0, 1))
    assert outcomes(lookout) == [Outcome.WAITING]
    upstream.put(DAY, "removed", state=state)
    assert outcomes(lookout) == [Outcome.PASSED_OVER]


def test_a_run_that_ended_before_the_task_started_fails(upstream: Any) -> None:
    upstream.put(DAY, None, state="failed")
    upstream.put(DAY + HOUR, None, state="running")
    assert outcomes(Lookout(upstream, waits_for(), hours(0, 2))) == [Outcome.FAILED, Outcome.WAITING]


def test_a_run_cleared_between_two_questions_is_no_failure(upstream: Any) -> None:
    class ClearedMeanwhile(type(upstream)):  # type: ignore[misc]
        def count_runs(self, *args: Any, **options: Any) -> int:
            count = super().count_runs(*args, **options)
            if len(self.questions) == 3:
                next(iter(self.runs.values())).state = "queued"
            return int(count)

    world = ClearedMeanwhile()
    world.put(DAY, None, state="failed")
    assert outcomes(Lookout(world, waits_for(), hours(0, 1))) == [Outcome.WAITING]


def test_a_run_made_between_two_questions_does_not_end_the_wait(upstream: Any) -> None:
    class MadeMeanwhile(type(upstream)):  # type: ignore[misc]
        def task_states(self, *args: Any, **options: Any) -> dict[str, Any]:
            answer = super().task_states(*args, **options)
            if len(self.questions) == 1:
                self.put(DAY + HOUR, None)
            return dict(answer)

    world = MadeMeanwhile()
    world.put(DAY)
    assert Outcome.WAITING in outcomes(Lookout(world, waits_for(), hours(0, 2)))


class TestNeverComes:
    def test_a_later_scheduled_run_of_a_dag_that_does_not_catch_up(self, upstream: Any) -> None:
        upstream.put(DAY + 5 * HOUR, "running")
        assert outcomes(Lookout(upstream, waits_for(), hours(0, 1))) == [Outcome.PASSED_OVER]

    def test_not_while_the_dag_catches_up(self, upstream: Any) -> None:
        upstream.put(DAY + 5 * HOUR)
        assert outcomes(Lookout(upstream, waits_for(catchup=True), hours(0, 1))) == [Outcome.WAITING]

    @pytest.mark.parametrize("kind", ["manual", "backfill", "asset_triggered", "mine"])
    def test_a_later_run_that_the_scheduler_did_not_make_proves_nothing(self, upstream: Any, kind: str) -> None:
        upstream.put(DAY + 5 * HOUR, kind=kind)
        assert outcomes(Lookout(upstream, waits_for(), hours(0, 1))) == [Outcome.WAITING]

    def test_not_because_of_an_earlier_run(self, upstream: Any) -> None:
        upstream.put(DAY + 4 * HOUR)
        assert outcomes(Lookout(upstream, waits_for(), hours(5, 1))) == [Outcome.WAITING]

    def test_enabled_in_the_middle_of_the_day(self, upstream: Any) -> None:
        """The runs before the first one are passed over, the one after the last is still waited for."""
        for run in hours(12, 11):
            upstream.put(run.start)
        lookout = Lookout(upstream, waits_for(), hours(0, 24))
        found = judge(lookout.look(DAY + 24 * HOUR))
        assert [len(found.of(outcome)) for outcome in Outcome] == [11, 0, 1, 12, 0]
        upstream.put(DAY + 23 * HOUR)
        found = judge(lookout.look(DAY + 24 * HOUR))
        assert [len(found.of(outcome)) for outcome in Outcome] == [12, 0, 0, 12, 0]

    def test_seen_as_soon_as_the_later_run_is_made(self, upstream: Any) -> None:
        lookout = Lookout(upstream, waits_for(), hours(0, 1))
        assert outcomes(lookout) == [Outcome.WAITING]
        upstream.put(DAY + 40 * HOUR, None)
        assert outcomes(lookout, now=DAY + 41 * HOUR) == [Outcome.PASSED_OVER]

    def test_a_run_of_long_ago_is_passed_over_by_todays(self, upstream: Any) -> None:
        upstream.put(DAY + 24 * 300 * HOUR)
        now = DAY + 24 * 300 * HOUR + 3 * HOUR
        assert outcomes(Lookout(upstream, waits_for(), hours(0, 1)), now=now) == [Outcome.PASSED_OVER]


@given(
    states=st.lists(
        st.sampled_from([None, "no run", "no task", "success", "failed", "running", "removed"]), min_size=1, max_size=30
    ),
    catchup=st.booleans(),
)
def test_every_run_is_accounted_for_once(upstream_type: Any, states: list[str | None], catchup: bool) -> None:
    """Whatever the upstream runs look like: as many verdicts as runs, and each kind as often as it is there."""
    runs = hours(0, len(states))
    world = upstream_type()
    for run, state in zip(runs, states, strict=True):
        if state != "no run":
            world.put(run.start, state, has_task=state != "no task")
    seen = Lookout(world, waits_for(catchup=catchup), runs).look(DAY + len(runs) * HOUR)
    assert len(seen) == len(runs)
    for state in ("success", "failed", "running", "removed", None):
        assert sum(run.states == (state,) for run in seen) == states.count(state)
    assert sum(not run.states for run in seen) == states.count("no run") + states.count("no task")
    made = [number for number, state in enumerate(states) if state not in ("no run", "no task")]
    never = 0 if catchup else states[: max(made, default=0)].count("no run")
    assert sum(run.run is RunState.NEVER_COMES for run in seen) == never
