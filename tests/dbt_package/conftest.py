"""The shop with tables to maintain, on each warehouse in turn."""

from collections.abc import Iterator

import duckdb
import pytest
from maintained_shop import Warehouse, WarmDbt, write_project
from postgres import PostgresServer, postgres_server

__all__ = ["postgres_server"]


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Each warehouse in turn, with the package installed by `dbt deps` from its local path."""
    project = tmp_path_factory.mktemp(request.param) / "shop"
    if request.param == "postgres":
        server: PostgresServer | None = request.getfixturevalue("postgres_server")
        assert server is not None
        login = f"host: {server.host}, port: {server.port}, user: {server.user}, pass: '', dbname: postgres"
        postgres = f"type: postgres, schema: main, threads: 1, {login}"
        write_project(project, f"postgres: {{{postgres}}}, other: {{{postgres}, autocommit: true}}")
        # pytest makes this fixture anew whenever it has been at the other warehouse in between.
        for schema in ('"main_Mixed Case"', "main"):
            server.run(f"drop schema if exists {schema} cascade; create schema {schema}")
        server.run("alter role postgres set search_path = main")
    else:
        server = None
        file = "type: duckdb, path: shop.duckdb, threads: 1, settings: {TimeZone: America/New_York}"
        write_project(project, f"duckdb: {{{file}}}, other: {{{file}, disable_transactions: true}}")
        with duckdb.connect(str(project / "shop.duckdb")) as connection:
            connection.execute('create schema "main_Mixed Case"')
    warm = WarmDbt(project)
    warehouse = Warehouse(request.param, project, server, warm, request.param)
    code, output = warehouse.dbt("deps")
    assert code == 0, output
    yield warehouse
    warm.stop()
