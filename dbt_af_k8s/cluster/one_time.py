"""Running what a one-time job asks for: start its runs in order, so many at once, and wait until all have ended.

Can be stopped and started again at any time: Airflow knows the runs by ids that follow from the configuration.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from dbt_af_k8s.config.wording import closest
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.one_time.values import Asked, OneTimeRun

#: Fields of a run that a DAG must know, or it would run something else than is asked for.
_NEEDED = ("models", "full_refresh", "with_tests")


class RunState(StrEnum):
    """State of a run: Airflow's, and what comes before and after it."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    GONE = "gone"
    NOT_STARTED = "not started"


_ACTIVE = (RunState.QUEUED, RunState.RUNNING)
_BAD = (RunState.FAILED, RunState.GONE)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Where one run stands."""

    run: OneTimeRun
    state: RunState = RunState.WAITING
    #: Whether it was there before.
    was_there: bool = False
    failed_tasks: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether it is at work in Airflow, or queued there."""
        return self.state in _ACTIVE


class Airflow(Protocol):
    """What is asked of Airflow; `AirflowApi` is one."""

    def dag(self, dag_id: str) -> Mapping[str, Any] | None:
        """Details of a DAG."""

    def dag_ids(self) -> tuple[str, ...]:
        """Ids of all DAGs."""

    def run(self, dag_id: str, run_id: str) -> Mapping[str, Any] | None:
        """A run."""

    def runs(self, dag_id: str, run_id_prefix: str) -> Mapping[str, str]:
        """States of runs."""

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any], note: str = "") -> bool:
        """Start a run."""

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """Try failed tasks again."""

    def failed_tasks(self, dag_id: str, run_id: str) -> tuple[str, ...]:
        """Tasks that failed."""


Tell = Callable[[RunProgress], None]


def check_dag(asked: Asked, airflow: Airflow) -> tuple[str, ...]:
    """Whether the DAG can do what is asked for; returns warnings. Raises `UsageError` where it cannot."""
    dag = airflow.dag(asked.dag_id)
    if dag is None:
        guess = closest(asked.dag_id, airflow.dag_ids())
        raise UsageError(
            f"Airflow has no DAG `{asked.dag_id}`{f'; did you mean `{guess}`?' if guess else '.'} Name it by `domain` "
            "or `dag` in the configuration."
        )
    if dag.get("has_import_errors"):
        raise UsageError(f"The file of the DAG `{asked.dag_id}` has an import error in Airflow: mend it first.")
    if dag.get("is_paused"):
        raise UsageError(f"The DAG `{asked.dag_id}` is paused, so its runs would never begin: switch it on first.")
    fields = dag.get("params") or {}
    wanted = {"models": asked.models, "full_refresh": asked.full_refresh, "with_tests": asked.with_tests}
    unknown = [name for name in _NEEDED if wanted[name] and name not in fields]
    if unknown:
        raise UsageError(
            f"The form of the DAG `{asked.dag_id}` has no {' and no '.join(f'`{name}`' for name in unknown)}, so it "
            "would run everything. Take it out of the configuration, or name a backfill DAG."
        )
    if (asked.variables or asked.static) and "vars" not in fields:
        names = ", ".join(f"`{name}`" for name in (*asked.variables, *(name for name, _ in asked.static)))
        return (
            f"The form of the DAG `{asked.dag_id}` has no `vars`: {names} reach it in the run's configuration only.",
        )
    return ()


def run_all(
    asked: Asked,
    runs: Sequence[OneTimeRun],
    airflow: Airflow,
    *,
    tell: Tell,
    sleep: Callable[[float], None],
    retry_failed: bool = False,
) -> tuple[RunProgress, ...]:
    """Start what is not there yet, in order, and wait for the end of all; `tell` hears of every change.

    Runs that are there already, from an earlier start of the same configuration, count as what they are; with
    `retry_failed` the failed tasks of failed ones are cleared. After a failure no further run is started, unless the
    configuration says to go on. Returns every run with its last state.
    """
    work = _Work(asked, airflow, tell, {run.run_id: RunProgress(run) for run in runs})
    work.find(retry_failed=retry_failed)
    while True:
        work.look()
        work.start()
        if not work.is_active:
            break
        sleep(asked.poll)
    work.end()
    return tuple(work.progress.values())


@dataclass
class _Work:
    """What is under way."""

    asked: Asked
    airflow: Airflow
    tell: Tell
    #: By run id, in the order in which they begin.
    progress: dict[str, RunProgress]

    @property
    def is_active(self) -> bool:
        return any(each.is_active for each in self.progress.values())

    def find(self, *, retry_failed: bool) -> None:
        """What of it Airflow has already."""
        prefix = next(iter(self.progress)).split("__")[0]
        there = self.airflow.runs(self.asked.dag_id, f"{prefix}__")
        for run_id, each in list(self.progress.items()):
            if run_id not in there:
                continue
            state = RunState(there[run_id])
            if state is RunState.FAILED and retry_failed:
                self.airflow.clear_failed(self.asked.dag_id, run_id)
                state = RunState.QUEUED
            self._set(replace(each, state=state, was_there=True))

    def look(self) -> None:
        """How the active ones do."""
        for run_id, each in list(self.progress.items()):
            if each.is_active:
                found = self.airflow.run(self.asked.dag_id, run_id)
                state = RunState.GONE if found is None else RunState(found["state"])
                if state is not each.state:
                    self._set(replace(each, state=state))

    def start(self) -> None:
        """As many as may be at work, in order."""
        for run_id, each in list(self.progress.items()):
            active = [other for other in self.progress.values() if other.is_active]
            if len(active) >= self.asked.concurrency or any(other.run.is_alone for other in active):
                return
            if self.asked.stops_on_failure and any(other.state in _BAD for other in self.progress.values()):
                return
            if each.state is RunState.WAITING:
                if each.run.is_alone and active:
                    return
                is_new = self.airflow.trigger(self.asked.dag_id, run_id, each.run.conf, _note(self.asked, each.run))
                self._set(replace(each, state=RunState.QUEUED, was_there=not is_new))

    def end(self) -> None:
        """What was never started."""
        for each in list(self.progress.values()):
            if each.state is RunState.WAITING:
                self._set(replace(each, state=RunState.NOT_STARTED))

    def _set(self, each: RunProgress) -> None:
        if each.state is RunState.FAILED:
            each = replace(each, failed_tasks=self.airflow.failed_tasks(self.asked.dag_id, each.run.run_id))
        self.progress[each.run.run_id] = each
        self.tell(each)


def _note(asked: Asked, run: OneTimeRun) -> str:
    """What Airflow shows beside the run."""
    tags = ", ".join(f"{name}: {value}" for name, value in asked.tags.items())
    return f"One-time job, {run.label}{f' ({tags})' if tags else ''}"
