"""Many invocations at once on a real PostgreSQL, with the server killed in the middle: none lost, none run twice.

Each invocation appends one row with its own id to one table, so the warehouse itself says how often it ran.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from desk import TOKENS, term, tokens, write_project
from postgres import PostgresServer
from server_process import ServerProcess, serving

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

CONCURRENCY = 2
ENDS = ("SUCCESS", "FAILURE", "ABORTED", "INTERNAL_ERROR")


def states(server: ServerProcess) -> dict[str, str]:
    return {run["task_id"]: run["state"] for run in server.get("/invocations?limit=1000").json["invocations"]}


def ask(server: ServerProcess, name: str) -> int:
    return server.invoke(name, "run", "--select", term("counted"), "--vars", f'{{"id": "{name}"}}').status


def ask_all(server: ServerProcess, names: list[str]) -> set[int]:
    """All at once, from many clients, each name from two of them."""
    with ThreadPoolExecutor(16) as clients:
        return set(clients.map(lambda name: ask(server, name), names + names))


def wait_until(server: ServerProcess, ended: int, seconds: float) -> dict[str, str]:
    deadline = time.monotonic() + seconds
    while True:
        found = states(server)
        if sum(state in ENDS for state in found.values()) >= ended:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def load(folder: Path, postgres: PostgresServer, count: int, schema: str) -> None:
    desk = write_project(folder / "desk", postgres, schema)
    settings = {
        "projects": {"desk": {"project_dir": str(desk)}},
        "auth": tokens(),
        "limits": {"concurrency": CONCURRENCY, "queue": count},
        "shutdown_grace": 0,
    }
    names = [f"n{number}" for number in range(count)]
    patience = 60 + count * 6.0
    with serving(folder / "home", settings) as first:
        first.token = TOKENS["run"]
        first.ready()
        # The table is there before many try to make it.
        ask(first, "table")
        assert first.ended("table")["state"] == "SUCCESS"
        assert ask_all(first, names) == {202}
        before = wait_until(first, 1 + count // 4, patience)
        first.kill()
    running = CONCURRENCY
    with serving(folder / "home", settings) as second:
        second.token = TOKENS["run"]
        # Whoever has lost an answer asks again, and starts nothing twice.
        assert ask_all(second, names) == {202}
        after = wait_until(second, 1 + count, patience)
    assert sorted(after) == sorted(["table", *names])
    for name, state in before.items():
        if state in ENDS:
            assert after[name] == state
    lost = [name for name, state in after.items() if state == "INTERNAL_ERROR"]
    assert len(lost) <= running
    assert {state for name, state in after.items() if name not in lost} == {"SUCCESS"}
    rows = dict(postgres.run(f"select id, count(*) from {schema}.counted group by id"))
    assert {name: rows.get(name, 0) for name in names if name not in lost} == {
        name: 1 for name in names if name not in lost
    }
    assert all(rows.get(name, 0) <= 1 for name in lost)
    assert "none" not in rows


def test_forty_at_once_and_a_server_killed_in_the_middle(tmp_path: Path, postgres_server: PostgresServer) -> None:
    load(tmp_path, postgres_server, 40, "load_small")


@pytest.mark.load
def test_two_hundred_at_once_and_a_server_killed_in_the_middle(tmp_path: Path, postgres_server: PostgresServer) -> None:
    load(tmp_path, postgres_server, 200, "load_large")
