"""What every runner is tried with: one dbt project, Airflow's context in small, and the way Airflow runs a task.

A runner takes part with a `Bench`: it makes an operator for a dbt command and says what is still at work. All else is
the same for each of them. In pods and servers the project is at the same place as here.
"""

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb

from dbt_af_k8s.dbt.maintenance_package import install_package
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection

SECRET = "s3cret-Wert"
FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodels: {+materialized: table}\n",
    "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      path: shop.duckdb\n"
    f"      config_options: {{custom_user_agent: {SECRET}}}\n",
    "seeds/raw.csv": "id\n1\n2\n",
    "models/orders.sql": "select id, '{{ var(\"start_dttm\") }}' as s from (select 1 as id union all select 2)",
    "models/grün.sql": "{% if execute %}{% do log('Größe 😀 {\"a\": 1}', info=true) %}{% endif %}"
    'select \'{{ var("note", "-") }}\' as note',
    "models/talkative.sql": "{% if execute %}{% for i in range(5000) %}"
    "{% do log('Zeile ' ~ i ~ ' ' ~ 'x' * 200, info=true) %}{% endfor %}{% endif %}select 1 as id",
    "models/moments.sql": "select timestamp '2026-01-01' as moment union all select timestamp '2026-03-01'",
    "models/broken.sql": "select {{ no_such_macro() }}",
    "models/syntax.sql": "selec 1",
    "models/flaky.sql": "select * from not_there_yet",
    "models/after_flaky.sql": "select * from {{ ref('flaky') }}",
    "models/endless.sql": "select max(range % 7) as n from range(100000000000000) where range >= 0",
    "tests/id_is_there.sql": "select id from {{ ref('orders') }} where id is null",
    "tests/warns.sql": "{{ config(severity='warn') }} select id from {{ ref('orders') }} where id > 1",
    "tests/fails.sql": "select id from {{ ref('orders') }} where id > 1",
    "models/schema.yml": """
sources:
  - name: main
    tables:
      - name: raw
        loaded_at_field: "timestamp '2026-01-01' + to_days(id)"
        freshness: {warn_after: {count: 1, period: day}}
""",
}
DAY = datetime(2026, 3, 1, tzinfo=UTC)
SOON = 60.0


def write_project(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    install_package(folder)
    return folder


def selection(unique_id: str) -> DbtSelection:
    """A node as the plan names it."""
    kind, package, name = unique_id.split(".")
    return DbtSelection(unique_id, kind, package, (package, name))


@dataclass
class Kept:
    """What a task logs, each line with its level."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    def log(self, level: int, event: str, *args: Any) -> None:
        self.lines.append((level, event % args if args else event))

    def info(self, event: str, *args: Any) -> None:
        self.log(20, event, *args)

    def warning(self, event: str, *args: Any) -> None:
        self.log(30, event, *args)

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
    try_number: int = 1
    max_tries: int = 2
    log: Kept = field(default_factory=Kept)
    pushed: dict[str, Any] = field(default_factory=dict)
    state: KeptState = field(default_factory=KeptState)
    #: What Airflow stored while the task was deferred.
    stored: list[Any] = field(default_factory=list)

    def context(self) -> dict[str, Any]:
        instance = SimpleNamespace(
            dag_id="shop",
            task_id=self.operator.task_id,
            run_id=self.run_id,
            map_index=-1,
            try_number=self.try_number,
            max_tries=self.max_tries,
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
                return self._within_its_time(step)
            except TaskDeferred as deferred:
                step = self._resumption(context, deferred)

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


class Bench(ABC):
    """One runner under test."""

    name = ""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.count = 0

    @abstractmethod
    def options(self) -> Any:
        """The runner's options, as an operator takes them; None for dbt beside the worker."""

    @abstractmethod
    def at_work(self) -> int:
        """How many dbt commands are waiting or running."""

    def task(self, name: str, verb: str = "run", *, nodes: tuple[str, ...] = (), **base: Any) -> Task:
        """A task on models or tests of the project."""
        kind = {"run": "model", "build": "model"}.get(verb, verb)
        unique_ids = nodes or (f"{kind}.shop.{name}",)
        invocation = DbtInvocation(verb, tuple(selection(key) for key in unique_ids))
        return self.task_of(name, invocation, **base)

    def task_of(self, name: str, invocation: DbtInvocation, make: Any = None, **base: Any) -> Task:
        from dbt_af_k8s.airflow import DbtOperator

        log = Kept()
        operator = _logging(make or DbtOperator, log)(
            task_id=f"task_{name}".encode("ascii", "replace").decode().replace("?", "_"),
            invocation=invocation,
            project=self.dbt_project(),
            runner=self.options(),
            retries=2,
            **base,
        )
        self.count += 1
        return Task(operator, self, f"scheduled__{self.name}_{self.count}", log=log)

    def started_from_slices(self, task: Task) -> bool:
        """Whether dbt was spared the project in the last try."""
        return "No slice" not in task.log.text

    def dbt_project(self) -> DbtProject:
        """The project, as the operator takes it."""
        return DbtProject(self.project, self.project)

    def until_at_work(self) -> None:
        """Wait until a dbt command is running."""
        until(lambda: self.at_work() > 0)

    def until_idle(self) -> None:
        """Wait until none is."""
        until(lambda: self.at_work() == 0)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return retried(lambda: _asked(self.project, sql))


def _asked(project: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(project / "shop.duckdb")) as database:
        return database.sql(sql).fetchall() if sql.startswith("select") else [(database.execute(sql) and None,)]


async def first_event(trigger: Any) -> Any:
    """What a deferred task is woken with."""
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def retried(ask: Callable[[], Any]) -> Any:
    """DuckDB lets one process write at a time: one that is ending may still have the file."""
    ends = time.monotonic() + 10
    while True:
        try:
            return ask()
        except duckdb.IOException:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


def _logging(made: Any, log: Kept) -> Any:
    """The same operator with a log that the test can read."""
    return type(made.__name__, (made,), {"log": log})


def until(look: Callable[[], Any], seconds: float = SOON) -> Any:
    """What a look finds, once it finds something."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError
