"""Every node of two projects on DuckDB, from slices and on the whole project: the same results, SQL and rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sliced_projects import CLOCKED, Runner, Sliced, clean_environment, in_groups, parse_and_slice

pytestmark = [pytest.mark.dbt, pytest.mark.slow]


@pytest.fixture(scope="module")
def many_features(many_features_unparsed: Path) -> Sliced:
    return parse_and_slice(many_features_unparsed, clean_environment())


def together(key: str) -> bool:
    return False


def is_source(key: str) -> bool:
    return key.startswith("source.")


def all_but_tests(key: str) -> bool:
    return not key.startswith("test.")


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
            kept = ", ".join(f'"{column}"' for column, *_ in about if column not in CLOCKED)
            rows = opened.execute(f'select {kept} from "{schema}"."{name}" order by all').fetchall()
            found[f"{schema}.{name}"] = (kind, about, rows)
    return found


def both_ways(
    project: Sliced, warm, folder: Path, *, alone: Callable[[str], bool], maintained: bool
) -> list[dict[str, Any]]:
    found = []
    # The example's sources are tables that its seeds make.
    groups = in_groups(project.manifest, seeds_first=True)
    for name in ("sliced", "whole"):
        database = folder / name / "shop.duckdb"
        database.parent.mkdir()
        with duckdb.connect(str(database)) as opened:
            # dbt cannot make functions in DuckDB, and no task of ours runs them.
            opened.execute("create macro twice(x) as x * 2")
        sliced = name == "sliced"
        runner = Runner(project, warm, folder / name, {"SHOP_DUCKDB": str(database)}, {"flavour": "plain"}, sliced)
        told = runner.run_all(groups, alone=alone if sliced else together)
        if maintained:
            told["ttl"] = runner.maintain("model.shop.events", "ttl", key="at", expiration_timeout=1)
            told["deduplicate"] = runner.maintain("model.shop.looped", "deduplicate", unique_key="id")
        found.append({"results": told, "rows": contents(database)})
    return found


def without_hook_log(found: dict[str, Any]) -> dict[str, Any]:
    """Hooks run once per process, so their log has one line per node on one side."""
    rows = dict(found["rows"])
    *_, lines = rows.pop("main.hook_log", (None, None, []))
    return {"results": found["results"], "rows": rows, "hooks": sorted(set(lines))}


def test_a_project_with_many_features(many_features, warm_dbt, tmp_path) -> None:
    assert many_features.summary.refused == 0, many_features.summary.reasons
    sliced, whole = both_ways(many_features, warm_dbt, tmp_path, alone=all_but_tests, maintained=True)
    statuses = {result["status"] for key, result in sliced["results"].items() if "." in key}
    assert statuses == {"success", "error", "pass", "fail", "warn"}
    assert without_hook_log(sliced) == without_hook_log(whole)


def test_the_example_project(shop_sliced, warm_dbt, tmp_path) -> None:
    assert shop_sliced.summary.refused == 0, shop_sliced.summary.reasons
    sliced, whole = both_ways(shop_sliced, warm_dbt, tmp_path, alone=is_source, maintained=False)
    assert len(sliced["results"]) > 30
    for found in (sliced, whole):
        for key in filter(is_source, found["results"]):
            # The shop's tables are as old as their seeds.
            assert found["results"][key].pop("max_loaded_at")
    assert sliced == whole


def test_dbt_lists_only_the_relations_that_a_node_may_look_for(many_features, warm_dbt, tmp_path) -> None:
    database = tmp_path / "shop.duckdb"
    with duckdb.connect(str(database)) as opened:
        opened.execute("create table kept as select 0 as id; create table colours as select 1 as id, 'red' as name")
    runner = Runner(many_features, warm_dbt, tmp_path, {"SHOP_DUCKDB": str(database)}, {}, sliced=True)
    asked = {}
    for node in ("kept", "looks_around"):
        done = runner.run(many_features.invocation(f"model.shop.{node}"), node, "--log-level", "debug")
        assert done.code == 0, done.lines
        asked[node] = any(f"left(lower(name), {len(node)}) = '{node}'" in line for line in done.lines)
    assert asked == {"kept": True, "looks_around": False}
    with duckdb.connect(str(database)) as opened:
        assert opened.execute("select * from kept").fetchall() == [(1,)]
        assert opened.execute("select found from looks_around").fetchall() == [('"shop"."main"."colours"',)]
