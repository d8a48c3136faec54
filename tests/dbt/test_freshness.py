"""The verdict over `dbt source freshness`: by rows of sources.json, and by dbt itself on DuckDB."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from many_kinds import write_project

from dbt_af_k8s.dbt.freshness import FreshnessVerdict, SourceAge, age_text, judge_freshness, read_source_ages
from dbt_af_k8s.dbt.logs import LogDigest
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.selection import select_argument
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection, node_by_id

SOURCE = "source.shop.raw.orders"
LIMITS = {"warn_after": {"count": 1, "period": "hour"}, "error_after": {"count": 2, "period": "day"}, "filter": None}
FINE, FAILED = ProcessEnd(0), ProcessEnd(1)
NO_ERRORS = LogDigest()


def age(status: str = "pass", unique_id: str = SOURCE) -> SourceAge:
    return SourceAge(unique_id, status, 5400.4, "2026-01-01T10:30:00+00:00", "2026-01-01T12:00:00+00:00", "none")


def written(folder: Path, rows: object) -> Path:
    (folder / "sources.json").write_text(json.dumps({"results": rows}))
    return folder


def row(**changes: object) -> dict[str, object]:
    return {
        "unique_id": SOURCE,
        "status": "warn",
        "max_loaded_at": "2026-01-01T10:30:00+00:00",
        "snapshotted_at": "2026-01-01T12:00:00+00:00",
        "max_loaded_at_time_ago_in_s": 5400.4,
        "criteria": LIMITS,
    } | changes


def test_a_row_is_read(tmp_path: Path) -> None:
    (found,) = read_source_ages(written(tmp_path, [row()]))
    assert (found.unique_id, found.status, found.age) == (SOURCE, "warn", 5400.4)
    assert found.limits == "warn after 1 hour, error after 2 days"
    assert str(found) == (
        "source.shop.raw.orders: the newest row is 1 h 30 min old (2026-01-01T10:30:00+00:00); "
        "limits: warn after 1 hour, error after 2 days"
    )


@pytest.mark.parametrize(
    "rows",
    [
        None,
        {},
        ["x", None],
        [{"unique_id": SOURCE, "error": "no such table", "status": "runtime error"}],
        [row(max_loaded_at_time_ago_in_s="soon")],
        [row(max_loaded_at_time_ago_in_s=True)],
        [row(status="passed")],
        [row(unique_id=3)],
    ],
)
def test_what_tells_no_age_is_no_row(tmp_path: Path, rows: object) -> None:
    assert read_source_ages(written(tmp_path, rows)) == ()


def test_no_file_is_no_row(tmp_path: Path) -> None:
    assert read_source_ages(tmp_path) == ()


@pytest.mark.parametrize(
    ("ages", "end", "log", "ok", "stale", "retryable", "said"),
    [
        ([age("pass")], FINE, NO_ERRORS, True, False, False, "Fresh: source.shop.raw.orders"),
        ([age("warn")], FINE, NO_ERRORS, True, False, False, "Old, but not too old: source.shop.raw.orders"),
        ([age("error")], FAILED, NO_ERRORS, False, True, False, "Too old: source.shop.raw.orders"),
        # The exit code alone is never green.
        ([], FINE, NO_ERRORS, False, False, False, "dbt knows no source source.shop.raw.orders with freshness limits"),
        ([], FAILED, LogDigest(errors=("IO Error",)), False, False, True, "(exit code 1).\nIO Error"),
        ([age("pass")], FAILED, NO_ERRORS, False, False, True, "dbt could not tell"),
        ([age("pass")], ProcessEnd(-9), NO_ERRORS, False, False, True, "killed by signal SIGKILL"),
        ([age("error")], ProcessEnd(-2, was_stopped=True), NO_ERRORS, False, False, True, "stopped from outside"),
        ([], FAILED, LogDigest(fatal="Compilation Error\n x"), False, False, False, "Compilation Error"),
        ([age(), age(unique_id="source.shop.raw.b")], FINE, NO_ERRORS, False, False, False, "source.shop.raw.b, which"),
    ],
)
def test_the_verdict(
    ages: list[SourceAge], end: ProcessEnd, log: LogDigest, ok: bool, stale: bool, retryable: bool, said: str
) -> None:
    found = judge_freshness(SOURCE, tuple(ages), end, log)
    assert (found.ok, found.is_stale, found.retryable) == (ok, stale, retryable)
    assert said in found.summary


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (90061, "1 d 1 h"),
        (86460, "1 d 1 min"),
    ],
)
def test_an_age_for_people(seconds: float, text: str) -> None:
    assert age_text(seconds) == text


@pytest.mark.parametrize(
    ("fqn", "argument"),
    [
        (("shop", "raw", "orders"), "source:shop.raw.orders"),
        (("shop", "raw", "odd name.v1"), "source:shop.raw.odd?name?v1"),
        (("shop", "a+b@c", "x*[y]"), "source:shop.a?b?c.x[*][[]y]"),
        ((), "source:shop.raw.orders"),
    ],
)
def test_how_dbt_finds_a_source(fqn: tuple[str, ...], argument: str) -> None:
    assert select_argument(DbtSelection(SOURCE, "source", "shop", fqn)) == argument


@pytest.fixture(scope="module")
def shop(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("freshness") / "shop", programs)


def look(shop: Path, table: str, **how: object) -> FreshnessVerdict:
    selection = DbtSelection(f"source.shop.raw.{table}", "source", "shop", ("shop", "raw", table))
    run = DbtRun.here(DbtInvocation("freshness", (selection,)), DbtProject(shop), environment={})
    end = datetime(2026, 1, 2, tzinfo=UTC)
    return run.look(start=end - timedelta(days=1), end=end, on_line=lambda line: None, **how)


@pytest.mark.dbt
@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "status", "youngest", "oldest"),
    [
        ("odd name.v1", "pass", 0, 3600),
        # By `loaded_at_query`.
        ("aging", "warn", 5400, 7200),
        ("stale", "error", 18000, 25000),
    ],
)
def test_dbt_tells_the_age(shop: Path, table: str, status: str, youngest: int, oldest: int) -> None:
    found = look(shop, table)
    assert found.source is not None
    assert (found.source.status, found.ok) == (status, status != "error")
    assert youngest <= found.source.age <= oldest
    assert found.source.limits == "warn after 1 hour, error after 2 hours"


@pytest.mark.dbt
@pytest.mark.slow
def test_an_empty_table_is_stale(shop: Path) -> None:
    found = look(shop, "empty")
    assert found.is_stale
    assert found.summary == (
        "Too old: source.shop.raw.empty has no rows; limits: warn after 1 hour, error after 2 hours"
    )


@pytest.mark.dbt
@pytest.mark.slow
def test_a_table_that_is_not_there_may_come(shop: Path) -> None:
    found = look(shop, "missing")
    assert (found.ok, found.is_stale, found.retryable) == (False, False, True)
    assert "Table with name missing does not exist" in found.summary


@pytest.mark.dbt
@pytest.mark.slow
def test_a_source_that_the_project_does_not_have_stays_away(shop: Path) -> None:
    found = look(shop, "nowhere")
    assert (found.ok, found.is_stale, found.retryable) == (False, False, False)


def test_unique_id_alone_is_enough() -> None:
    assert select_argument(node_by_id(SOURCE)) == "source:shop.raw.orders"
