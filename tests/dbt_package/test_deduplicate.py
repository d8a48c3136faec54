"""Deduplicating real rows: one row of each key stays, always the same one, and nothing else goes."""

import pytest
from maintained_shop import Warehouse

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

ORDERS = """
select id, region, cast(updated_at as timestamp) as updated_at, note from (values
  (1, 'eu', '2026-01-01', 'old'),
  (1, 'eu', '2026-01-03', 'new'),
  (1, 'eu', null, 'never'),
  (1, 'us', '2026-01-02', 'another region'),
  (2, 'eu', '2026-01-01', 'b'),
  (2, 'eu', '2026-01-01', 'a'),
  (2, 'eu', '2026-01-01', 'c'),
  (3, 'eu', '2026-01-01', 'alone'),
  (4, 'eu', '2026-01-01', 'twin'),
  (4, 'eu', '2026-01-01', 'twin'),
  (5, null, '2026-01-01', 'no key'),
  (5, null, '2026-01-01', 'no key'),
  (null, null, '2026-01-01', 'no key at all'),
  (null, null, '2026-01-01', 'no key at all')
) as rows (id, region, updated_at, note)
"""
KEPT = [
    (1, "eu", "new"),
    (1, "us", "another region"),
    (2, "eu", "a"),
    (3, "eu", "alone"),
    (4, "eu", "twin"),
    (5, None, "no key"),
    (5, None, "no key"),
    (None, None, "no key at all"),
    (None, None, "no key at all"),
]
EVERYTHING = "select id, region, note from main.events order by id nulls last, region nulls last, note"

#: The statements for warehouses that only a parser checks, put in the place of this one's own.
BORROWED = """
{%- macro ADAPTER__deduplicate_sql(relation, columns, keys, order) -%}
  {% if var('way', none) == 'merge' %}
    {{ return([dbt_af_k8s.merge_sql(relation, columns, keys, order)]) }}
  {% elif var('way', none) == 'transaction' %}
    {{ return(dbt_af_k8s.replace_in_transaction_sql(relation, columns, keys, order)[1:-1]) }}
  {% endif %}
  {{ return(dbt_af_k8s.ADAPTER__deduplicate_sql(relation, columns, keys, order)) }}
{%- endmacro -%}
"""


def test_the_first_row_in_the_order_stays(warehouse: Warehouse) -> None:
    warehouse.table("main.events", ORDERS)
    done = warehouse.maintain("deduplicate", unique_key=("id", "region"), order_by=("updated_at desc",))
    assert done.code == 0, done.output
    assert warehouse.run(EVERYTHING) == KEPT
    assert done.result["rows_deleted"] == 5
    assert done.result["outcome"] == "done"

    again = warehouse.maintain("deduplicate", unique_key=("id", "region"), order_by=("updated_at desc",))
    assert again.code == 0, again.output
    assert again.result["rows_deleted"] == 0
    assert warehouse.run(EVERYTHING) == KEPT


@pytest.mark.parametrize("way", ["merge", "transaction"])
def test_the_statements_of_other_warehouses_leave_the_same_rows(warehouse: Warehouse, way: str) -> None:
    """MERGE and the transaction are standard SQL: here they run, under DuckDB and PostgreSQL 15 or newer."""
    macro = warehouse.project / "macros" / "borrowed.sql"
    macro.parent.mkdir(exist_ok=True)
    macro.write_text(BORROWED.replace("ADAPTER", warehouse.adapter))
    try:
        warehouse.table("main.events", ORDERS)
        args = '{"model": "model.shop.events", "unique_key": ["ID", "region"], "order_by": "updated_at DESC"}'
        command = ("run-operation", "dbt_af_k8s.deduplicate", "--args", args, "--vars", f"way: {way}")
        code, output = warehouse.dbt(*command)
        assert code == 0, output
        assert ("merge into" if way == "merge" else "dbt_af_k8s_kept") in last_log(warehouse)
        assert warehouse.run(EVERYTHING) == KEPT
        assert '"rows_deleted": 5' in output
    finally:
        macro.unlink()


def last_log(warehouse: Warehouse) -> str:
    text = (warehouse.project / "logs" / "dbt.log").read_text(encoding="utf-8")
    return text[-20_000:]


def test_without_an_order_the_other_columns_decide_whatever_the_rows_lie_in(warehouse: Warehouse) -> None:
    kept = []
    for direction in ("asc", "desc"):
        warehouse.table("main.events", f"select * from ({ORDERS}) as orders order by note {direction}")
        done = warehouse.maintain("deduplicate", unique_key=("id",))
        assert done.code == 0, done.output
        kept.append(warehouse.run(EVERYTHING))
    assert kept[0] == kept[1]
    assert [row[0] for row in kept[0]] == [1, 2, 3, 4, 5, None, None]


def test_columns_that_have_no_order_of_their_own(warehouse: Warehouse) -> None:
    rows = "(values (1, '{\"b\": 1}'), (1, '{\"a\": 1}'), (2, '{}')) as rows (id, doc)"
    warehouse.table("main.events", f"select id, cast(doc as json) as doc from {rows}")
    done = warehouse.maintain("deduplicate", unique_key=("id",))
    assert done.code == 0, done.output
    docs = warehouse.run("select id, cast(doc as varchar) from main.events order by id")
    assert docs == [(1, '{"a": 1}'), (2, "{}")]


def test_odd_names(warehouse: Warehouse) -> None:
    table = '"main_Mixed Case"."Odd free Table"'
    select = 'select 1 as "Order Id", 1 as "select", \'x\' as "a""b"'
    rows = f"{select} union all select 1, 2, 'y' union all select 2, 1, 'z'"
    warehouse.table(table, rows)
    done = warehouse.maintain("deduplicate", "odd", unique_key=("Order Id",), order_by=("select DESC", 'a"b'))
    assert done.code == 0, done.output
    assert warehouse.run(f'select "a""b" from {table} order by 1') == [("y",), ("z",)]


def test_a_partitioned_table(warehouse: Warehouse) -> None:
    if warehouse.adapter != "postgres":
        pytest.skip("partitions whose rows share their ids are PostgreSQL's")
    warehouse.run(
        "drop table if exists main.events cascade;"
        "create table main.events (id int, part int) partition by list (part);"
        "create table main.events_1 partition of main.events for values in (1);"
        "create table main.events_2 partition of main.events for values in (2);"
        "insert into main.events values (1, 1), (1, 2), (2, 1), (3, 2), (4, 2)"
    )
    try:
        done = warehouse.maintain("deduplicate", unique_key=("id",), order_by=("part desc",))
        assert done.code == 0, done.output
        assert warehouse.run("select id, part from main.events order by 1") == [(1, 2), (2, 1), (3, 2), (4, 2)]
        assert done.result["rows_deleted"] == 1
    finally:
        warehouse.run("drop table main.events cascade")


def test_a_key_that_is_not_there(warehouse: Warehouse) -> None:
    warehouse.table("main.events", "select 1 as id union all select 1")
    done = warehouse.maintain("deduplicate", unique_key=("id || region",))
    assert done.code == 1
    assert "has no column 'id || region'. Its columns: id" in done.output
    assert warehouse.run("select count(*) from main.events") == [(2,)]
