"""The upkeep of a node's table: what its `maintenance` asks for, and the dbt operation that does it.

The keys are dbt-af's (`DbtAFMaintenanceConfig`), so that its projects open unchanged. The operations are macros of the
dbt package `dbt_af_k8s` that lies in `dbt/package/`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from dbt_af_k8s.config.problems import Finding, dotted, findings
from dbt_af_k8s.config.wording import shown
from dbt_af_k8s.dbt.maintenance_adapters import MACROS, Support, support
from dbt_af_k8s.errors import Issue, error, warning
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.names import DBT_PACKAGE

#: What a log line of a macro begins with, before its JSON.
RESULT_PREFIX = "dbt_af_k8s result: "
#: Most days of a TTL: a thousand years, so that no cutoff leaves the calendar.
MOST_DAYS = 365_000
#: Key of a node's `maintenance` -> macro, in the order in which the operations of one node make sense.
_OPERATION_OF_KEY = {
    "ttl": "ttl",
    "deduplicate_table": "deduplicate",
    "optimize_table": "optimize",
    "vacuum_table": "vacuum",
    "persist_docs": "persist_docs",
}
#: Materializations without rows of their own. A comment is all that can be put on them.
_WITHOUT_ROWS = frozenset(
    {"view", "materialized_view", "external", "dynamic_table", "streaming_table", "materializedview"}
)


@dataclass(frozen=True, slots=True)
class MaintenanceOperation:
    """One operation on one node's table."""

    #: Name of the macro: `ttl`, `deduplicate`, `optimize`, `vacuum` or `persist_docs`.
    name: str
    #: Arguments of the macro besides the model and the time, as pairs sorted by name; lists are tuples of text.
    options: tuple[tuple[str, str | int | tuple[str, ...]], ...] = ()


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "no number")
    return value


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _switch(value: Any) -> Any:
    """`true` asks for the operation with its defaults, `false` for none."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        value = value.strip().lower() == "true"
    if isinstance(value, bool):
        return {} if value else None
    return value


_Name = Annotated[str, Field(min_length=1)]
_Names = Annotated[tuple[_Name, ...], BeforeValidator(_names), Field(min_length=1)]


class TtlMeta(BaseModel):
    """Rows that are deleted when they are old. Needs `key` and `expiration_timeout`, or `force_predicate`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str | None, Field(description="Column with the time of a row: a date or a timestamp.")] = None
    expiration_timeout: Annotated[
        Annotated[int, BeforeValidator(_no_bool)] | None,
        Field(description="Rows older than so many days before the end of the data interval are deleted."),
    ] = None
    additional_predicate: Annotated[
        str | None, Field(description="SQL: of the old rows, only those for which it holds as well.")
    ] = None
    force_predicate: Annotated[
        str | None, Field(description="SQL: the rows that are deleted, in place of everything else here.")
    ] = None


class DeduplicateMeta(BaseModel):
    """Which rows are copies of one another, and which of them stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unique_key: Annotated[
        _Names | None, Field(description="Columns that make a row the same row; left out, the model's `unique_key`.")
    ] = None
    order_by: Annotated[
        _Names | None, Field(description="Columns, each with `asc` or `desc` after it: the first row stays.")
    ] = None


class MaintenanceMeta(BaseModel):
    """The node setting `maintenance`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ttl: Annotated[TtlMeta | None, Field(description="Delete old rows.")] = None
    persist_docs: Annotated[bool | None, Field(description="Write descriptions into the warehouse's comments.")] = None
    optimize_table: Annotated[bool | None, Field(description="Compact and sort the table's files.")] = None
    vacuum_table: Annotated[bool | None, Field(description="Give the space of deleted rows back.")] = None
    deduplicate_table: Annotated[
        Annotated[DeduplicateMeta, BeforeValidator(_switch)] | None,
        BeforeValidator(_switch),
        Field(description="Keep one row of each key: true, or `{unique_key: [...], order_by: [...]}`."),
    ] = None


def maintenance_operations(
    mapping: Mapping[str, Any], *, node: Node, file: str, adapter: str | None
) -> tuple[tuple[MaintenanceOperation, ...], tuple[Issue, ...]]:
    """The operations that a node's `maintenance` asks for, and everything that is wrong with it.

    `adapter` is the type of the target that maintenance runs on (`postgres`), None where it is not known. What is
    wrong, or cannot be done to this node or on this adapter, is left out of the operations and told as an issue.
    """
    meta, found = _validated(mapping)
    found += _ttl_findings(meta.ttl)
    broken = {str(finding.path[0]) for finding in found}
    issues = [_told(finding, node, file) for finding in found]
    if meta.ttl is not None and _text(meta.ttl.force_predicate) and _text(meta.ttl.additional_predicate):
        message = "`additional_predicate` has no effect beside `force_predicate`, which takes the place of everything."
        fix = "Remove one of the two, or write both conditions into `force_predicate`."
        key = "maintenance.ttl.additional_predicate"
        issues.append(warning("maintenance-no-effect", message, fix, file=file, node=node.unique_id, key=key))
    operations = []
    for key, name in _OPERATION_OF_KEY.items():
        asked = getattr(meta, key)
        if asked is None or asked is False or key in broken:
            continue
        obstacle = _obstacle(key, name, asked, node, file, adapter)
        if obstacle is not None:
            issues.append(obstacle)
        else:
            operations.append(MaintenanceOperation(name, _options(asked, node)))
    return tuple(operations), tuple(issues)


def run_operation_args(operation: MaintenanceOperation, node: str, as_of: datetime) -> tuple[str, dict[str, Any]]:
    """The macro for `dbt run-operation` and its `--args`, for the node of that unique_id.

    `as_of` is the end of the data interval, aware: a TTL counts its days back from there. ValueError if it is naive.
    """
    if as_of.utcoffset() is None:
        raise ValueError(f"as_of needs a time zone: {as_of.isoformat()}")
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in operation.options}
    if operation.name == "ttl":
        options["as_of"] = as_of.astimezone(UTC).isoformat()
    return f"{DBT_PACKAGE}.{operation.name}", {"model": node, **options}


def maintenance_result(message: str) -> dict[str, Any] | None:
    """What an operation says of itself in a line of dbt's log, or None for any other line.

    `operation`, `model`, `relation` and `outcome` (`done` or `not built`) are always there; `rows_deleted` is a number
    or None where the warehouse does not tell.
    """
    begin = message.find(RESULT_PREFIX)
    if begin < 0:
        return None
    try:
        result, _ = json.JSONDecoder().raw_decode(message[begin + len(RESULT_PREFIX) :])
    except (ValueError, RecursionError):
        return None
    return result if isinstance(result, dict) and result.get("operation") in MACROS else None


def _validated(mapping: Mapping[str, Any]) -> tuple[MaintenanceMeta, list[Finding]]:
    """The keys that are right, and what is wrong with the others."""
    try:
        return MaintenanceMeta.model_validate(dict(mapping)), []
    except ValidationError as failed:
        found = findings(failed, MaintenanceMeta)
    broken = {finding.path[0] for finding in found}
    right = {key: value for key, value in mapping.items() if key in MaintenanceMeta.model_fields and key not in broken}
    return MaintenanceMeta.model_validate(right), found


def _ttl_findings(ttl: TtlMeta | None) -> Iterator[Finding]:
    """What a TTL lacks. dbt-af's rule: with `force_predicate` nothing else counts, whatever it says."""
    if ttl is None or _text(ttl.force_predicate):
        return
    if not _text(ttl.key):
        fix = "Name a column of type date or timestamp, or say in `force_predicate` which rows go."
        yield Finding(("ttl", "key"), "missing", "A TTL needs `key`, the column with the time of a row.", fix)
    days = ttl.expiration_timeout
    if days is None:
        fix = "Write for how many days a row is kept."
        yield Finding(("ttl", "expiration_timeout"), "missing", "A TTL needs `expiration_timeout`, in days.", fix)
    elif not 1 <= days <= MOST_DAYS:
        message = f"`expiration_timeout` must be from 1 to {MOST_DAYS} days, found {shown(days)}."
        fix = "Write for how many days a row is kept; remove `ttl` to keep all rows."
        yield Finding(("ttl", "expiration_timeout"), "wrong", message, fix)


def _without_key(asked: Any, node: Node) -> tuple[str, str] | None:
    """What is wrong where copies cannot be told, and the fix. A snapshot's own `unique_key` has a row per version."""
    if not isinstance(asked, DeduplicateMeta) or asked.unique_key:
        return None
    fix = "Write `deduplicate_table: {unique_key: [...]}` with the columns that make a row the same row."
    if node.resource_type == "snapshot":
        message = "The `unique_key` of a snapshot has a row for each version; by it the history would be deleted."
        return message, f"{fix} `dbt_valid_from` is one of them."
    return None if _own_key(node) else ("The node has no `unique_key` to find copies by.", fix)


def _own_key(node: Node) -> tuple[str, ...]:
    """The node's `unique_key` of dbt, which is a text or a list."""
    key = node.config.get("unique_key")
    names = [key] if isinstance(key, str) else key if isinstance(key, list | tuple) else []
    return tuple(name for name in names if isinstance(name, str) and name.strip())


def _obstacle(key: str, name: str, asked: Any, node: Node, file: str, adapter: str | None) -> Issue | None:
    """Why the operation cannot be done to this node, or on this adapter."""
    make, fix = warning, f"Remove `{key}` from this node."
    row = None if adapter is None else support(name, adapter)
    if node.is_ephemeral or (node.materialized in _WITHOUT_ROWS and name != "persist_docs"):
        code = "maintenance-without-table"
        message = f"`{key}` needs a table, and the node is `{node.materialized}`; the operation is left out."
    elif row is not None and row.support is Support.UNKNOWN_ADAPTER:
        make, code = error, "maintenance-unknown-adapter"
        message = f"`{key}` cannot run on the adapter `{adapter}`: {row.why}"
        fix = f"Remove `{key}`, or give maintenance another target (`targets.maintenance`)."
    elif row is not None and row.support is Support.UNSUPPORTED:
        code = "maintenance-unsupported"
        message = f"`{key}` does not exist on `{adapter}`, so it is left out: {row.why}"
    elif (fault := _without_key(asked, node)) is not None:
        code, message, fix = "maintenance-without-key", f"{fault[0]} The operation is left out.", fault[1]
    else:
        return None
    return make(code, message, fix, file=file, node=node.unique_id, key=f"maintenance.{key}")


def _options(asked: Any, node: Node) -> tuple[tuple[str, str | int | tuple[str, ...]], ...]:
    match asked:
        case TtlMeta(force_predicate=str(force)) if force.strip():
            return (("force_predicate", force.strip()),)
        case TtlMeta(key=str(key), expiration_timeout=int(days)):
            more = _text(asked.additional_predicate)
            return (
                *((("additional_predicate", more),) if more else ()),
                ("expiration_timeout", days),
                ("key", key.strip()),
            )
        case DeduplicateMeta():
            order = (("order_by", asked.order_by),) if asked.order_by else ()
            return (*order, ("unique_key", asked.unique_key or _own_key(node)))
        case _:
            return ()


def _text(value: str | None) -> str:
    return (value or "").strip()


def _told(finding: Finding, node: Node, file: str) -> Issue:
    key = f"maintenance.{dotted(finding.path)}"
    code = "unknown-maintenance-key" if finding.kind == "unknown" else "bad-maintenance"
    return error(code, finding.message, finding.fix, file=file, node=node.unique_id, key=key)
