"""Nodes of a project on two targets in PostgreSQL, from slices and on the whole project: the same in all.

All of them on the first target; on the second one, which has other names and vars, seeds and most models.
"""

from pathlib import Path
from typing import Any

import pytest
from postgres import PostgresServer
from sliced_projects import CLOCKED, Runner, Sliced, clean_environment, first_of_their_kind, in_groups, parse_and_slice

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

#: Python models are not for PostgreSQL.
LEFT_OUT = ("model.shop.pythonic",)
_TABLES = """
select n.nspname, c.relname, c.relkind::text, obj_description(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' order by 1, 2
"""
_COLUMNS = """
select attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)
from pg_attribute where attrelid = '"{}"."{}"'::regclass and attnum > 0 and not attisdropped order by attnum
"""


#: No task of ours runs functions.
_FUNCTION = "create function {}.twice(x integer) returns integer language sql as 'select x * 2'"


def contents(server: PostgresServer) -> dict[str, Any]:
    """Every relation of the database: its kind, its columns with comments, its rows."""
    found: dict[str, Any] = {}
    for schema, name, *kind in server.run(_TABLES, database="shop"):
        about = server.run(_COLUMNS.format(schema, name), database="shop")
        kept = ", ".join(f'"{column}"' for column, *_ in about if column not in CLOCKED)
        rows = server.run(f'select {kept} from "{schema}"."{name}"', database="shop")
        found[f"{schema}.{name}"] = (kind, about, sorted(rows, key=repr))
    return found


def both_ways(
    project: Sliced, server: PostgresServer, warm, folder: Path, variables: dict[str, Any], *, few: bool
) -> list[dict[str, Any]]:
    found = []
    groups = in_groups(project.manifest, seeds_first=True, leave_out=LEFT_OUT)
    first = first_of_their_kind(project.manifest)
    if few:
        groups = groups[:2]
    for name in ("sliced", "whole"):
        server.run("drop database if exists shop")
        server.run("create database shop")
        for schema in ("main", "elsewhere"):
            server.run(f"create schema {schema}", database="shop")
            server.run(_FUNCTION.format(schema), database="shop")
        sliced = name == "sliced"
        runner = Runner(project, warm, folder / name, {}, variables, sliced)
        told = runner.run_all(groups, alone=lambda key, sliced=sliced: sliced and (key in first or key[:6] == "source"))
        if not few:
            told["ttl"] = runner.maintain("model.shop.events", "ttl", key="at", expiration_timeout=1)
        rows = contents(server)
        # Hooks run once per process, so their log has one line per node on one side.
        *_, lines = rows.pop("public.hook_log", (None, None, []))
        found.append({"results": told, "rows": rows, "hooks": sorted(set(lines))})
    return found


@pytest.mark.parametrize(("target", "flavour", "few"), [("pg", "plain", False), ("pg_other", "odd one", True)])
def test_two_targets_with_vars_of_their_own(
    many_features_unparsed, postgres_server, warm_dbt, tmp_path, target: str, flavour: str, few: bool
) -> None:
    environment = clean_environment(SHOP_PORT=str(postgres_server.port))
    project = parse_and_slice(many_features_unparsed, environment, target)
    assert project.summary.refused == 0, project.summary.reasons
    sliced, whole = both_ways(project, postgres_server, warm_dbt, tmp_path, {"flavour": flavour}, few=few)
    schemas = {name.partition(".")[0] for name in sliced["rows"]}
    assert ("elsewhere" in schemas) == (target == "pg_other")
    assert sliced == whole
