"""What a wait makes of the upstream runs that it sees. Pure: no question to Airflow, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dbt_af_k8s.airflow.skip_marks import NOT_BUILT, NOT_DUE
from dbt_af_k8s.schedule.values import Interval

#: Airflow's states of a task instance, by what they mean for those who wait. Every other state is on its way to one of
#: them: scheduled, queued, running, restarting, deferred, up_for_retry, up_for_reschedule, awaiting_input.
SKIPPED = "skipped"
FAILED_STATES = ("failed", SKIPPED, "upstream_failed")
DONE_STATES = (NOT_DUE, "success")
#: The task was taken out of the DAG after the run was made.
REMOVED = "removed"

#: States of an Airflow DAG run in which nothing more happens by itself.
FINISHED_RUN_STATES = ("failed", "success")

#: So many runs are named in one line of the log.
_NAMED = 5


class RunState(StrEnum):
    """What is known of an upstream DAG run. It is asked for only where the task's own state does not decide."""

    NOT_ASKED = "not asked"
    NOT_THERE = "not there"
    GOING_ON = "going on"
    FINISHED = "finished"
    #: It is not there and will never be: the DAG does not catch up and its scheduler has made a later run.
    NEVER_COMES = "never comes"


class Outcome(StrEnum):
    """What one upstream run, or all of them together, means for the wait."""

    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"
    PASSED_OVER = "passed over"
    NOT_BUILT = "not built"


@dataclass(frozen=True, slots=True)
class UpstreamRun:
    """One upstream run at one look."""

    #: Airflow's run id, or the interval of a run that is not there.
    name: str
    #: States of the task's instances in that run (more than one where it is mapped, or where tasks behind it were
    #: skipped), a skip with a mark as `NOT_DUE` or `NOT_BUILT`; empty where it has none.
    states: tuple[str | None, ...] = ()
    run: RunState = RunState.NOT_ASKED


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """One upstream run, what it means, and why, in a few words."""

    name: str
    outcome: Outcome
    because: str

    def __str__(self) -> str:
        """For a log line."""
        return f"{self.name} ({self.because})"


@dataclass(frozen=True, slots=True)
class WaitVerdict:
    """All upstream runs of one wait."""

    runs: tuple[RunVerdict, ...]

    @property
    def outcome(self) -> Outcome:
        """Failed as soon as one run failed; waiting while one is missing; else done, if any run has built it."""
        outcomes = {run.outcome for run in self.runs}
        for outcome in (Outcome.FAILED, Outcome.WAITING, Outcome.DONE, Outcome.NOT_BUILT):
            if outcome in outcomes:
                return outcome
        return Outcome.DONE

    def of(self, outcome: Outcome) -> tuple[RunVerdict, ...]:
        """The runs of one outcome."""
        return tuple(run for run in self.runs if run.outcome is outcome)

    def sentence(self) -> str:
        """How things stand, in one line: what failed, what is missing, what is passed over."""
        total = len(self.runs)
        parts = [
            f"{label} {len(found)} of {total}: {_names([str(run) for run in found])}"
            for label, outcome in _LABELS
            if (found := self.of(outcome))
        ]
        done = len(self.of(Outcome.DONE))
        return "; ".join([*parts, f"done {done} of {total}"] if done or not parts else parts)


_LABELS = (
    ("failed", Outcome.FAILED),
    ("missing", Outcome.WAITING),
    ("passed over", Outcome.PASSED_OVER),
    ("skipped", Outcome.NOT_BUILT),
)
#: Why a skip without a mark is a failure, for the log.
_SKIPPED_BY_OTHERS = (
    "skipped, and not by itself: its run was marked as failed or ran into its time limit, or somebody skipped the task"
)


def judge(runs: Sequence[UpstreamRun]) -> WaitVerdict:
    """Judge every upstream run of a wait."""
    return WaitVerdict(tuple(judge_run(run) for run in runs))


def judge_run(run: UpstreamRun) -> RunVerdict:
    """Judge one upstream run; the first rule that fits decides."""
    states = tuple(state for state in run.states if state != REMOVED)
    failed = sorted({state for state in states if state in FAILED_STATES})
    if failed:
        return RunVerdict(run.name, Outcome.FAILED, _SKIPPED_BY_OTHERS if failed[0] == SKIPPED else failed[0])
    if NOT_BUILT in states and all(state in (*DONE_STATES, NOT_BUILT) for state in states):
        return RunVerdict(run.name, Outcome.NOT_BUILT, NOT_BUILT)
    if states and all(state in DONE_STATES for state in states):
        return RunVerdict(run.name, Outcome.DONE, " and ".join(sorted({str(state) for state in states})))
    if not states:
        outcome, because = _WITHOUT_TASK[run.run]
        return RunVerdict(run.name, outcome, because)
    if None in states and run.run is RunState.FINISHED:
        return RunVerdict(run.name, Outcome.FAILED, "the run ended before the task could start")
    open_states = sorted({state or "not started" for state in states if state not in (*DONE_STATES, NOT_BUILT)})
    return RunVerdict(run.name, Outcome.WAITING, " and ".join(open_states))


_WITHOUT_TASK = {
    RunState.NOT_ASKED: (Outcome.WAITING, "no such task in it"),
    RunState.NOT_THERE: (Outcome.WAITING, "no such run yet"),
    RunState.GOING_ON: (Outcome.WAITING, "the run goes on without such a task"),
    RunState.FINISHED: (Outcome.PASSED_OVER, "the run ended and never had the task"),
    RunState.NEVER_COMES: (Outcome.PASSED_OVER, "never made: the DAG does not catch up and has a later run"),
}


def interval_text(interval: Interval) -> str:
    """An interval as a person reads it, in UTC: `2026-03-01 00:00 to 01:00 UTC`."""
    end_form = "%H:%M" if interval.start.date() == interval.end.date() else "%Y-%m-%d %H:%M"
    return f"{_minute(interval.start)} to {interval.end.strftime(end_form)} UTC"


def runs_text(runs: Sequence[Interval]) -> str:
    """How many runs and which, short: the first ones and the last."""
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    return f"{count}: {_names([interval_text(run) for run in runs])}" if runs else "no run"


def _names(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED - 1])}, ... {names[-1]}"


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")
