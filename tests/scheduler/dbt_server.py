"""A `dbt-af-k8s serve` beside the Airflow session, and what the tests do with it and read of it."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import duckdb
from scheduler.lab import Lab
from server_process import ServerProcess

from dbt_af_k8s.server.secrets_hashed import token_hash

PROJECT = "by_server"
CONNECTION = "dbt_server"
TOKEN = "t0ken-of-the-dbt-server"
#: Airflow has no profile: the warehouse is the server's.
PROFILES = "by_server:\n  target: dev\n  outputs:\n    dev: {{type: duckdb, path: {path}, threads: 1}}\n"


def write_profiles(home: Path) -> Path:
    """The folder of the server with the project's profile."""
    folder = home / "dbt_server"
    folder.mkdir()
    (folder / "profiles.yml").write_text(PROFILES.format(path=folder / "warehouse.duckdb"))
    return folder


class DbtServer:
    """The server process, which may be killed and started again, and its warehouse."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._folder = lab.session.home / "dbt_server"
        self._settings = {
            "port": _free_port(),
            "projects": {
                PROJECT: {"project_dir": str(lab.session.home / PROJECT), "profiles_dir": str(self._folder)},
            },
            "auth": {"tokens": [{"name": "airflow", "sha256": token_hash(TOKEN), "scopes": ["run", "read"]}]},
            # DuckDB lets one process write at a time.
            "limits": {"concurrency": 1},
            "dbt": {"environment": ["WAIT_CONTROL"]},
            "shutdown_grace": 1,
        }
        self.process = self._start()
        self.was_killed = False
        lab.rest.connect(
            {
                "connection_id": CONNECTION,
                "conn_type": "http",
                "host": "127.0.0.1",
                "port": self.process.port,
                "password": TOKEN,
            }
        )

    def kill(self) -> None:
        """End it at once, as a machine that goes down would."""
        self.process.kill()
        self.was_killed = True

    def start_again(self) -> None:
        """A new process with the same state."""
        self.process = self._start()

    def stop(self) -> None:
        """End it for good."""
        self.process.stop()

    def invocations(self, dag_id: str, task_id: str) -> dict[int, str]:
        """The state of each try's invocation."""
        listed = self.process.get("/invocations?limit=1000").json["invocations"]
        begin = f"{dag_id}.{task_id}."
        own = [each for each in listed if each["task_id"].startswith(begin)]
        found = {int(each["task_id"].rpartition(".")[2]): str(each["state"]) for each in own}
        assert len(found) == len(own), own
        return found

    def until(self, name: str, **states: str) -> None:
        """Wait until the invocations of the only task of a domain are as said: `try_1="ABORTED"`."""
        expected = {int(key.removeprefix("try_")): state for key, state in states.items()}
        what = f"{name} has the invocations {expected}"
        self.lab.session.until(what, lambda: self.invocations(f"{name}__daily", name) == expected)

    def kill_worker(self, dag_id: str, task_id: str) -> None:
        """Kill the process of a task once the server has its invocation, and before the triggerer has the task."""
        self.lab.session.until(f"{task_id} is in the queue", lambda: self.invocations(dag_id, task_id))
        os.kill(self.lab.until_state(dag_id, task_id, "running")["pid"], signal.SIGKILL)

    def begun(self, name: str) -> int:
        """How many dbt processes have begun to work on a model that waits for word."""
        return len(list(self.lab.session.control.glob(f"{name}.*.begun")))

    def go_on(self, name: str) -> None:
        """Let a model come to its end."""
        (self.lab.session.control / f"{name}.go").touch()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse, once no dbt has it."""

        def ask() -> list[list[tuple[Any, ...]]]:
            try:
                with duckdb.connect(self._folder / "warehouse.duckdb", read_only=True) as database:
                    return [database.execute(sql).fetchall()]
            except duckdb.IOException:
                return []

        return self.lab.session.until("the warehouse is free", ask)[0]

    def _start(self) -> ServerProcess:
        process = ServerProcess(self._folder, self._settings, WAIT_CONTROL=str(self.lab.session.control))
        process.token = TOKEN
        return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
