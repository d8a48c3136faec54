"""Run DAGs of a plan here and now, one after the other, in the Airflow that the environment names.

The child process of `dbt-af-k8s run`: `python -m dbt_af_k8s.airflow.run_here JOB LOG`. It reads the job from the JSON
file JOB and writes one event as JSON per line on stdout; whatever Airflow, dbt and the tasks write goes to the file
LOG. The caller sets AIRFLOW_HOME, the metadata database and `JOB_VARIABLE`; this process touches no other Airflow.

Job: `{"plan": <plan JSON>, "project_dir", "profiles_dir", "slices", "target_slices", "runs": [{"dag_id", "start",
"end", "form"}]}`.
Wait tasks are marked as done: the caller has put the runs in order, or passes the waits over knowingly. So are
refreshes, and there are no callbacks: a try on one's own machine tells nobody. Events have `event` and `dag_id`:
`dag-started` (`start`, `end`, `tasks`), `task-started` (`task_id`), `task-done` (`task_id`, `state`, `seconds`,
`rows`, `message`, `log_from`, `log_to`), `dag-done` (`state`, `seconds`) and `fault` (`message`).
"""

import json
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from airflow.listeners import hookimpl
from airflow.sdk import DAG

from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.airflow.interval import END_FIELD, START_FIELD
from dbt_af_k8s.config.settings_integrations import CallbackSettings
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.plan.codec import plan_from_dict
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import DagPlan
from dbt_af_k8s.schedule.values import Interval

#: Exit code of a process that was asked to stop.
STOPPED = 130
#: Environment variables that tell the one file of the private DAG folder which DAG runs now.
JOB_VARIABLE = "DBT_AF_K8S_RUN_HERE_JOB"
DAG_VARIABLE = "DBT_AF_K8S_RUN_HERE_DAG"
#: That file. `dag.test` runs only what Airflow finds in a file; Airflow looks for the words "airflow" and "dag" in it.
DAG_FILE = "from dbt_af_k8s.airflow.run_here import dags_of_job; globals().update(dags_of_job())\n"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run, by values."""

    dags: Mapping[str, DagPlan]
    project: DbtProject
    request: PlanRequest
    runs: tuple["HereRun", ...]


@dataclass(frozen=True, slots=True)
class HereRun:
    """One run of one DAG."""

    dag_id: str
    interval: Interval
    #: What a person would fill in besides the interval.
    form: Mapping[str, Any]


@dataclass(slots=True)
class Events:
    """The stream of events, and which tasks of the present run have been told."""

    stream: IO[str]
    log: Path
    dag_id: str = ""
    started: dict[str, tuple[float, int]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    #: Whether a person or the caller has asked this process to stop.
    stopping: bool = False

    def stop(self, *_: object) -> None:
        """Handle a signal: stop the task that runs now, and then all."""
        self.stopping = True
        raise KeyboardInterrupt

    def tell(self, event: str, **values: str | float | None) -> None:
        """Write one event."""
        self.stream.write(json.dumps({"event": event, "dag_id": self.dag_id, **values}) + "\n")
        self.stream.flush()

    def dag_started(self, dag_id: str, interval: Interval, tasks: int) -> None:
        """Another run begins."""
        self.dag_id = dag_id
        self.started.clear()
        self.done.clear()
        self.tell("dag-started", start=interval.start.isoformat(), end=interval.end.isoformat(), tasks=tasks)

    def task_started(self, task_id: str) -> None:
        """A task begins to run."""
        self.started[task_id] = (time.monotonic(), self._log_size())
        self.tell("task-started", task_id=task_id)

    def task_done(self, task_id: str, state: str, result: object = None, reason: object = None) -> None:
        """A task has come to its end, with what it returned or why it failed. Each task is told once."""
        if task_id in self.done:
            return
        self.done.add(task_id)
        now, log_to = time.monotonic(), self._log_size()
        began, log_from = self.started.get(task_id, (now, log_to))
        found = result if isinstance(result, Mapping) else {}
        rows, message = found.get("rows"), str(reason) if reason else found.get("message")
        self.tell(
            "task-done",
            task_id=task_id,
            state=state,
            seconds=round(now - began, 2),
            rows=rows if isinstance(rows, int) else None,
            message=str(message) if message else None,
            log_from=log_from,
            log_to=log_to,
        )

    def _log_size(self) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        return self.log.stat().st_size


class TaskListener:
    """What Airflow calls when a task begins and ends."""

    def __init__(self, events: Events) -> None:
        self._events = events

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Airflow's hook."""
        self._events.task_started(task_instance.task_id)

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Airflow's hook; the task's result is in XCom by now."""
        result = task_instance.xcom_pull(task_ids=task_instance.task_id)
        self._events.task_done(task_instance.task_id, "success", result)

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: object) -> None:
        """Airflow's hook. `dag.test` takes an interrupt for the failure of one task and goes on; we do not."""
        self._events.task_done(task_instance.task_id, "failed", None, error)
        if self._events.stopping:
            os._exit(STOPPED)

    @hookimpl
    def on_task_instance_skipped(self, task_instance: Any) -> None:
        """Airflow's hook."""
        self._events.task_done(task_instance.task_id, "skipped")


def main() -> None:
    """Run the job and tell what happens. Exits with 1 where a run did not succeed."""
    job_file, log = Path(sys.argv[1]), Path(sys.argv[2])
    # Events keep the real stdout; everything else that this process or its children write goes to the log.
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    events = Events(stream, log)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, events.stop)
    try:
        succeeded = run_job(read_job(job_file), events)
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except Exception as reason:  # noqa: BLE001  the caller must hear of whatever it is
        traceback.print_exc()
        events.tell("fault", message=f"{type(reason).__name__}: {reason}")
        succeeded = False
    sys.exit(0 if succeeded else 1)


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
    )


def _path(data: Mapping[str, Any], key: str) -> Path | None:
    value = data.get(key)
    return Path(value) if value else None


def _in_private(dag: DagPlan) -> DagPlan:
    """The DAG without what would tell others: a try on one's own machine rings no alarm."""
    return replace(dag, callbacks=CallbackSettings(), artifacts=None)


def dags_of_job() -> dict[str, DAG]:
    """The DAG that runs now, for the one file of the private DAG folder."""
    job, dag_id = read_job(Path(os.environ[JOB_VARIABLE])), os.environ[DAG_VARIABLE]
    return {dag_id: emit_dag(job.dags[dag_id], job.project, job.request)}


def run_job(job: Job, events: Events) -> bool:
    """Make every run of the job in its order, until one does not succeed. Says whether all did."""
    from airflow.sdk.listener import get_listener_manager

    get_listener_manager().add_listener(TaskListener(events))  # type: ignore[no-untyped-call]
    return all(_run(job, run, events) for run in job.runs)


def _run(job: Job, asked: HereRun, events: Events) -> bool:
    """Run one DAG for one interval. Its waits are marked as done without a look, and it refreshes nothing."""
    dag_id, interval = asked.dag_id, asked.interval
    os.environ[DAG_VARIABLE] = dag_id
    dag = emit_dag(job.dags[dag_id], job.project, job.request)
    left = {
        task.task_id: "passed-over" if task.waits_for else "not-refreshed"
        for task in job.dags[dag_id].tasks
        if task.waits_for or task.refresh
    }
    began = time.monotonic()
    events.dag_started(dag_id, interval, len(dag.task_ids))
    for task_id, state in left.items():
        events.task_done(task_id, state)
    run = dag.test(
        # From this logical date Airflow infers the interval that ends then, for templates; our tasks read the form.
        logical_date=interval.end,
        run_after=interval.end,
        run_conf={**asked.form, START_FIELD: interval.start.isoformat(), END_FIELD: interval.end.isoformat()},
        mark_success_pattern="|".join(re.escape(task_id) for task_id in left) or None,
    )
    for instance in run.get_task_instances():
        events.task_done(instance.task_id, str(instance.state))
    state = str(run.state)
    events.tell("dag-done", state=state, seconds=round(time.monotonic() - began, 2))
    return state == "success"


if __name__ == "__main__":
    main()
