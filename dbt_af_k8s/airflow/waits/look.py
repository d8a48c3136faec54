"""The questions that a wait asks about its upstream runs: few, and none to the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from dbt_af_k8s.airflow.skip_marks import SkipMark
from dbt_af_k8s.airflow.waits.state import (
    FINISHED_RUN_STATES,
    REMOVED,
    SKIPPED,
    RunState,
    UpstreamRun,
    interval_text,
)
from dbt_af_k8s.plan.values import WaitsFor
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval

#: Airflow reserves this beginning of a run id for the runs that its scheduler makes.
_SCHEDULED = "scheduled__"
#: So many of the latest intervals are searched for a run that the scheduler made.
_LATEST = 100


class UpstreamApi(Protocol):
    """What a wait may ask; an empty answer is an answer."""

    def task_states(
        self, dag_id: str, task_ids: Sequence[str], *, dates: Sequence[datetime] = (), run_ids: Sequence[str] = ()
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The states of some tasks, by run id and task, in the runs with these logical dates or ids."""

    def count_runs(
        self, dag_id: str, *, dates: Sequence[datetime] = (), run_ids: Sequence[str] = (), states: Sequence[str] = ()
    ) -> int:
        """How many runs of a DAG there are with these logical dates or ids, in these states (empty: any)."""

    def skip_of(self, dag_id: str, run_id: str, task_id: str) -> SkipMark | None:
        """The mark of a task that skipped itself in a run."""


class Lookout:
    """Looks at the upstream runs of one wait, as often as asked.

    Airflow answers by run id, and a run id does not tell the logical date for certain. So one question settles all
    runs while each of them is there; which ones are not is found by halving, and remembered for the next look.
    """

    def __init__(self, api: UpstreamApi, waits_for: WaitsFor, runs: Sequence[Interval]) -> None:
        self._api = api
        self._dag_id = waits_for.dag_id
        self._task_id = waits_for.task_id
        self._work = waits_for.work
        self._catchup = waits_for.catchup
        self._calendar = Calendar(waits_for.cron, waits_for.timezone)
        self._runs = tuple(runs)
        self._absent: tuple[Interval, ...] = ()
        #: Logical date of the latest run found that the upstream DAG's scheduler made.
        self._latest: datetime | None = None

    def look(self, now: datetime) -> tuple[UpstreamRun, ...]:
        """Every upstream run as it is now: those with the task first, then those without."""
        found = self._states(self._runs)
        states = {run_id: self._with_skips(run_id, tasks) for run_id, tasks in found.items()}
        ended = self._ended([run_id for run_id, each in states.items() if None in each or REMOVED in each])
        seen = [
            UpstreamRun(run_id, states[run_id], RunState.FINISHED if run_id in ended else RunState.NOT_ASKED)
            for run_id in sorted(found)
        ]
        return (*seen, *self._without_task(len(found), now))

    def _states(self, runs: Sequence[Interval]) -> Mapping[str, Mapping[str, str | None]]:
        """The tasks of each run that has the one waited for.

        A run's logical date is the start of its interval (Airflow's CronDataIntervalTimetable).
        """
        asked = (self._task_id, *self._work)
        answer = self._api.task_states(self._dag_id, asked, dates=[run.start for run in runs])
        return {run_id: tasks for run_id, tasks in answer.items() if any(key not in self._work for key in tasks)}

    def _with_skips(self, run_id: str, tasks: Mapping[str, str | None]) -> tuple[str | None, ...]:
        """The states of the task waited for; a skip, also one behind it, as what its mark says."""
        skips = [self._api.skip_of(self._dag_id, run_id, key) for key in sorted(tasks) if tasks[key] == SKIPPED]
        others = [state for key, state in tasks.items() if key not in self._work and state != SKIPPED]
        return (*others, *(SKIPPED if mark is None else mark.kind for mark in skips))

    def _count(self, runs: Sequence[Interval], states: Sequence[str] = ()) -> int:
        return self._api.count_runs(self._dag_id, dates=[run.start for run in runs], states=states)

    def _ended(self, run_ids: Sequence[str]) -> frozenset[str]:
        """Those runs that have finished while the task stands where it stood.

        The state is read again between two looks at the run: a run that was finished, or cleared, in the middle of
        our questions must not look like one that ended without the task.
        """
        if not run_ids or not self._finished(run_ids):
            return frozenset()
        ended = []
        for run_id in run_ids:
            if not self._finished([run_id]):
                continue
            tasks = self._api.task_states(self._dag_id, [self._task_id], run_ids=[run_id]).get(run_id, {})
            if all(state in (None, REMOVED) for state in tasks.values()) and self._finished([run_id]):
                ended.append(run_id)
        return frozenset(ended)

    def _finished(self, run_ids: Sequence[str]) -> int:
        return self._api.count_runs(self._dag_id, run_ids=run_ids, states=FINISHED_RUN_STATES)

    def _without_task(self, found: int, now: datetime) -> tuple[UpstreamRun, ...]:
        if found == len(self._runs):
            self._absent = ()
            return ()
        is_known = found + len(self._absent) == len(self._runs) and not self._count(self._absent)
        if not is_known:
            self._absent = self._find_absent()
        if found + len(self._absent) != len(self._runs):
            self._absent = ()
            return (UpstreamRun("a run that came or went during this look"),)
        no_run_there = is_known or not self._count(self._absent)
        states = [RunState.NOT_THERE if no_run_there else self._run_state(run) for run in self._absent]
        together = tuple(zip(self._absent, states, strict=True))
        never = self._never_come([run for run, state in together if state is RunState.NOT_THERE], now)
        return tuple(
            UpstreamRun(interval_text(run), (), RunState.NEVER_COMES if run in never else state)
            for run, state in together
        )

    def _find_absent(self) -> tuple[Interval, ...]:
        """The runs in which the task has no instance, by halving what is not settled."""
        absent: list[Interval] = []
        parts = [self._runs]
        while parts:
            part = parts.pop()
            answers = len(self._states(part))
            if answers == 0:
                absent.extend(part)
            elif answers < len(part):
                middle = len(part) // 2
                parts.extend((part[:middle], part[middle:]))
        return tuple(sorted(absent))

    def _run_state(self, run: Interval) -> RunState:
        if self._count([run], FINISHED_RUN_STATES) and not self._states([run]):
            return RunState.FINISHED
        return RunState.GOING_ON if self._count([run]) else RunState.NOT_THERE

    def _never_come(self, missing: Sequence[Interval], now: datetime) -> tuple[Interval, ...]:
        """The missing runs before which Airflow's scheduler will not go back, because it has made a later one.

        Runs that people made do not count: the scheduler still makes those in between.
        """
        if self._catchup or not missing:
            return ()
        self._find_latest(after=self._latest or missing[0].start, now=now)
        latest = self._latest
        return () if latest is None else tuple(run for run in missing if run.start < latest)

    def _find_latest(self, *, after: datetime, now: datetime) -> None:
        """Find the latest run that the scheduler made among the last intervals, by halving; it only ever moves on."""
        last = self._calendar.interval_ending_at_or_before(now)
        reach = max(after, now - (last.end - last.start) * _LATEST)
        latest_first = [run for run in self._calendar.intervals_ending_in(reach, now) if run.start > after]
        runs = tuple(latest_first[-_LATEST:])
        if not runs or not self._has_scheduled(runs):
            return
        while len(runs) > 1:
            middle = len(runs) // 2
            runs = runs[middle:] if self._has_scheduled(runs[middle:]) else runs[:middle]
        self._latest = runs[0].start

    def _has_scheduled(self, runs: Sequence[Interval]) -> bool:
        return any(run_id.startswith(_SCHEDULED) for run_id in self._states(runs))
