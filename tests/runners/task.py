"""Airflow's context in small, and the way in which Airflow runs a task."""

import asyncio
import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runners.bench import Bench

DAY = datetime(2026, 3, 1, tzinfo=UTC)
SOON = 60.0


@dataclass
class Kept:
    """What a task logs, each line with its level."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    def log(self, level: int, event: str, *args: Any) -> None:
        self.lines.append((level, event % args if args else event))

    def debug(self, event: str, *args: Any) -> None:
        self.log(10, event, *args)

    def info(self, event: str, *args: Any) -> None:
        self.log(20, event, *args)

    def warning(self, event: str, *args: Any) -> None:
        self.log(30, event, *args)

    def error(self, event: str, *args: Any) -> None:
        self.log(40, event, *args)

    def exception(self, event: str, *args: Any) -> None:
        self.log(40, f"{event}\n{traceback.format_exc()}", *args)

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)


class KeptState(dict[str, Any]):
    """Airflow's task state store, which lasts from one try to the next."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


@dataclass
class Task:
    """One task instance: an operator, its tries, and what it logged."""

    operator: Any
    bench: "Bench"
    run_id: str
    #: Makes its operator again, as another process would; takes what is to be another.
    make: Callable[..., Any]
    try_number: int = 1
    max_tries: int = 2
    pushed: dict[str, Any] = field(default_factory=dict)
    state: KeptState = field(default_factory=KeptState)
    #: What Airflow stored while the task was deferred.
    stored: list[Any] = field(default_factory=list)
    #: What it returned, and what it failed with.
    result: Any = None
    errors: list[str] = field(default_factory=list)

    @property
    def log(self) -> Kept:
        found: Kept = self.operator.log
        return found

    def next_try(self, *, is_cleared: bool = False, **changes: Any) -> "Task":
        """The next try of the same task, in another process; or the first one since somebody cleared it."""
        number = self.try_number + 1
        again = Task(self.make(**changes), self.bench, self.run_id, self.make, number, state=self.state)
        # As Airflow does when it clears a task that is not running.
        again.max_tries = self.try_number + again.operator.retries if is_cleared else self.max_tries
        self.bench.tasks.append(again)
        return again

    def context(self) -> dict[str, Any]:
        instance = SimpleNamespace(
            dag_id="shop",
            task_id=self.operator.task_id,
            run_id=self.run_id,
            map_index=-1,
            try_number=self.try_number,
            max_tries=self.max_tries,
            start_date=datetime.now(UTC),
            get_first_reschedule_date=lambda context: None,
            xcom_push=lambda key, value: self.pushed.update({key: value}),
        )
        run = SimpleNamespace(
            run_type="scheduled",
            run_id=self.run_id,
            dag_id="shop",
            data_interval_start=DAY,
            data_interval_end=DAY + timedelta(days=1),
            logical_date=DAY,
            run_after=DAY + timedelta(days=1),
        )
        dag = SimpleNamespace(dag_id="shop")
        context = {"ti": instance, "dag_run": run, "params": {}, "run_id": self.run_id, "dag": dag}
        return {**context, "task_state_store": self.state}

    def run(self) -> Any:
        """One try, as Airflow's worker and triggerer run it."""
        from airflow.sdk.exceptions import TaskDeferred

        context = self.context()
        self.operator.render_template_fields(context)
        step: Callable[[], Any] = lambda: self.operator.execute(context)  # noqa: E731
        while True:
            try:
                self.result = self._within_its_time(step)
                return self.result
            except TaskDeferred as deferred:
                step = self._resumption(context, deferred)
            except Exception as error:
                self.errors.append(repr(error))
                raise

    def _within_its_time(self, step: Callable[[], Any]) -> Any:
        from airflow.sdk.exceptions import AirflowTaskTimeout
        from airflow.sdk.execution_time.timeout import timeout

        limit = self.operator.execution_timeout
        if limit is None or threading.current_thread() is not threading.main_thread():
            return step()
        try:
            with timeout(limit.total_seconds()):
                return step()
        except AirflowTaskTimeout:
            self.operator.on_kill()
            raise

    def _resumption(self, context: dict[str, Any], deferred: Any) -> Callable[[], Any]:
        trigger = deferred.trigger
        trigger._log = self.log
        path, arguments = trigger.serialize()
        self.stored.append((path, arguments, deferred.kwargs))
        event = asyncio.run(first_event(trigger))
        self.stored.append(event)
        kwargs = {**(deferred.kwargs or {}), "event": event}
        return lambda: self.operator.resume_execution(deferred.method_name, kwargs, context)

    def begin(self) -> "Running":
        """The same in another thread."""
        return Running(self)

    def with_a_worker_that_is_lost(self, when: Callable[[], bool]) -> None:
        """The same in another process, which is killed outright at that moment."""
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            # Python warns of the other threads, which this fork has no use for.
            pid = os.fork()
        if pid == 0:
            try:
                self.run()
            finally:
                os._exit(0)
        ends = time.monotonic() + SOON
        while not when() and time.monotonic() < ends:
            assert os.waitpid(pid, os.WNOHANG)[0] == 0, "it ended by itself"
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Running:
    """A try in another thread."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.error: BaseException | None = None
        self.result: Any = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.result = self.task.run()
        except BaseException as error:  # noqa: BLE001 - it is looked at by the test
            self.error = error

    def ended(self) -> BaseException | None:
        """Wait for its end; the error that it raised."""
        self._thread.join(SOON)
        assert not self._thread.is_alive(), self.task.log.text
        return self.error


async def first_event(trigger: Any) -> Any:
    """What a deferred task is woken with."""
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")
