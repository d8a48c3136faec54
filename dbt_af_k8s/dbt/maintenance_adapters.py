"""Which maintenance operation exists on which warehouse, and how sure that is: rows for `check` and for the docs."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dbt_af_k8s.errors import Issue, warning

#: The macros of the dbt package, in the order of the docs.
MACROS = ("ttl", "deduplicate", "vacuum", "optimize", "persist_docs")
#: Types of dbt adapters that the macros know. `databricks` and `spark` mean tables in Delta or Iceberg format, `trino`
#: a catalog of its Iceberg connector.
ADAPTERS = ("duckdb", "postgres", "snowflake", "bigquery", "databricks", "spark", "redshift", "trino")


class Support(StrEnum):
    """How an operation stands on an adapter."""

    #: The tests run it on the real warehouse and look at the rows.
    SUPPORTED = "supported"
    #: There are statements, accepted by a parser of the dialect; no test has run them on the warehouse itself.
    UNPROVEN = "unproven"
    #: The warehouse has no such operation, and mostly needs none.
    UNSUPPORTED = "unsupported"
    #: The package has no statements for this adapter.
    UNKNOWN_ADAPTER = "unknown adapter"


@dataclass(frozen=True, slots=True)
class OperationSupport:
    """One row: an operation on an adapter."""

    operation: str
    adapter: str
    support: Support
    #: Why it is not there, or what it needs; else empty.
    why: str = ""


_PROVEN_ADAPTERS = ("duckdb", "postgres")
_UNSUPPORTED = {
    ("optimize", "duckdb"): "DuckDB compacts a table in `vacuum_table`.",
    ("optimize", "postgres"): "PostgreSQL has `vacuum_table`, and an index for the order of reading.",
    ("vacuum", "snowflake"): "Snowflake frees storage itself when Time Travel ends.",
    ("optimize", "snowflake"): "Snowflake clusters a table itself; give the model `cluster_by`.",
    ("vacuum", "bigquery"): "BigQuery frees storage itself when its time travel window ends.",
    ("optimize", "bigquery"): "BigQuery clusters a table itself; give the model `cluster_by`.",
}
_NEEDS = {
    ("vacuum", "databricks"): "Delta tables only.",
    ("optimize", "databricks"): "Delta tables only.",
    ("ttl", "spark"): "Delta or Iceberg tables only.",
    ("deduplicate", "spark"): "Delta or Iceberg tables only.",
    ("vacuum", "spark"): "Delta tables only.",
    ("optimize", "spark"): "Delta tables only.",
    ("ttl", "trino"): "Iceberg tables only.",
    ("deduplicate", "trino"): "Iceberg tables only.",
    ("vacuum", "trino"): "Iceberg tables only; keeps snapshots of the last seven days.",
    ("optimize", "trino"): "Iceberg tables only.",
}


def support(operation: str, adapter: str) -> OperationSupport:
    """How the operation (`ttl`) stands on a dbt adapter type (`postgres`)."""
    if adapter not in ADAPTERS:
        known = ", ".join(ADAPTERS)
        return OperationSupport(operation, adapter, Support.UNKNOWN_ADAPTER, f"the macros know {known}.")
    reason = _UNSUPPORTED.get((operation, adapter))
    if reason is not None:
        return OperationSupport(operation, adapter, Support.UNSUPPORTED, reason)
    proven = Support.SUPPORTED if adapter in _PROVEN_ADAPTERS else Support.UNPROVEN
    return OperationSupport(operation, adapter, proven, _NEEDS.get((operation, adapter), ""))


#: Every operation on every adapter that the macros know.
SUPPORT_TABLE = tuple(support(operation, adapter) for operation in MACROS for adapter in ADAPTERS)


def unproven_issues(operations: Iterable[str], adapter: str) -> tuple[Issue, ...]:
    """One warning for `check` where operations of a plan have never run on the adapter in our tests."""
    asked = frozenset(operations)
    unproven = [name for name in MACROS if name in asked and support(name, adapter).support is Support.UNPROVEN]
    if not unproven:
        return ()
    named = ", ".join(f"`{name}`" for name in unproven)
    message = (
        f"Maintenance by {named} is unproven on `{adapter}`: its statements were parsed, never run there by our tests."
    )
    fix = "Try it on a copy of a table first, and look at the rows."
    return (warning("maintenance-unproven", message, fix, key="maintenance"),)
