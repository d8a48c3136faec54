"""The verdict over `dbt run-operation`: by what was told, and by dbt itself on DuckDB."""

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dbt_af_k8s.dbt.logs import LogDigest, LogLine
from dbt_af_k8s.dbt.maintenance_package import install_package
from dbt_af_k8s.dbt.operation import OperationVerdict, judge_operation
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.values import DbtInvocation, node_by_id

MODEL = "model.shop.events"
DONE = {"operation": "ttl", "model": MODEL, "relation": "x", "outcome": "done", "rows_deleted": 3, "cutoff": "2026"}
FINE = ProcessEnd(0)
FAILED = "Encountered an error while running operation: "


def judged(*told: Mapping[str, Any], end: ProcessEnd = FINE, log: LogDigest | None = None) -> OperationVerdict:
    return judge_operation("ttl", MODEL, told, end, log or LogDigest())


def test_done_is_green_with_its_rows() -> None:
    found = judged(DONE)
    assert (found.ok, found.retryable, found.rows, found.result) == (True, False, 3, DONE)
    assert found.summary == f"ttl of {MODEL}: done, 3 rows deleted (cutoff 2026)"
    assert "1 row deleted" in judged(DONE | {"rows_deleted": 1}).summary
    unknown = judged(DONE | {"rows_deleted": None, "cutoff": None})
    assert (unknown.ok, unknown.rows, unknown.summary) == (True, None, f"ttl of {MODEL}: done")


def test_a_table_that_is_not_there_yet_is_green() -> None:
    found = judged({"operation": "ttl", "model": MODEL, "relation": None, "outcome": "not built", "rows_deleted": 0})
    assert (found.ok, found.rows) == (True, 0)
    assert "not built yet" in found.summary


@pytest.mark.parametrize(
    "told",
    [(), (DONE | {"model": "model.shop.other"},), (DONE | {"operation": "vacuum"},), (DONE | {"outcome": "perhaps"},)],
)
def test_exit_code_0_without_its_own_word_is_red_for_good(told: tuple[Mapping[str, Any], ...]) -> None:
    found = judged(*told)
    assert (found.ok, found.retryable, found.result) == (False, False, {})
    assert "did not say" in found.summary


@pytest.mark.parametrize(
    ("end", "log", "retryable", "text"),
    [
        (ProcessEnd(1), LogDigest(errors=(f"{FAILED}Database Error\n  Connection refused",)), True, "refused"),
        (ProcessEnd(1), LogDigest(errors=(f"{FAILED}Compilation Error\n  no column 'x'",)), False, "no column"),
        (ProcessEnd(1), LogDigest(errors=(f"{FAILED}Database Error\n  syntax error at or near 'x'",)), False, "syntax"),
        (ProcessEnd(2), LogDigest(fatal="Parsing Error\n  at path", errors=()), False, "Parsing Error"),
        (ProcessEnd(-9), LogDigest(), True, "SIGKILL"),
        (ProcessEnd(0, is_timeout=True), LogDigest(), True, "time limit"),
        (ProcessEnd(1), LogDigest(), True, "exit code 1"),
    ],
)
def test_a_failure_is_red_whatever_was_told(end: ProcessEnd, log: LogDigest, retryable: bool, text: str) -> None:
    for told in ((), (DONE,)):
        found = judged(*told, end=end, log=log)
        assert (found.ok, found.retryable) == (False, retryable)
        assert text in found.summary


NOW = datetime(2026, 3, 31, 6, 0, tzinfo=timezone(timedelta(hours=2)))
ROWS = """create table main.events as select id, cast(seen_at as timestamp) as seen_at, note from (values
    (1, '2026-03-11 03:59:59', 'old'), (2, '2026-03-11 04:00:00', 'edge'), (3, null, 'null'),
    (4, '2020-01-01', 'kept 🧹 ü')) as rows (id, seen_at, note)"""


@pytest.mark.dbt
@pytest.mark.slow
class TestRealDbt:
    @pytest.fixture
    def maintain(self, make_project: Callable[..., Any]) -> Callable[..., tuple[OperationVerdict, list[LogLine]]]:
        project = make_project({"models/events.sql": "select 1 as id", "models/gone.sql": "select 1 as id"})
        install_package(project.folder)
        with duckdb.connect(str(project.folder / "shop.duckdb")) as connection:
            connection.execute(ROWS)
        self.folder: Path = project.folder

        def run(operation: str, model: str = "events", **options: Any) -> tuple[OperationVerdict, list[LogLine]]:
            lines: list[LogLine] = []
            invocation = DbtInvocation(
                "run-operation",
                (node_by_id(f"model.shop.{model}"),),
                operation=operation,
                options=tuple(sorted(options.items())),
                executable=str(project.dbt),
            )
            started = DbtRun.here(invocation, project.value, environment=project.environment)
            found = started.maintain(start=datetime(2026, 3, 30, tzinfo=UTC), end=NOW, on_line=lines.append)
            return found, lines

        return run

    def ids(self) -> list[int]:
        with duckdb.connect(str(self.folder / "shop.duckdb")) as connection:
            return [row[0] for row in connection.execute("select id from main.events order by id").fetchall()]

    def test_a_ttl_deletes_what_is_old_at_the_end_of_the_interval(self, maintain: Callable[..., Any]) -> None:
        options = {"key": "seen_at", "expiration_timeout": 20, "additional_predicate": "note <> 'kept 🧹 ü'"}
        found, lines = maintain("ttl", **options)
        assert found.ok, found.summary
        assert (found.rows, self.ids()) == (1, [2, 3, 4])
        assert found.result["cutoff"] == "2026-03-11T04:00:00+00:00"
        assert any("dbt_af_k8s result" in line.message for line in lines)

    def test_the_ways_to_be_red(self, maintain: Callable[..., Any]) -> None:
        found, _ = maintain("ttl", key="no_such_column", expiration_timeout=20)
        assert (found.ok, found.retryable) == (False, False)
        assert "has no column 'no_such_column'" in found.summary
        found, _ = maintain("ttl", force_predicate="no_such_column = 1")
        assert (found.ok, found.retryable) == (False, False), found.summary
        assert "no_such_column" in found.summary
        found, _ = maintain("vacuum", "never_heard_of")
        assert (found.ok, found.retryable) == (False, False)
        assert "has no node 'model.shop.never_heard_of'" in found.summary
        assert self.ids() == [1, 2, 3, 4]

    def test_not_built_yet_and_no_package(self, maintain: Callable[..., Any]) -> None:
        found, _ = maintain("vacuum", "gone")
        assert (found.ok, found.result["outcome"], found.rows) == (True, "not built", None)
        shutil.rmtree(self.folder / "dbt_packages")
        found, _ = maintain("vacuum")
        assert (found.ok, found.retryable) == (False, False)
        assert "dbt-af-k8s package install" in found.summary
