"""A dbt project on PostgreSQL, and a server over it that the tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import TOKENS, tokens, write_project
from postgres import PostgresServer, postgres_server
from server_process import ServerProcess, serving

__all__ = ["postgres_server"]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Path:
    """A project on a real PostgreSQL server."""
    return write_project(tmp_path_factory.mktemp("server") / "desk", postgres_server, "desk")


@pytest.fixture(scope="session")
def server(desk: Path) -> Iterator[ServerProcess]:
    """A ready server over the project, with tokens; its client is an admin."""
    settings = {
        "projects": {"desk": {"project_dir": str(desk), "macros": ["shout", "run_query"]}},
        "project_roots": [str(desk.parent)],
        "auth": tokens(),
        "limits": {"concurrency": 2, "runtime": 20, "log_bytes": 300_000},
        "callbacks": {"hosts": ["127.0.0.1:9"], "private": True, "insecure": True},
    }
    with serving(desk.parent / "home", settings, DBT_AF_K8S_SERVER_SECRET="hidden-value") as made:
        made.token = TOKENS["admin"]
        yield made.ready()
