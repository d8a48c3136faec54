"""What a run here tells its caller: one event as JSON per line. The events are named in `run_here`."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from airflow.listeners import hookimpl

#: Exit code of a process that was asked to stop.
STOPPED = 130


@dataclass(slots=True)
class Events:
    """The stream of events, and which tasks of the present run have been told."""

    stream: IO[str]
    log: Path
    dag_id: str = ""
    run: int = 0
    started: tuple[float, int] | None = None
    #: The tasks of which an end has been told, by run and id.
    done: set[tuple[int, str]] = field(default_factory=set)
    #: Whether a person or the caller has asked this process to stop.
    stopping: bool = False

    def stop(self, *_: object) -> None:
        """Handle a signal: stop the task that runs now, and then all. What follows the first one changes nothing."""
        if not self.stopping:
            self.stopping = True
            raise KeyboardInterrupt

    def tell(self, event: str, **values: str | float | None) -> None:
        """Write one event. Where nobody reads, this process ends; no dbt is at work then."""
        try:
            self.stream.write(json.dumps({"event": event, "run": self.run, "dag_id": self.dag_id, **values}) + "\n")
            self.stream.flush()
        except OSError:
            os._exit(STOPPED)

    def turn(self, run: int, dag_id: str) -> None:
        """What follows is about this run."""
        self.run, self.dag_id = run, dag_id

    def task_started(self, task_id: str) -> None:
        """A task begins to run."""
        self.started = (time.monotonic(), self._log_size())
        self.tell("task-started", task_id=task_id)

    def task_done(self, task_id: str, state: str, result: object = None, reason: object = None) -> None:
        """A task has come to its end, with what it returned or why it failed. Each task is told once."""
        if (self.run, task_id) in self.done:
            return
        self.done.add((self.run, task_id))
        now, log_to = time.monotonic(), self._log_size()
        began, log_from = self.started or (now, log_to)
        self.started = None
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
        """Airflow's hook. It takes an interrupt for the failure of one task and goes on; we do not."""
        if self._events.stopping:
            # First of all: whether anybody hears of it does not matter.
            os._exit(STOPPED)
        self._events.task_done(task_instance.task_id, "failed", None, error)

    @hookimpl
    def on_task_instance_skipped(self, task_instance: Any) -> None:
        """Airflow's hook."""
        self._events.task_done(task_instance.task_id, "skipped")
