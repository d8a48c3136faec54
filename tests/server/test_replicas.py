"""Several servers on one PostgreSQL state, and how a server ends.

What the servers start here is no dbt but a program that notes its own start in a file: what counts is how often and
by whom it is started. That dbt's runs are counted once in the warehouse is shown by `test_load`.
"""

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from postgres import PostgresServer
from server_process import ServerProcess, serving

pytestmark = pytest.mark.slow

#: Takes the place of the dbt program; sleeps as long as the selection says, and notes begin and end.
PROGRAM = """#!{python}
import sys, time
words = sys.argv[1:]
seconds, name = words[words.index("--select") + 1].split(":")
def note(what):
    with open({notes!r}, "a") as stream:
        stream.write(what + " " + name + chr(10))
note("begin")
print('{{"info": {{"level": "info", "name": "Note", "msg": "began"}}}}', flush=True)
time.sleep(float(seconds))
note("end")
"""


class Place:
    """A project whose dbt is the program above."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        self.folder = folder
        program = folder / "program"
        program.write_text(PROGRAM.format(python=sys.executable, notes=str(self.notes)))
        program.chmod(0o755)
        (folder / "dbt_project.yml").write_text("name: shop\n")
        (folder / "profiles.yml").write_text("{}\n")
        self.settings: dict[str, Any] = {
            "projects": {"shop": {"project_dir": str(folder), "executable": str(program), "warm": False}},
            "limits": {"concurrency": 2},
            "shutdown_grace": 5,
        }

    def begun(self) -> list[str]:
        """Names of what was started, in that order."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith("begin")]

    def invoke(self, server: ServerProcess, name: str, seconds: float) -> None:
        assert server.invoke(name, "run", "--select", f"{seconds}:{name}").status == 202


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_replicas_share_the_work_and_one_that_dies_is_noticed(place: Place, postgres_server: PostgresServer) -> None:
    postgres_server.run("create database replicas")
    state = {"postgres_variable": "DBT_AF_K8S_SERVER_STATE", "lease": 15}
    address = f"postgresql://{postgres_server.user}@{postgres_server.host}:{postgres_server.port}/replicas"
    settings = {**place.settings, "state": state}
    environment = {"DBT_AF_K8S_SERVER_STATE": address}
    homes = place.folder / "one", place.folder / "two"
    with (
        serving(homes[0], settings, "--no-auth", **environment) as one,
        serving(homes[1], settings, "--no-auth", **environment) as two,
    ):
        one.ready()
        two.ready()
        names = [f"n{number}" for number in range(12)]
        for number, name in enumerate(names):
            place.invoke((one, two)[number % 2], name, 0.3)
        ended = {name: two.ended(name) for name in names}
        assert {run["state"] for run in ended.values()} == {"SUCCESS"}
        assert sorted(place.begun()) == sorted(names)
        assert "Note" in one.get("/invocations/n0").json["log_content"]
        assert "Note" in two.get("/invocations/n0").json["log_content"]
        # One of them goes down with work in its hands.
        for number in range(4):
            place.invoke(one, f"long{number}", 60)
        place.invoke(one, "waits", 0)
        for number in range(4):
            one.wait(f"long{number}", "STARTED")
        one.kill()
        for number in range(4):
            if two.state(f"long{number}") == "STARTED":
                two.post(f"/invocations/long{number}/abort")
        found = {f"long{number}": two.ended(f"long{number}") for number in range(4)}
        assert sorted(run["state"] for run in found.values()) == [
            "ABORTED",
            "ABORTED",
            "INTERNAL_ERROR",
            "INTERNAL_ERROR",
        ]
        lost = [run for run in found.values() if run["state"] == "INTERNAL_ERROR"]
        assert {run["exc_type"] for run in lost} == {"ServerLost"}
        assert two.ended("waits")["state"] == "SUCCESS"
        assert sorted(place.begun()) == sorted([*names, *found, "waits"])


def test_sigterm_lets_what_runs_end_and_keeps_what_waits(place: Place) -> None:
    with serving(place.folder / "home", place.settings, "--no-auth") as first:
        first.ready()
        for name in ("a", "b", "c"):
            place.invoke(first, name, 1.5)
        first.wait("b", "STARTED")
        first.process.terminate()
        deadline = time.monotonic() + 3
        while first.get("/readyz").status == 200:
            assert time.monotonic() < deadline
        assert first.invoke("late", "run", "--select", "0:late").status == 503
        assert first.process.wait(30) == 0
    with serving(place.folder / "home", place.settings, "--no-auth") as second:
        second.ready()
        assert [second.ended(name)["state"] for name in ("a", "b", "c")] == ["SUCCESS"] * 3
        assert second.state("late") == "NOT_FOUND"
    assert sorted(place.begun()) == ["a", "b", "c"]


def test_what_runs_longer_than_the_grace_is_ended_as_internal_error(place: Place) -> None:
    settings = {**place.settings, "shutdown_grace": 0}
    with serving(place.folder / "home", settings, "--no-auth") as first:
        first.ready()
        place.invoke(first, "a", 60)
        first.wait("a", "STARTED")
        # Marked before its process has run as far as its own first line.
        deadline = time.monotonic() + 30
        while place.begun() != ["a"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert first.stop() == 0
    with serving(place.folder / "home", settings, "--no-auth") as second:
        second.ready()
        run = second.ended("a")
        assert (run["state"], run["exc_type"]) == ("INTERNAL_ERROR", "ServerStopped")
    assert place.begun() == ["a"]


def test_a_queue_that_is_full_says_when_to_come_again(place: Place) -> None:
    settings = {**place.settings, "limits": {"concurrency": 1, "queue": 2}}
    with serving(place.folder / "home", settings, "--no-auth") as server:
        server.ready()
        place.invoke(server, "a", 30)
        server.wait("a", "STARTED")
        place.invoke(server, "b", 0)
        place.invoke(server, "c", 0)
        full = server.invoke("d", "run", "--select", "0:d")
        assert (full.status, full.json["problems"]) == (429, ["The queue is full."])
        assert int(full.headers["Retry-After"]) >= 1
        # A known one is still answered.
        place.invoke(server, "c", 0)
        assert server.post("/invocations/b/abort").json["state"] == "ABORTED"
        assert server.post("/invocations/a/abort").status == 200
        assert server.ended("a")["state"] == "ABORTED"
        assert server.ended("c")["state"] == "SUCCESS"
    assert place.begun() == ["a", "c"]


@pytest.mark.parametrize(
    ("options", "settings", "said"),
    [
        ((), {}, "Nobody could call"),
        (("--no-auth", "--host", "0.0.0.0"), {}, "only for a loopback address"),
        (("--no-auth",), {"state": {"postgres_variable": "NOT_SET_ANYWHERE"}}, "NOT_SET_ANYWHERE"),
        (("--no-auth",), {"prot": 1}, "port"),
    ],
)
def test_what_stops_a_server_is_told_in_one_line(
    place: Place, options: tuple[str, ...], settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(AssertionError, match=said) as told:
        ServerProcess(place.folder / "home", {**place.settings, **settings}, *options)
    assert "Traceback" not in str(told.value)
