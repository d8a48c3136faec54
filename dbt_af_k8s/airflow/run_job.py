"""The job of a run here: what is run, read from the caller's file, and task by task until its end."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from dbt_af_k8s.airflow.interval import END_FIELD, START_FIELD
from dbt_af_k8s.airflow.run_events import Events
from dbt_af_k8s.airflow.run_tasks import BAD_STATES, AirflowRun
from dbt_af_k8s.config.settings_integrations import CallbackSettings
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.plan.codec import plan_from_dict
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import DagPlan
from dbt_af_k8s.schedule.values import Interval


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run, by values."""

    dags: Mapping[str, DagPlan]
    project: DbtProject
    request: PlanRequest
    runs: tuple["HereRun", ...]
    #: Run, task, and what must have done well before.
    tasks: tuple[tuple[int, str, tuple[tuple[int, str], ...]], ...]
    #: Whether the metadata database has been made.
    has_database: bool


@dataclass(frozen=True, slots=True)
class HereRun:
    """One run of one DAG."""

    dag_id: str
    interval: Interval
    #: What a person would fill in besides the interval.
    form: Mapping[str, Any]


def read_job(path: Path) -> Job:
    """The job that the caller wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    own = tuple((target, Path(file)) for target, file in data["target_slices"])
    project = DbtProject(Path(data["project_dir"]), _path(data, "profiles_dir"), _path(data, "slices"), own)
    return Job(
        dags={dag.dag_id: _in_private(dag) for dag in plan_from_dict(data["plan"]).dags},
        project=project,
        request=PlanRequest(
            project_dir=project.project_dir,
            manifest=_path(data, "manifest"),
            profiles_dir=project.profiles_dir,
            target=data.get("target"),
            config=_path(data, "config"),
        ),
        runs=tuple(
            HereRun(
                run["dag_id"],
                Interval(datetime.fromisoformat(run["start"]), datetime.fromisoformat(run["end"])),
                run.get("form", {}),
            )
            for run in data["runs"]
        ),
        tasks=tuple(
            (run, task_id, tuple((number, other) for number, other in after)) for run, task_id, after in data["tasks"]
        ),
        has_database=data["database"],
    )


def _path(data: Mapping[str, Any], key: str) -> Path | None:
    value = data.get(key)
    return Path(value) if value else None


def _in_private(dag: DagPlan) -> DagPlan:
    """The DAG without what would tell others: a try on one's own machine rings no alarm."""
    return replace(dag, callbacks=CallbackSettings(), artifacts=None)


class JobRun:
    """A job at work."""

    def __init__(self, job: Job, events: Events, dags: Mapping[str, DAG]) -> None:
        self._job, self._events, self._dags = job, events, dags
        self._runs: dict[int, AirflowRun] = {}
        self._began: dict[int, float] = {}
        self._states: dict[tuple[int, str], str] = {}
        self._left = Counter(run for run, _, _ in job.tasks)

    def all_done(self) -> bool:
        """Run all tasks. Says whether each run was made and none failed."""
        for number, task_id, after in self._job.tasks:
            is_well = not BAD_STATES.intersection(self._states.values())
            if number not in self._runs:
                if not is_well:
                    continue
                self._begin(number)
            self._events.turn(number, self._job.runs[number].dag_id)
            self._states[number, task_id] = state = self._do(number, task_id, after)
            self._events.task_done(task_id, self._word(number, task_id, state))
            if self._events.stopping:
                raise KeyboardInterrupt
            self._left[number] -= 1
            if not self._left[number]:
                self._finish(number)
        return len(self._runs) == len(self._job.runs) and not BAD_STATES.intersection(self._states.values())

    def _begin(self, number: int) -> None:
        run = self._job.runs[number]
        self._began[number] = time.monotonic()
        self._events.turn(number, run.dag_id)
        start, end = run.interval.start.isoformat(), run.interval.end.isoformat()
        self._events.tell("dag-started", start=start, end=end, tasks=self._left[number])
        conf = {**run.form, START_FIELD: start, END_FIELD: end}
        self._runs[number] = AirflowRun(self._dags[run.dag_id], run.interval, conf)

    def _do(self, number: int, task_id: str, after: tuple[tuple[int, str], ...]) -> str:
        """Run one task, or find that it does not run; its state."""
        run = self._runs[number]
        if any(self._states.get(other) in (None, *BAD_STATES) for other in after):
            run.set_state(task_id, "upstream_failed")
        elif not run.may_run(task_id):
            # What has no state now would wait for something for ever.
            return run.state(task_id) or "upstream_failed"
        elif self._is_left(number, task_id):
            run.set_state(task_id, "success")
        else:
            run.run(task_id)
        return run.state(task_id)

    def _is_left(self, number: int, task_id: str) -> str:
        """Why a task is marked as done without being run; empty where it runs."""
        dag = self._job.dags[self._job.runs[number].dag_id]
        (task,) = (task for task in dag.tasks if task.task_id == task_id)
        return "passed-over" if task.waits_for else "not-refreshed" if task.refresh else ""

    def _word(self, number: int, task_id: str, state: str) -> str:
        return (self._is_left(number, task_id) or state) if state == "success" else state

    def _finish(self, number: int) -> None:
        states = {state for (run, _), state in self._states.items() if run == number}
        state = "failed" if states & BAD_STATES else "success"
        self._events.tell("dag-done", state=state, seconds=round(time.monotonic() - self._began[number], 2))
