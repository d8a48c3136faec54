"""The wait sensor and its trigger, with the task supervisor faked at Airflow's own boundary."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseSensorOperator
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowRuntimeError,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from dbt_af_k8s.airflow import DbtWaitSensor
from dbt_af_k8s.airflow.skip_marks import NOT_BUILT, NOT_DUE, SKIP_KEY
from dbt_af_k8s.airflow.waits.sensor import UpstreamFailedError
from dbt_af_k8s.airflow.waits.trigger import TIMED_OUT, DbtWaitTrigger, runs_to_json, waits_for_to_json
from dbt_af_k8s.errors import DbtAfK8sError
from dbt_af_k8s.plan.values import WaitsFor
from dbt_af_k8s.schedule.values import Interval

pytestmark = pytest.mark.airflow

DAY = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
UPSTREAM = WaitsFor("sales__hourly", "orders", "model.shop.orders", "all", "0 * * * *", "UTC", DAY - 9 * HOUR, True)


def sensor(*, policy: str = "all", **changes: Any) -> DbtWaitSensor:
    waits_for = WaitsFor(**{**waits_for_fields(), "policy": policy, **changes.pop("waits_for", {})})
    given: dict[str, Any] = {"cron": "0 0 * * *", "timezone": "UTC", "poke_interval": 60, "timeout": 3600} | changes
    return DbtWaitSensor(task_id="wait__orders", waits_for=waits_for, **given)


class Instance:
    """A task instance that keeps its XComs."""

    run_id = "scheduled__2026-03-02T00:00:00+00:00"

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def get_first_reschedule_date(self, context: Any) -> None:
        return None


def waits_for_fields() -> dict[str, Any]:
    return {name: getattr(UPSTREAM, name) for name in WaitsFor.__dataclass_fields__}


def context(start: datetime | None = DAY, end: datetime | None = DAY + 24 * HOUR, **changes: Any) -> dict[str, Any]:
    """What Airflow hands to a task of a scheduled run."""
    run = {
        "run_type": "scheduled",
        "data_interval_start": start,
        "data_interval_end": end,
        "logical_date": start,
        "run_after": end,
    }
    return {"dag_run": SimpleNamespace(**(run | changes.pop("run", {}))), "params": {}, **changes}


def put_day(upstream: Any, state: str | None = "success", count: int = 24) -> None:
    for hour in range(count):
        upstream.put(DAY + hour * HOUR, state)


class TestFirstLook:
    def test_no_deferral_when_everything_is_done(self, supervisor: Any) -> None:
        put_day(supervisor)
        sensor().execute(context())
        assert supervisor.questions == ["states"]

    def test_a_skip_of_our_own_is_done(self, supervisor: Any) -> None:
        put_day(supervisor, count=23)
        supervisor.put(DAY + 23 * HOUR, "skipped", skip=NOT_DUE)
        sensor().execute(context())
        assert supervisor.questions == ["states", "mark"]

    def test_any_other_skip_fails_with_the_reason(self, supervisor: Any) -> None:
        put_day(supervisor, count=23)
        supervisor.put(DAY + 23 * HOUR, "skipped", state="failed")
        with pytest.raises(UpstreamFailedError, match=r"failed 1 of 24: .*not by itself: its run was marked as failed"):
            sensor().execute(context())

    def test_a_skip_behind_the_closing_task_counts(self, supervisor: Any) -> None:
        behind = sensor(policy="last", waits_for={"work": ("not_null", "unique")})
        run = supervisor.put(DAY + 23 * HOUR, others={"not_null": "success", "unique": "skipped"})
        with pytest.raises(UpstreamFailedError, match="not by itself"):
            behind.execute(context())
        supervisor.mark(run.run_id, "unique", NOT_DUE)
        behind.execute(context())
        assert supervisor.questions == ["states", "mark"] * 2

    def test_deferral_carries_plain_values_and_a_timeout(self, supervisor: Any) -> None:
        put_day(supervisor, count=23)
        with pytest.raises(TaskDeferred) as deferred:
            sensor(timeout=7200).execute(context())
        path, arguments = deferred.value.trigger.serialize()
        assert path == "dbt_af_k8s.airflow.waits.trigger.DbtWaitTrigger"
        assert json.loads(json.dumps(arguments)) == arguments
        assert len(arguments["runs"]) == 24
        left = datetime.fromisoformat(arguments["deadline"]) - datetime.now(UTC)
        assert timedelta(seconds=7100) < left <= timedelta(seconds=7200)
        assert deferred.value.method_name == "execute_complete"
        assert deferred.value.timeout > left

    @pytest.mark.parametrize("state", ["failed", "upstream_failed"])
    def test_a_failed_upstream_fails_at_once_and_is_not_retried(self, supervisor: Any, state: str) -> None:
        put_day(supervisor, count=3)
        supervisor.put(DAY + 4 * HOUR, state)
        with pytest.raises(
            UpstreamFailedError, match=rf"model\.shop\.orders failed.*{state}.*clear this wait"
        ) as failed:
            sensor().execute(context())
        assert isinstance(failed.value, AirflowFailException)
        assert isinstance(failed.value, DbtAfK8sError)

    def test_before_the_first_upstream_run_it_is_skipped_with_a_mark(self, supervisor: Any) -> None:
        ti = Instance()
        with pytest.raises(AirflowSkipException, match=r"model\.shop\.orders is not built yet: .*2026-03-03"):
            sensor(waits_for={"start_date": DAY + 48 * HOUR}).execute(context(ti=ti))
        assert ti.pushed[SKIP_KEY]["kind"] == "not-built"
        assert supervisor.questions == ["count"]

    def test_before_the_first_upstream_run_something_else_may_have_built_it(self, supervisor: Any) -> None:
        supervisor.successes = 1
        sensor(waits_for={"start_date": DAY + 48 * HOUR}).execute(context())

    def test_before_the_first_upstream_run_it_may_run_all_the_same(self, supervisor: Any) -> None:
        sensor(waits_for={"start_date": DAY + 48 * HOUR, "first_runs": "run"}).execute(context())
        assert supervisor.questions == []

    def test_before_the_first_upstream_run_it_may_wait_for_it(self, supervisor: Any) -> None:
        waiting = sensor(waits_for={"start_date": DAY + 48 * HOUR, "first_runs": "wait"})
        with pytest.raises(TaskDeferred) as deferred:
            waiting.execute(context())
        assert deferred.value.trigger.runs == [["2026-03-03T00:00:00+00:00", "2026-03-03T01:00:00+00:00"]]
        supervisor.put(DAY + 48 * HOUR)
        waiting.execute(context())

    def test_an_upstream_that_is_not_built_skips_the_wait_in_turn(self, supervisor: Any) -> None:
        supervisor.put(DAY + 23 * HOUR, "skipped", skip=NOT_BUILT)
        ti = Instance()
        with pytest.raises(AirflowSkipException, match="is not built yet in DAG sales__hourly"):
            sensor(policy="last").execute(context(ti=ti))
        assert ti.pushed[SKIP_KEY]["kind"] == "not-built"
        sensor(policy="last", waits_for={"first_runs": "run"}).execute(context())

    def test_a_paused_upstream_is_told(self, supervisor: Any, capsys: pytest.CaptureFixture[str]) -> None:
        supervisor.is_paused = True
        with pytest.raises(TaskDeferred):
            sensor().execute(context())
        assert "sales__hourly is paused" in capsys.readouterr().out

    def test_an_unknown_upstream_is_told(self, supervisor: Any, capsys: pytest.CaptureFixture[str]) -> None:
        supervisor.is_known = False
        with pytest.raises(TaskDeferred):
            sensor().execute(context())
        assert "does not know a DAG sales__hourly" in capsys.readouterr().out

    def test_the_log_names_what_is_waited_for_and_what_is_missing(
        self, supervisor: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        put_day(supervisor, count=23)
        with pytest.raises(TaskDeferred):
            sensor().execute(context())
        log = capsys.readouterr().out
        assert "model.shop.orders: task orders of DAG sales__hourly, 24 runs: 2026-03-01 00:00" in log
        assert "missing 1 of 24: 2026-03-01 23:00 to 2026-03-02 00:00 UTC (no such run yet); done 23" in log


class TestWhichRuns:
    def test_last_asks_for_one(self, supervisor: Any) -> None:
        supervisor.put(DAY + 23 * HOUR)
        sensor(policy="last").execute(context())

    def test_a_run_by_hand_takes_its_interval_from_the_form(self) -> None:
        form = {"start_dttm": "2026-03-01T00:00:00+00:00", "end_dttm": "2026-03-01T02:00:00+00:00"}
        runs = sensor().upstream_runs(context(params=form, run={"run_type": "manual"}))
        assert runs == (Interval(DAY, DAY + HOUR), Interval(DAY + HOUR, DAY + 2 * HOUR))

    def test_a_run_by_hand_without_a_logical_date(self) -> None:
        by_hand = {"run_type": "manual", "logical_date": None, "run_after": DAY + 30 * HOUR}
        runs = sensor().upstream_runs(context(None, None, run=by_hand))
        assert (runs[0].start, runs[-1].end) == (DAY, DAY + 24 * HOUR)

    def test_a_form_that_is_wrong_fails_without_a_retry(self, supervisor: Any) -> None:
        with pytest.raises(AirflowFailException, match="end_dttm"):
            sensor().execute(context(params={"start_dttm": "2026-03-01"}, run={"run_type": "manual"}))

    def test_more_runs_than_one_question_takes(self, supervisor: Any) -> None:
        for quarter in range(31 * 96):
            supervisor.put(DAY + quarter * timedelta(minutes=15))
        wait = sensor(cron="0 0 1 * *", waits_for={"cron": "*/15 * * * *"})
        wait.execute(context(DAY, DAY + timedelta(days=31)))
        assert supervisor.questions == ["states"] * 30


class TestWhatAirflowShows:
    def test_the_rendered_field_names_the_runs(self) -> None:
        wait = sensor(policy="last")
        assert wait.waiting_for == "model.shop.orders: task orders of DAG sales__hourly, last"
        wait.render_template_fields(context())
        assert wait.waiting_for.endswith("1 run: 2026-03-01 23:00 to 2026-03-02 00:00 UTC")

    def test_the_rendered_field_survives_a_wrong_form(self) -> None:
        wait = sensor()
        wait.render_template_fields(context(params={"start_dttm": "soon"}, run={"run_type": "manual"}))
        assert "start_dttm" in wait.waiting_for

    def test_the_stored_dag_holds_one_short_field(self) -> None:
        from airflow.serialization.serialized_objects import DagSerialization

        with DAG("orders_report", schedule=None) as dag:
            sensor()
        (stored,) = DagSerialization.to_dict(dag)["dag"]["tasks"]
        fields = stored["__var"]
        assert fields["waiting_for"] == "model.shop.orders: task orders of DAG sales__hourly, all"
        assert fields["_is_sensor"] is True
        assert "waits_for" not in fields
        assert len(json.dumps(fields)) < 600


class TestNotDeferrable:
    def test_a_long_poke_gives_the_slot_back(self, supervisor: Any) -> None:
        wait = sensor(deferrable=False, poke_interval=60)
        assert wait.mode == "reschedule"
        assert isinstance(wait, BaseSensorOperator)
        ti = SimpleNamespace(get_first_reschedule_date=lambda _: None)
        with pytest.raises(AirflowRescheduleException):
            wait.execute(context(ti=ti))
        put_day(supervisor)
        wait.execute(context(ti=ti))

    def test_a_short_poke_keeps_the_slot(self, supervisor: Any) -> None:
        wait = sensor(deferrable=False, poke_interval=5)
        assert wait.mode == "poke"
        put_day(supervisor)
        wait.execute(context())

    def test_the_timeout_tells_what_was_missing_and_what_to_do(self, supervisor: Any) -> None:
        supervisor.is_paused = True
        put_day(supervisor, "running")
        with pytest.raises(AirflowSensorTimeout, match=r"missing 24 of 24.*is paused.*then clear this wait"):
            sensor(deferrable=False, poke_interval=0.01, timeout=0.02).execute(context())

    def test_not_built_while_waiting(self, supervisor: Any) -> None:
        ti = Instance()
        supervisor.put(DAY + 23 * HOUR, "running")
        waiting = sensor(policy="last", deferrable=False, poke_interval=60)
        with pytest.raises(AirflowRescheduleException):
            waiting.execute(context(ti=ti))
        supervisor.put(DAY + 23 * HOUR, "skipped", skip=NOT_BUILT)
        with pytest.raises(AirflowSkipException):
            waiting.execute(context(ti=ti))
        assert ti.pushed[SKIP_KEY]["kind"] == "not-built"

    def test_a_failure_while_waiting(self, supervisor: Any) -> None:
        supervisor.put(DAY, "failed")
        with pytest.raises(UpstreamFailedError):
            sensor(deferrable=False, poke_interval=0.01).execute(context())


class TestAnswerOfTheTriggerer:
    def test_done(self) -> None:
        sensor().execute_complete(context(), {"outcome": "done", "sentence": "done 24 of 24"})

    def test_failed(self) -> None:
        with pytest.raises(UpstreamFailedError, match="failed 1 of 24"):
            sensor().execute_complete(context(), {"outcome": "failed", "sentence": "failed 1 of 24: x (failed)"})

    def test_not_built(self) -> None:
        ti = Instance()
        with pytest.raises(AirflowSkipException, match="not built yet in DAG sales__hourly: skipped 1 of 1"):
            sensor().execute_complete(context(ti=ti), {"outcome": "not built", "sentence": "skipped 1 of 1: x"})
        assert ti.pushed[SKIP_KEY]["kind"] == "not-built"

    def test_too_late(self, supervisor: Any) -> None:
        supervisor.is_known = False
        with pytest.raises(
            AirflowSensorTimeout, match=r"Waited 3600 s for model\.shop\.orders.*missing 1.*does not know a DAG"
        ):
            sensor().execute_complete(context(), {"outcome": TIMED_OUT, "sentence": "missing 1 of 1: x (running)"})


def trigger(*, seconds: float = 60, poke: float = 0.001, hours: int = 2) -> DbtWaitTrigger:
    runs = [Interval(DAY + n * HOUR, DAY + (n + 1) * HOUR) for n in range(hours)]
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    made = DbtWaitTrigger(waits_for_to_json(UPSTREAM), runs_to_json(runs), poke, deadline.isoformat())
    path, arguments = made.serialize()
    assert path.endswith(type(made).__name__)
    return DbtWaitTrigger(**json.loads(json.dumps(arguments)))


async def event_of(waiting: DbtWaitTrigger) -> Any:
    async for event in waiting.run():
        return event.payload
    return None


class TestTrigger:
    def test_done(self, supervisor: Any) -> None:
        put_day(supervisor)
        assert asyncio.run(event_of(trigger())) == {"outcome": "done", "sentence": "done 2 of 2"}

    def test_sleeps_before_the_first_look_and_looks_once_more_at_the_deadline(self, supervisor: Any) -> None:
        put_day(supervisor)

        async def first_look() -> Any:
            waiting = asyncio.create_task(event_of(trigger(seconds=0.3, poke=60)))
            await asyncio.sleep(0.05)
            assert supervisor.questions == []
            return await asyncio.wait_for(waiting, 5)

        assert asyncio.run(first_look())["outcome"] == "done"
        assert supervisor.questions == ["states"]

    def test_goes_on_looking_until_the_last_one_is_done(self, supervisor: Any) -> None:
        put_day(supervisor, "running")

        async def wait_and_finish() -> Any:
            waiting = asyncio.create_task(event_of(trigger()))
            for state in ("up_for_retry", "running", "success"):
                await asyncio.sleep(0.02)
                assert not waiting.done()
                put_day(supervisor, state)
            return await asyncio.wait_for(waiting, 5)

        assert asyncio.run(wait_and_finish())["outcome"] == "done"
        assert len(supervisor.questions) > 3

    def test_an_upstream_that_is_cleared_is_waited_for_again(self, supervisor: Any) -> None:
        supervisor.put(DAY, "success")

        async def clear_and_run_again() -> Any:
            waiting = asyncio.create_task(event_of(trigger()))
            await asyncio.sleep(0.02)
            supervisor.put(DAY, None, state="queued")
            supervisor.put(DAY + HOUR, "success")
            await asyncio.sleep(0.02)
            assert not waiting.done()
            supervisor.put(DAY, "success")
            return await asyncio.wait_for(waiting, 5)

        assert asyncio.run(clear_and_run_again())["outcome"] == "done"

    @pytest.mark.parametrize(("mark", "outcome"), [(NOT_DUE, "done"), (NOT_BUILT, "not built"), (None, "failed")])
    def test_skipped(self, supervisor: Any, mark: str | None, outcome: str) -> None:
        supervisor.put(DAY, "skipped", skip=mark)
        assert asyncio.run(event_of(trigger(hours=1)))["outcome"] == outcome

    def test_failed(self, supervisor: Any) -> None:
        supervisor.put(DAY, "failed")
        assert asyncio.run(event_of(trigger()))["outcome"] == "failed"

    def test_timed_out_tells_what_was_missing(self, supervisor: Any) -> None:
        supervisor.put(DAY, "running")
        event = asyncio.run(event_of(trigger(seconds=0.01)))
        assert event["outcome"] == TIMED_OUT
        assert "(running)" in event["sentence"]

    def test_a_deadline_that_is_past_is_no_reason_not_to_look(self, supervisor: Any) -> None:
        put_day(supervisor)
        assert asyncio.run(event_of(trigger(seconds=-60)))["outcome"] == "done"

    def test_an_api_server_that_restarts_is_sat_out(self, supervisor: Any) -> None:
        put_day(supervisor)
        supervisor.faults = 9
        assert asyncio.run(event_of(trigger()))["outcome"] == "done"

    def test_an_api_server_that_stays_away_ends_the_wait(self, supervisor: Any) -> None:
        supervisor.faults = 10
        with pytest.raises(AirflowRuntimeError):
            asyncio.run(event_of(trigger()))
