"""The part of a wait that runs in Airflow's triggerer, so that waiting takes no worker slot."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from dbt_af_k8s.airflow.waits.api import ExecutionApi
from dbt_af_k8s.airflow.waits.look import Lookout
from dbt_af_k8s.airflow.waits.pause import pause
from dbt_af_k8s.airflow.waits.state import Outcome, judge
from dbt_af_k8s.plan.values import WaitsFor
from dbt_af_k8s.schedule.values import Interval

#: `outcome` of the event of a wait that took too long; the other values are those of `Outcome`.
TIMED_OUT = "timed out"
#: So many looks in a row may fail (an API server or database that restarts) before the wait fails with them.
_MOST_FAULTS = 10


class DbtWaitTrigger(BaseTrigger):
    """Looks at the upstream runs until all are done, one failed, or the deadline is past.

    All arguments are plain JSON values, so that a triggerer that starts anew takes up where the last one was:
    `waits_for` holds the fields of `WaitsFor` and `runs` pairs of start and end, moments as ISO 8601 text.
    `poke_interval` and `longest_poke_interval` are in seconds; see `wait_pause.pause`. `began` is when the wait began.

    It sleeps before its first look: the worker has just looked, and a task that resumes before the scheduler has heard
    of its deferral is taken for one that died ("finished with state success, but the task instance's state is queued").

    Fires one event, `{"outcome": ..., "sentence": ...}`.
    """

    def __init__(
        self,
        waits_for: dict[str, Any],
        runs: Sequence[Sequence[str]],
        poke_interval: float,
        deadline: str,
        began: str | None = None,
        longest_poke_interval: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits_for = waits_for
        self.runs = [list(run) for run in runs]
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.began = began
        self.longest_poke_interval = longest_poke_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, as Airflow stores them."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "waits_for": self.waits_for,
                "runs": self.runs,
                "poke_interval": self.poke_interval,
                "deadline": self.deadline,
                "began": self.began,
                "longest_poke_interval": self.longest_poke_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep, and look, and sleep again."""
        deadline = datetime.fromisoformat(self.deadline)
        runs = runs_from_json(self.runs)
        lookout = Lookout(ExecutionApi(), waits_for_from_json(self.waits_for), runs)
        began = datetime.now(UTC) if self.began is None else datetime.fromisoformat(self.began)
        ready = max((run.end for run in runs), default=began)
        faults = 0
        told = ""
        while True:
            now = datetime.now(UTC)
            left = (deadline - now) / timedelta(seconds=1)
            wanted = pause(
                now, began=began, ready=ready, shortest=self.poke_interval, longest=self.longest_poke_interval
            )
            await asyncio.sleep(max(min(wanted, left), 0))
            now = datetime.now(UTC)
            try:
                # asgiref's thread and no other: Airflow 3.2's triggerer answers only over its bridge to the loop.
                verdict = judge(await sync_to_async(lookout.look)(now))
            except AirflowRuntimeError as fault:
                faults += 1
                self.log.warning("Look %d of at most %d in a row failed: %s", faults, _MOST_FAULTS, fault)
                if faults >= _MOST_FAULTS:
                    raise
            else:
                faults = 0
                sentence = verdict.sentence()
                if sentence != told:
                    self.log.info("Upstream runs: %s", sentence)
                    told = sentence
                if verdict.outcome is not Outcome.WAITING:
                    yield _event(verdict.outcome.value, sentence)
                    return
            if now >= deadline:
                yield _event(TIMED_OUT, told or "no look succeeded")
                return


def _event(outcome: str, sentence: str) -> TriggerEvent:
    return TriggerEvent({"outcome": outcome, "sentence": sentence})  # type: ignore[no-untyped-call]


def waits_for_to_json(waits_for: WaitsFor) -> dict[str, Any]:
    """A `WaitsFor` as plain JSON values."""
    return asdict(waits_for) | {"start_date": waits_for.start_date.isoformat(), "work": list(waits_for.work)}


def waits_for_from_json(value: dict[str, Any]) -> WaitsFor:
    """The `WaitsFor` that `waits_for_to_json` wrote."""
    start_date, work = datetime.fromisoformat(value["start_date"]), tuple(value.get("work", ()))
    return WaitsFor(**(value | {"start_date": start_date, "work": work}))


def runs_to_json(runs: Sequence[Interval]) -> list[list[str]]:
    """Intervals as pairs of ISO 8601 texts."""
    return [[run.start.isoformat(), run.end.isoformat()] for run in runs]


def runs_from_json(value: Sequence[Sequence[str]]) -> tuple[Interval, ...]:
    """The intervals that `runs_to_json` wrote."""
    return tuple(Interval(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in value)
