"""A small dbt project with tables to maintain, on DuckDB or PostgreSQL, and its `dbt run-operation`.

Most tests start dbt by forking a process that has imported it already: the same command, without seconds of imports.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from postgres import PostgresServer

from dbt_af_k8s.dbt.logs import read_line
from dbt_af_k8s.dbt.maintenance import MaintenanceOperation, maintenance_result, run_operation_args
from dbt_af_k8s.dbt.maintenance_package import package_path

DBT = str(Path(sys.executable).with_name("dbt"))
#: The end of the data interval in the tests: not midnight, so that a date column shows the difference.
AS_OF = datetime(2026, 3, 31, 6, 0, tzinfo=UTC)

PROJECT = """
name: shop
profile: shop
packages-install-path: dbt_packages
models:
  +materialized: table
"""
PACKAGES = "packages:\n  - local: {}\n"
MODELS = """
models:
  - name: events
  - name: gone
  - name: a_view
    config: {materialized: view}
  - name: odd
    config: {alias: 'Odd free Table', schema: Mixed Case}
  - name: reserved
    config: {alias: select}
  - name: documented
    description: "It's 100% the shop's; \\\\ and\\na second line"
    columns:
      - {name: ID, description: "The 'key'"}
      - {name: Mixed Case, quote: true, description: In quotes}
      - {name: plain}
      - {name: nowhere, description: Not a column}
"""


#: Reads a command per line, runs it in a fork, answers with the exit code and the file with the output.
SERVER = """
import json, os, sys, tempfile
from dbt.cli.main import dbtRunner
import dbt.adapters.duckdb, dbt.adapters.postgres
for line in sys.stdin:
    handle, name = tempfile.mkstemp(dir=os.getcwd(), prefix="dbt-", suffix=".out")
    child = os.fork()
    if child == 0:
        os.dup2(handle, 1), os.dup2(handle, 2)
        result = dbtRunner().invoke(json.loads(line))
        if result.exception:
            print(result.exception)
        sys.stdout.flush()
        os._exit(0 if result.success else 1)
    status = os.waitpid(child, 0)[1]
    os.close(handle)
    print(json.dumps([os.waitstatus_to_exitcode(status), name]), flush=True)
"""


class WarmDbt:
    """dbt with its imports done, in the folder of a project."""

    def __init__(self, project: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, argv: list[str]) -> tuple[int, str]:
        """Exit code and output of one dbt command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(argv) + "\n")
        self._process.stdin.flush()
        code, name = json.loads(self._process.stdout.readline())
        return code, Path(name).read_text(encoding="utf-8")

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one `dbt run-operation` did."""

    code: int
    output: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse with the project `shop` on it."""

    adapter: str
    project: Path
    postgres: PostgresServer | None
    warm: WarmDbt
    target: str

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run statements beside dbt; the rows of the last one."""
        if self.postgres is not None:
            return self.postgres.run(sql)
        with duckdb.connect(str(self.project / "shop.duckdb")) as connection:
            return connection.execute(sql).fetchall()

    def table(self, name: str, select: str) -> None:
        """Make a table anew out of a query."""
        self.run(f"drop table if exists {name} cascade; create table {name} as {select}")

    def dbt(self, *argv: str) -> tuple[int, str]:
        """Exit code and output of a dbt command in the project, with this warehouse."""
        return self.warm.run([*argv, "--profiles-dir", ".", "--target", self.target])

    def macro(self, name: str, **args: Any) -> Outcome:
        """Run one macro; its result comes out of the log, as in a task."""
        return read_outcome(self.dbt("run-operation", name, "--args", json.dumps(args), "--log-format", "json"))

    def maintain(self, name: str, model: str = "events", **options: Any) -> Outcome:
        """Run an operation on a model of the shop by way of its value."""
        operation = MaintenanceOperation(name, tuple(sorted(options.items())))
        macro, args = run_operation_args(operation, f"model.shop.{model}", AS_OF)
        return self.macro(macro, **args)


def read_outcome(done: tuple[int, str]) -> Outcome:
    """What a `run-operation` with JSON log lines did."""
    code, output = done
    messages = [read_line(line).message for line in output.splitlines()]
    results = [found for found in map(maintenance_result, messages) if found is not None]
    return Outcome(code, "\n".join(messages), results[-1] if results else {})


def write_project(folder: Path, profile: str) -> None:
    """The shop: models without any content of interest, for the tests make their tables themselves."""
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(PROJECT)
    (folder / "profiles.yml").write_text(f"shop: {{target: x, outputs: {{{profile}}}}}\n")
    (folder / "packages.yml").write_text(PACKAGES.format(package_path()))
    (folder / "models" / "models.yml").write_text(MODELS)
    for model in ("events", "gone", "a_view", "odd", "reserved", "documented"):
        (folder / "models" / f"{model}.sql").write_text("select 1 as id\n")
