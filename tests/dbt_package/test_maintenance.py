"""What a node's `maintenance` asks for, and everything that can be wrong with it."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from dbt_af_k8s.dbt.maintenance import (
    MaintenanceOperation,
    maintenance_operations,
    maintenance_result,
    run_operation_args,
)
from dbt_af_k8s.dbt.maintenance_adapters import ADAPTERS, MACROS, SUPPORT_TABLE, Support, support, unproven_issues
from dbt_af_k8s.errors import Issue
from dbt_af_k8s.manifest.values import Node

ORDERS = Node(
    unique_id="model.shop.orders",
    resource_type="model",
    name="orders",
    package="shop",
    path="sales/orders.sql",
    file="models/sales/orders.sql",
    fqn=("shop", "sales", "orders"),
    materialized="incremental",
    config={"unique_key": ["order_id", "region"]},
)


def operations(
    mapping: dict[str, Any], node: Node = ORDERS, adapter: str | None = "postgres"
) -> tuple[tuple[MaintenanceOperation, ...], tuple[Issue, ...]]:
    return maintenance_operations(mapping, node=node, file="models/sales/_sales.yml", adapter=adapter)


def told(
    mapping: dict[str, Any], node: Node = ORDERS, adapter: str | None = "postgres"
) -> list[tuple[str, str | None]]:
    return [(issue.code, issue.key) for issue in operations(mapping, node, adapter)[1]]


def test_everything_that_a_dbt_af_project_writes() -> None:
    mapping = {
        "ttl": {"key": "etl_updated_dttm", "expiration_timeout": 10, "additional_predicate": "status = 'accepted'"},
        "persist_docs": True,
        "optimize_table": True,
        "vacuum_table": True,
        "deduplicate_table": True,
    }
    found, issues = operations(mapping, adapter="databricks")
    assert issues == ()
    ttl = (("additional_predicate", "status = 'accepted'"), ("expiration_timeout", 10), ("key", "etl_updated_dttm"))
    assert found == (
        MaintenanceOperation("ttl", ttl),
        MaintenanceOperation("deduplicate", (("unique_key", ("order_id", "region")),)),
        MaintenanceOperation("optimize"),
        MaintenanceOperation("vacuum"),
        MaintenanceOperation("persist_docs"),
    )


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"ttl": None, "persist_docs": None, "optimize_table": None, "vacuum_table": None, "deduplicate_table": None},
        {"persist_docs": False, "optimize_table": False, "vacuum_table": False, "deduplicate_table": False},
    ],
)
def test_nothing_is_asked_for(mapping: dict[str, Any]) -> None:
    assert operations(mapping) == ((), ())


def test_a_force_predicate_needs_nothing_else_and_passes_nothing_else() -> None:
    alone = (MaintenanceOperation("ttl", (("force_predicate", "status = 'rejected'"),)),)
    for mapping in (
        {"force_predicate": "status = 'rejected'"},
        {"force_predicate": " status = 'rejected' ", "key": "", "expiration_timeout": 0, "additional_predicate": ""},
        {"force_predicate": "status = 'rejected'", "key": "seen_at", "expiration_timeout": 10},
    ):
        assert operations({"ttl": mapping}) == (alone, ())
    with_both = {"force_predicate": "status = 'rejected'", "additional_predicate": "id > 3"}
    found, issues = operations({"ttl": with_both})
    assert found == alone
    assert [(issue.code, issue.is_error) for issue in issues] == [("maintenance-no-effect", False)]


@pytest.mark.parametrize(
    ("mapping", "issues"),
    [
        ({"ttl": {}}, [("bad-maintenance", "ttl.key"), ("bad-maintenance", "ttl.expiration_timeout")]),
        ({"ttl": {"key": " ", "expiration_timeout": 1}}, [("bad-maintenance", "ttl.key")]),
        ({"ttl": {"key": "a", "expiration_timeout": 0}}, [("bad-maintenance", "ttl.expiration_timeout")]),
        ({"ttl": {"key": "a", "expiration_timeout": -1}}, [("bad-maintenance", "ttl.expiration_timeout")]),
        ({"ttl": {"key": "a", "expiration_timeout": 365_001}}, [("bad-maintenance", "ttl.expiration_timeout")]),
        ({"ttl": {"key": "a", "expiration_timeout": True}}, [("bad-maintenance", "ttl.expiration_timeout")]),
        ({"ttl": {"key": "a", "expiration_timeout": "ten"}}, [("bad-maintenance", "ttl.expiration_timeout")]),
        ({"ttl": {"key": 5, "expiration_timeout": 1}}, [("bad-maintenance", "ttl.key")]),
        ({"ttl": 10}, [("bad-maintenance", "ttl")]),
        ({"ttl": {"key": "a", "expiration_timout": 1}}, [("unknown-maintenance-key", "ttl.expiration_timout")]),
        ({"vacuum": True}, [("unknown-maintenance-key", "vacuum")]),
        ({"vacuum_table": "often"}, [("bad-maintenance", "vacuum_table")]),
        ({"deduplicate_table": {"unique_key": []}}, [("bad-maintenance", "deduplicate_table.unique_key")]),
        ({"deduplicate_table": {"unique_key": [5]}}, [("bad-maintenance", "deduplicate_table.unique_key[0]")]),
        ({"deduplicate_table": {"order": "x"}}, [("unknown-maintenance-key", "deduplicate_table.order")]),
        ({"deduplicate_table": "id"}, [("bad-maintenance", "deduplicate_table")]),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_with_its_key_and_left_out(
    mapping: dict[str, Any], issues: list[tuple[str, str]]
) -> None:
    assert told(mapping) == [(code, f"maintenance.{key}") for code, key in issues]
    assert operations(mapping)[0] == ()
    assert all(issue.is_error and issue.node == ORDERS.unique_id and issue.file for issue in operations(mapping)[1])


def test_all_problems_at_once_and_what_is_right_goes_on() -> None:
    mapping = {"ttl": {"key": "a"}, "vaccum_table": True, "vacuum_table": True, "deduplicate_table": 7}
    found, issues = operations(mapping)
    assert found == (MaintenanceOperation("vacuum"),)
    assert [issue.key for issue in issues] == [
        "maintenance.deduplicate_table",
        "maintenance.vaccum_table",
        "maintenance.ttl.expiration_timeout",
    ]
    assert "Did you mean `vacuum_table`?" in issues[1].fix


def test_deduplicate_takes_a_key_of_its_own_or_that_of_the_model() -> None:
    own = {"deduplicate_table": {"unique_key": "id", "order_by": ["updated_at desc", "id"]}}
    options = (("order_by", ("updated_at desc", "id")), ("unique_key", ("id",)))
    assert operations(own)[0] == (MaintenanceOperation("deduplicate", options),)
    text = replace(ORDERS, config={"unique_key": "id"})
    for asked in (True, {}, {"unique_key": None}):
        assert operations({"deduplicate_table": asked}, text)[0] == (
            MaintenanceOperation("deduplicate", (("unique_key", ("id",)),)),
        )
    for config in ({}, {"unique_key": None}, {"unique_key": ""}, {"unique_key": []}):
        node = replace(ORDERS, config=config)
        assert told({"deduplicate_table": True}, node) == [("maintenance-without-key", "maintenance.deduplicate_table")]


def test_the_history_of_a_snapshot_is_no_copy() -> None:
    history = replace(ORDERS, resource_type="snapshot", materialized="snapshot")
    found, issues = operations({"deduplicate_table": True}, history)
    assert found == ()
    assert "history" in issues[0].message
    told_how = {"deduplicate_table": {"unique_key": ["order_id", "dbt_valid_from"]}}
    assert len(operations(told_how, history)[0]) == 1


@pytest.mark.parametrize("materialized", ["view", "ephemeral", "materialized_view", "external"])
def test_a_node_without_rows_is_passed_over_with_a_warning(materialized: str) -> None:
    node = replace(ORDERS, materialized=materialized)
    found, issues = operations({"vacuum_table": True, "persist_docs": True}, node)
    assert {issue.code for issue in issues} == {"maintenance-without-table"}
    assert not any(issue.is_error for issue in issues)
    assert [operation.name for operation in found] == ([] if materialized == "ephemeral" else ["persist_docs"])


def test_what_an_adapter_does_not_have_is_left_out_with_the_reason() -> None:
    found, issues = operations({"vacuum_table": True, "optimize_table": True, "persist_docs": True}, adapter="bigquery")
    assert [operation.name for operation in found] == ["persist_docs"]
    assert [(issue.code, issue.key, issue.is_error) for issue in issues] == [
        ("maintenance-unsupported", "maintenance.optimize_table", False),
        ("maintenance-unsupported", "maintenance.vacuum_table", False),
    ]
    assert "time travel" in issues[1].message


def test_an_adapter_that_the_macros_do_not_know_is_an_error() -> None:
    found, issues = operations({"ttl": {"key": "a", "expiration_timeout": 1}}, adapter="athena")
    assert found == ()
    assert [(issue.code, issue.is_error) for issue in issues] == [("maintenance-unknown-adapter", True)]
    assert operations({"ttl": {"key": "a", "expiration_timeout": 1}}, adapter=None)[1] == ()


def test_arguments_of_the_operation() -> None:
    ttl = MaintenanceOperation("ttl", (("expiration_timeout", 10), ("key", "seen_at")))
    end = datetime(2026, 3, 31, 8, 0, tzinfo=timezone(timedelta(hours=2)))
    assert run_operation_args(ttl, "model.shop.orders", end) == (
        "dbt_af_k8s.ttl",
        {
            "model": "model.shop.orders",
            "expiration_timeout": 10,
            "key": "seen_at",
            "as_of": "2026-03-31T06:00:00+00:00",
        },
    )
    deduplicate = MaintenanceOperation("deduplicate", (("unique_key", ("a", "b")),))
    assert run_operation_args(deduplicate, "seed.shop.x", end) == (
        "dbt_af_k8s.deduplicate",
        {"model": "seed.shop.x", "unique_key": ["a", "b"]},
    )
    with pytest.raises(ValueError, match="time zone"):
        run_operation_args(ttl, "model.shop.orders", datetime(2026, 3, 31))  # noqa: DTZ001


def test_a_result_is_found_behind_a_prefix_and_before_a_tail() -> None:
    line = '[base] 12:00:00  dbt_af_k8s result: {"operation": "ttl", "rows_deleted": 3} and more'
    assert maintenance_result(line) == {"operation": "ttl", "rows_deleted": 3}
    for other in (
        "",
        "1 of 1 OK",
        "dbt_af_k8s result: ",
        "dbt_af_k8s result: {",
        "dbt_af_k8s result: []",
        'dbt_af_k8s result: {"operation": "other"}',
    ):
        assert maintenance_result(other) is None


def test_the_support_table_is_whole_and_gives_reasons() -> None:
    assert [(row.operation, row.adapter) for row in SUPPORT_TABLE] == [
        (operation, adapter) for operation in MACROS for adapter in ADAPTERS
    ]
    assert all(row.why for row in SUPPORT_TABLE if row.support is Support.UNSUPPORTED)
    proven = {row.adapter for row in SUPPORT_TABLE if row.support is Support.SUPPORTED}
    assert proven == {"duckdb", "postgres"}
    assert support("ttl", "athena").support is Support.UNKNOWN_ADAPTER


def test_the_page_says_what_the_table_says() -> None:
    """The columns of the page are the operations, its rows the adapters."""
    page = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "maintenance.md"
    lines = [line.strip("|").split("|") for line in page.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    cells = {line[0].strip(" `"): [cell.strip() for cell in line[1:]] for line in lines}
    order = ("ttl", "deduplicate", "vacuum", "optimize", "persist_docs")
    words = {Support.SUPPORTED: ("proven",), Support.UNPROVEN: ("unproven",), Support.UNSUPPORTED: ("does ",)}
    for row in SUPPORT_TABLE:
        cell = cells[row.adapter][order.index(row.operation)]
        assert cell.startswith(words[row.support]), (row, cell)


def test_unproven_operations_are_told_once() -> None:
    (issue,) = unproven_issues(["vacuum", "ttl", "ttl"], "redshift")
    assert "`ttl`, `vacuum`" in issue.message
    assert not issue.is_error
    assert unproven_issues(["ttl"], "duckdb") == ()
    assert unproven_issues([], "redshift") == ()
    assert unproven_issues(["vacuum"], "bigquery") == ()
