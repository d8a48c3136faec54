"""Vacuum, optimize and comments on real warehouses."""

from dataclasses import replace

import pytest
from maintained_shop import Warehouse

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

TABLE_COMMENT = {
    "duckdb": "select comment from duckdb_tables() where table_name = 'documented'",
    "postgres": "select obj_description('main.documented'::regclass)",
}
COLUMN_COMMENTS = {
    "duckdb": "select column_name, comment from duckdb_columns() where table_name = 'documented' order by column_index",
    "postgres": "select attname, col_description(attrelid, attnum) from pg_attribute"
    " where attrelid = 'main.documented'::regclass and attnum > 0 order by attnum",
}


def test_vacuum_gives_space_back_and_changes_no_row(warehouse: Warehouse) -> None:
    warehouse.table("main.events", "select 1 as id")
    for _ in range(2):
        done = warehouse.maintain("vacuum")
        assert done.code == 0, done.output
        assert done.result["outcome"] == "done"
    assert warehouse.run("select id from main.events") == [(1,)]
    if warehouse.adapter == "postgres":
        # A row that was deleted is no longer in the pages.
        warehouse.run("insert into main.events select generate_series(2, 1000)")
        warehouse.run("delete from main.events where id > 1")
        done = warehouse.maintain("vacuum")
        assert done.code == 0, done.output
        pages = "select pg_relation_size('main.events') / current_setting('block_size')::int"
        assert warehouse.run(pages) == [(1,)]


def test_optimize_does_not_exist_here_and_says_so(warehouse: Warehouse) -> None:
    warehouse.table("main.events", "select 1 as id")
    done = warehouse.maintain("optimize")
    assert done.code == 1
    assert f"The maintenance operation 'optimize' does not exist on {warehouse.adapter}" in done.output


def test_vacuum_of_a_table_that_is_not_built_yet(warehouse: Warehouse) -> None:
    done = warehouse.maintain("vacuum", "gone")
    assert done.code == 0, done.output
    assert done.result["outcome"] == "not built"


@pytest.mark.parametrize("kind", ["table", "view"])
def test_descriptions_become_comments(warehouse: Warehouse, kind: str) -> None:
    for made in ("table", "view"):
        try:
            warehouse.run(f"drop {made} if exists main.documented")
        except Exception:  # noqa: BLE001  each warehouse has an error of its own for the other kind
            continue
    warehouse.run(f'create {kind} main.documented as select 1 as id, 2 as "Mixed Case", 3 as plain')
    for _ in range(2):
        done = warehouse.maintain("persist_docs", "documented")
        assert done.code == 0, done.output
        assert done.result["comments"] == 3
        assert done.result["columns_missing"] == ["nowhere"]
    comments = warehouse.run(COLUMN_COMMENTS[warehouse.adapter])
    assert comments == [("id", "The 'key'"), ("Mixed Case", "In quotes"), ("plain", None)]
    if kind == "table":
        told = warehouse.run(TABLE_COMMENT[warehouse.adapter])
        assert told == [("It's 100% the shop's; \\ and\na second line",)]


def test_a_connection_that_commits_by_itself(warehouse: Warehouse) -> None:
    """dbt-postgres has `autocommit`, dbt-duckdb `disable_transactions`: what is done is kept there too."""
    other = replace(warehouse, target="other")
    times = "(values (1, '2020-01-01'), (2, '2026-03-30'), (2, '2026-03-30'))"
    warehouse.table("main.events", f"select id, cast(t as timestamp) as seen_at from {times} as rows (id, t)")
    old = other.maintain("ttl", key="seen_at", expiration_timeout=10)
    copies = other.maintain("deduplicate", unique_key=("id",))
    space = other.maintain("vacuum")
    assert (old.code, copies.code, space.code) == (0, 0, 0), old.output + copies.output + space.output
    assert (old.result["rows_deleted"], copies.result["rows_deleted"]) == (1, 1)
    assert warehouse.run("select id from main.events") == [(2,)]
