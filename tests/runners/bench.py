"""What every runner is tried with.

A runner takes part with a `Bench`: it makes an operator for a dbt command and says what is still at work. All else is
the same for each of them. In pods and servers the project is at the same place as here.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
from runners.shop import began_folder
from runners.task import Kept, Task

from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection

SOON = 60.0


def selection(unique_id: str) -> DbtSelection:
    """A node as the plan names it."""
    kind, package, name = unique_id.split(".")
    return DbtSelection(unique_id, kind, package, (package, name))


class Bench(ABC):
    """One runner under test."""

    name = ""
    #: Whether dbt goes on where the worker of its task is lost.
    survives = True

    def __init__(self, project: Path, dbt: Path | None = None) -> None:
        self.project = project
        self.dbt = dbt
        self.tasks: list[Task] = []
        self._once: dict[str, tuple[Task, Any]] = {}

    @abstractmethod
    def options(self) -> Any:
        """The runner's options, as an operator takes them; None for dbt beside the worker."""

    @abstractmethod
    def at_work(self) -> int:
        """How many dbt commands are waiting or running."""

    @abstractmethod
    def end_all(self) -> None:
        """End whatever is at work: what a test that failed has left is no other test's trouble."""

    def task(self, name: str, verb: str = "run", *, nodes: tuple[str, ...] = (), cold: bool = False, **b: Any) -> Task:
        """A task on models or tests of the project. A cold one starts dbt as a worker would, and takes longer."""
        kind = {"run": "model", "build": "model"}.get(verb, verb)
        unique_ids = nodes or (f"{kind}.shop.{name}",)
        return self.task_of(name, DbtInvocation(verb, tuple(selection(key) for key in unique_ids)), cold=cold, **b)

    def task_of(
        self, name: str, invocation: DbtInvocation, make: Any = None, *, cold: bool = False, **base: Any
    ) -> Task:
        """The same for any command of dbt, by an operator's class."""
        from dbt_af_k8s.airflow import DbtOperator

        executable = None if cold or self.dbt is None else str(self.dbt)

        def made(**changes: Any) -> Any:
            return _logging(make or DbtOperator, Kept())(
                **{
                    "task_id": f"task_{name}".encode("ascii", "replace").decode().replace("?", "_"),
                    "invocation": replace(invocation, executable=executable),
                    "project": self.dbt_project(),
                    "runner": self.options(),
                    "retries": 2,
                    **base,
                    **changes,
                }
            )

        task = Task(made(), self, f"scheduled__{self.name}_{len(self.tasks)}", made)
        self.tasks.append(task)
        return task

    def once(self, name: str, verb: str = "run", **base: Any) -> tuple[Task, Any]:
        """A task that several tests look at, run but once, and its result."""
        if name not in self._once:
            task = self.task(name, verb, **base)
            self._once[name] = task, task.run()
        return self._once[name]

    def began(self) -> int:
        """How many runs of the model `waits` have begun, ever."""
        return len(list(began_folder(self.project).iterdir()))

    def started_from_slices(self, task: Task) -> bool:
        """Whether dbt was spared the project in the last try."""
        return "No slice" not in task.log.text

    def dbt_project(self) -> DbtProject:
        """The project, as the operator takes it."""
        return DbtProject(self.project, self.project)

    def until_idle(self) -> None:
        """Wait until none is."""
        until(lambda: self.at_work() == 0)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return retried(lambda: _asked(self.project, sql))


def _asked(project: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(project / "shop.duckdb")) as database:
        return database.sql(sql).fetchall() if sql.startswith("select") else [(database.execute(sql) and None,)]


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
