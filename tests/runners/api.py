"""dbt behind `dbt-af-k8s serve`, the real one, as a process of its own."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from runners.bench import Bench
from runners.task import Task
from server_process import ServerProcess, serving

from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.server.secrets_hashed import token_hash

TOKEN = "t0ken-of-the-server"
CONNECTION = "dbt_server"


class ApiBench(Bench):
    """The runner `dbt_api`, always by way of the triggerer."""

    name = "dbt_api"

    def __init__(self, project: Path, server: ServerProcess, **options: object) -> None:
        super().__init__(project)
        self.server = server
        self.more = options

    def options(self) -> DbtApiOptions:
        return DbtApiOptions(**{"conn_id": CONNECTION, "project_dir": "shop", "poke": 1, "patience": 60, **self.more})

    def at_work(self) -> int:
        return len(self._started())

    def end_all(self) -> None:
        for task_id in self._started():
            self.server.post(f"/invocations/{task_id}/abort")

    def _started(self) -> list[str]:
        found = self.server.get("/invocations").json["invocations"]
        return [each["task_id"] for each in found if each["state"] == "STARTED"]

    def started_from_slices(self, task: Task) -> bool:
        (run,) = self.server.get("/runs?limit=1").json["runs"]
        return bool(run["start"] == "slice")


def connection(port: int, **more: object) -> dict[str, str]:
    """The environment variable by which Airflow knows the connection."""
    fields = {"conn_type": "http", "host": "127.0.0.1", "port": port, "password": TOKEN, **more}
    return {f"AIRFLOW_CONN_{CONNECTION.upper()}": json.dumps(fields)}


def settings(project: Path) -> dict[str, object]:
    return {
        "projects": {"shop": {"project_dir": str(project)}},
        "project_roots": [str(project.parent)],
        "auth": {"tokens": [{"name": "airflow", "sha256": token_hash(TOKEN), "scopes": ["run", "read"]}]},
        # DuckDB lets one process write at a time.
        "limits": {"concurrency": 1},
    }


@contextlib.contextmanager
def serving_project(project: Path) -> Iterator[ServerProcess]:
    """A ready server over the project, and the Airflow connection to it."""
    with serving(project.parent / "server", settings(project)) as server:
        server.token = TOKEN
        os.environ.update(connection(server.port))
        try:
            yield server.ready()
        finally:
            for name in connection(server.port):
                os.environ.pop(name, None)
