"""The statement of each operation on each adapter, whole, and accepted by a parser of the dialect.

`UPDATE_GOLDENS=1` writes `statements/<adapter>.sql` anew; read the difference before it is committed. Never set in CI.
Only DuckDB and PostgreSQL are run by other tests; for the rest this is all that is known: the text, and that sqlglot
can read it. See `macro_rendering` for what is made up.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from macro_rendering import CompilerError, Package
from sqlglot import exp

from dbt_af_k8s.dbt.maintenance_adapters import ADAPTERS, MACROS, SUPPORT_TABLE, Support

pytestmark = pytest.mark.dbt

GOLDENS = Path(__file__).with_name("statements")
MODEL = "model.shop.orders"
AS_OF = "2026-03-31T06:00:00+02:00"

#: What `get_columns_in_relation` calls the types of an instant, a time without a zone, and a nested value.
TYPES = {
    "duckdb": ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "JSON"),
    "postgres": ("timestamp with time zone", "timestamp without time zone", "json"),
    "snowflake": ("TIMESTAMP_TZ", "TIMESTAMP_NTZ", "VARIANT"),
    "bigquery": ("TIMESTAMP", "DATETIME", "STRUCT<a INT64>"),
    "databricks": ("timestamp", "timestamp_ntz", "struct<a:int>"),
    "spark": ("timestamp", "timestamp_ntz", "struct<a:int>"),
    "redshift": ("timestamp with time zone", "timestamp without time zone", "super"),
    "trino": ("timestamp(6) with time zone", "timestamp(6)", "row(a integer)"),
}
NODE = {
    "unique_id": MODEL,
    "resource_type": "model",
    "database": "Shop",
    "schema": "main",
    "alias": "order",
    "description": "It's the shop's \\ orders",
    "columns": {"ID": {"description": "The 'key'"}, "note": {"description": ""}, "gone": {"description": "x"}},
    "config": {"file_format": "delta", "zorder": ["Seen At"]},
}
#: Statements that no other dialect has and that sqlglot takes as a whole, without looking inside (its `Command`).
UNREAD = ("vacuum", "checkpoint", "optimize", "alter table")


#: Name of a case, macro, arguments.
CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("ttl by an instant", "ttl", {"key": "Seen At"}),
    ("ttl by a time without a zone", "ttl", {"key": "local_at"}),
    ("ttl by a date", "ttl", {"key": "DAY", "additional_predicate": "note = 'x' or id < 5 -- why"}),
    ("ttl by force", "ttl", {"force_predicate": "id in (select 1)"}),
    ("ttl by a text", "ttl", {"key": "note"}),
    ("deduplicate", "deduplicate", {"unique_key": ["id", "day"], "order_by": ["seen at desc"]}),
    ("vacuum", "vacuum", {}),
    ("optimize", "optimize", {}),
    ("persist docs", "persist_docs", {}),
)


def columns(adapter: str) -> dict[str, str]:
    instant, wall, nested = TYPES[adapter]
    return {"id": "integer", "Seen At": instant, "local_at": wall, "day": "date", "note": "text", "nested": nested}


def rendered(adapter: str, macro: str, options: dict[str, Any]) -> list[str]:
    """The statements of one operation, in order."""
    package = Package(adapter, columns(adapter), NODE)
    if macro == "ttl":
        options = {"as_of": AS_OF, "expiration_timeout": 10, **options}
    getattr(package, macro)(MODEL, **options)
    assert [result["operation"] for result in package.results] == [macro]
    return package.statements


def page(adapter: str) -> Iterator[str]:
    for name, macro, options in CASES:
        yield f"-- {name}"
        try:
            yield from (f"{statement};" for statement in rendered(adapter, macro, options))
        except CompilerError as refused:
            yield f"-- refused: {refused}"
        yield ""


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_statements_are_the_golden_ones(adapter: str) -> None:
    text = "\n".join(page(adapter))
    golden = GOLDENS / f"{adapter}.sql"
    if os.environ.get("UPDATE_GOLDENS") == "1" and not os.environ.get("CI"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_parser_of_the_dialect_accepts_them(
    adapter: str, case: tuple[str, str, dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    _, macro, options = case
    try:
        statements = rendered(adapter, macro, options)
    except CompilerError:
        return  # which these are, the goldens say, and the next test
    with caplog.at_level(logging.CRITICAL, logger="sqlglot"):
        for statement in statements:
            parsed = sqlglot.parse(statement, dialect=adapter, error_level=sqlglot.ErrorLevel.RAISE)
            assert len(parsed) == 1
            if isinstance(parsed[0], exp.Command | exp.Alias):
                assert statement.startswith(UNREAD), statement


@pytest.mark.parametrize("row", SUPPORT_TABLE, ids=lambda row: f"{row.operation}-{row.adapter}")
def test_the_support_table_says_what_the_macros_do(row: Any) -> None:
    options = next(options for _, macro, options in CASES if macro == row.operation)
    if row.support is Support.UNSUPPORTED:
        with pytest.raises(CompilerError, match=f"'{row.operation}' does not exist on {row.adapter}"):
            rendered(row.adapter, row.operation, options)
    else:
        assert rendered(row.adapter, row.operation, options)


@pytest.mark.parametrize("macro", MACROS)
def test_an_adapter_that_is_not_known_is_refused(macro: str) -> None:
    package = Package("athena", columns("trino"), NODE)
    options = next(options for _, name, options in CASES if name == macro)
    if macro == "ttl":
        options = {"as_of": AS_OF, "expiration_timeout": 10, **options}
    with pytest.raises(CompilerError, match=f"'{macro}' does not exist on athena"):
        getattr(package, macro)(MODEL, **options)
    assert [sql for sql in package.statements if not sql.startswith("select")] == []


def test_optimize_and_vacuum_are_for_delta_tables_on_spark() -> None:
    for adapter, config in (("spark", {}), ("databricks", {"file_format": "parquet"})):
        for macro in ("vacuum", "optimize"):
            package = Package(adapter, columns(adapter), {**NODE, "config": config})
            with pytest.raises(CompilerError, match="it is for Delta tables"):
                getattr(package, macro)(MODEL)
    for config, sql in (
        ({}, "optimize `Shop`.`main`.`order`"),
        ({"zorder": "id"}, "optimize `Shop`.`main`.`order` zorder by (`id`)"),
        ({"zorder": "id", "liquid_clustered_by": "id"}, "optimize `Shop`.`main`.`order`"),
    ):
        package = Package("databricks", columns("databricks"), {**NODE, "config": config})
        package.optimize(MODEL)
        assert package.statements == [sql]


def test_no_copies_no_statement() -> None:
    for adapter in ADAPTERS:
        package = Package(adapter, columns(adapter), NODE, surplus=0)
        package.deduplicate(MODEL, unique_key="id")
        assert [sql for sql in package.statements if not sql.startswith("select coalesce")] == []
        assert package.results[0]["rows_deleted"] == 0
