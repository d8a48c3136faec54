"""Every node of two projects, from its slice and on the whole project: the same results, SQL, relations and rows.

The slice side has one process per node, as tasks do; the whole side runs all nodes of one verb at once, level by
level, which is the same to dbt and takes a tenth of the time.
"""

from graphlib import TopologicalSorter
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

#: What differs from run to run by nature.
_CLOCKED = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "loaded_at")


def in_order(manifest: dict[str, Any]) -> list[str]:
    """The nodes that a task may run, parents first; tests after all else, as they do not wait for each other."""
    graph = {key: node["depends_on"].get("nodes", []) for key, node in manifest["nodes"].items()}
    ordered = [key for key in TopologicalSorter(graph).static_order() if key in manifest["nodes"]]
    runnable = [
        key
        for key in ordered
        if manifest["nodes"][key]["resource_type"] in ("model", "seed", "snapshot", "test")
        and manifest["nodes"][key]["config"]["materialized"] != "ephemeral"
    ]
    return [key for key in runnable if not key.startswith("test.")] + [
        key for key in runnable if key.startswith("test.")
    ]


def told(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What must be the same of each node's row; hooks have none of their own here."""
    return {
        row["unique_id"]: {
            "status": row["status"],
            "failures": row["failures"],
            "relation": row["relation_name"],
            "sql": row["compiled_code"],
            "message": (row["message"] or "").partition("compiled code at")[0],
        }
        for row in rows
    }


def contents(database: Path) -> dict[str, Any]:
    """Every relation of a database: its kind, its columns with comments, its rows."""
    with duckdb.connect(str(database), read_only=True) as opened:
        tables = opened.execute(
            "select table_schema, table_name, table_type, TABLE_COMMENT from information_schema.tables order by all"
        ).fetchall()
        found: dict[str, Any] = {}
        for schema, name, *kind in tables:
            about = opened.execute(
                "select column_name, data_type, is_nullable, COLUMN_COMMENT from information_schema.columns "
                "where table_schema = ? and table_name = ? order by ordinal_position",
                [schema, name],
            ).fetchall()
            kept = ", ".join(f'"{column}"' for column, *_ in about if column not in _CLOCKED)
            rows = opened.execute(f'select {kept} from "{schema}"."{name}" order by all').fetchall()
            found[f"{schema}.{name}"] = (kind, about, rows)
    return found


def both_ways(project, run_node, warm, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    manifest = project.manifest
    order = in_order(manifest)
    databases = {True: folder / "sliced" / "shop.duckdb", False: folder / "whole" / "shop.duckdb"}
    results: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for database in databases.values():
        database.parent.mkdir()
    if (project.root / "demo.py").exists():
        # The example's sources are tables that its seeds make.
        order.sort(key=lambda key: not key.startswith("seed."))
    for number, (_, keys) in enumerate(groupby(order, lambda key: (key.split(".")[0], is_microbatch(manifest, key)))):
        group = list(keys)
        whole = run_node(
            project, project.invocation(*group), folder / f"whole_{number}", sliced=False, database=databases[False]
        )
        assert whole.rows, whole.lines
        results[False] |= told(whole.rows)
        for at, key in enumerate(group):
            one = run_node(
                project,
                project.invocation(key),
                folder / f"one_{number}_{at}",
                sliced=True,
                database=databases[True],
                warm=warm,
            )
            assert one.refused is None, one.refused
            results[True] |= told(one.rows)
            failed = results[True][key]["status"] in ("error", "fail")
            assert one.code == int(failed), one.lines
    return (
        {"results": results[True], "rows": contents(databases[True])},
        {"results": results[False], "rows": contents(databases[False])},
    )


def is_microbatch(manifest: dict[str, Any], key: str) -> bool:
    return manifest["nodes"][key]["config"].get("incremental_strategy") == "microbatch"


def without_hook_log(found: dict[str, Any]) -> dict[str, Any]:
    """Hooks run once per process, so their log has one line per node on one side."""
    rows = dict(found["rows"])
    *_, lines = rows.pop("main.hook_log", (None, None, []))
    return {"results": found["results"], "rows": rows, "hooks": sorted(set(lines))}


def test_a_project_with_many_features(many_features, run_node, warm_driver, tmp_path) -> None:
    assert many_features.summary.refused == 0, many_features.summary.reasons
    sliced, whole = both_ways(many_features, run_node, warm_driver, tmp_path)
    statuses = {result["status"] for result in sliced["results"].values()}
    assert statuses == {"success", "error", "pass", "fail", "warn"}
    assert without_hook_log(sliced) == without_hook_log(whole)


def test_the_example_project(shop_sliced, run_node, warm_driver, tmp_path) -> None:
    assert shop_sliced.summary.refused == 0, shop_sliced.summary.reasons
    sliced, whole = both_ways(shop_sliced, run_node, warm_driver, tmp_path)
    assert len(sliced["results"]) > 30
    assert sliced == whole
