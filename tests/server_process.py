"""A server as a process of its own, and a small client, for tests."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

START_SECONDS = 240
END_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class ServerProcess:
    """`dbt-af-k8s serve` in a folder with its settings."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        *options: str,
        before: tuple[str, ...] = (),
        **environment: str,
    ) -> None:
        self.folder = folder
        self.token: str | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.yml").write_text(yaml.safe_dump({"port": 0, **settings}))
        self.log = folder / f"log{len(list(folder.glob('log*')))}"
        argv = [*before, str(Path(sys.executable).with_name("dbt-af-k8s")), "serve", *options]
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                argv, cwd=folder, env={**os.environ, **environment}, stdout=stream, stderr=subprocess.STDOUT
            )
        self.port = self._port()

    def _port(self) -> int:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for line in self.logged():
                if line["message"] == "listening":
                    return int(line["port"])
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def logged(self) -> list[dict[str, Any]]:
        """The whole lines of its log."""
        lines = self.log.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def ready(self) -> "ServerProcess":
        """Wait until it takes invocations."""
        deadline = time.monotonic() + START_SECONDS
        while self.get("/readyz").status != 200:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return self

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.ask("POST", path, body, **headers)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **headers}
        if self.token is not None and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as answer:
            with answer:
                return Answer(answer.code, answer.headers, answer.read().decode())

    def invoke(self, task_id: str, *command: str, **more: Any) -> Answer:
        return self.post("/invocations", {"command": command, "task_id": task_id, **more})

    def state(self, task_id: str) -> str:
        return str(self.get(f"/invocations/{task_id}?log_bytes=0").json["state"])

    def ended(self, task_id: str) -> dict[str, Any]:
        """Wait for the end of an invocation; the run."""
        return self.wait(task_id, "SUCCESS", "FAILURE", "ABORTED", "INTERNAL_ERROR")

    def wait(self, task_id: str, *states: str) -> dict[str, Any]:
        deadline = time.monotonic() + END_SECONDS
        while True:
            run: dict[str, Any] = self.get(f"/runs/{task_id}").json
            if run["state"] in states:
                return run
            assert time.monotonic() < deadline, run
            time.sleep(0.05)

    def kill(self) -> None:
        """As a machine that goes down."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait for the end; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_SECONDS)


@contextlib.contextmanager
def serving(
    folder: Path, settings: Mapping[str, Any], *options: str, before: tuple[str, ...] = (), **environment: str
) -> Iterator[ServerProcess]:
    """A server until the end of the block, ready or not."""
    server = ServerProcess(folder, settings, *options, before=before, **environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
            try:
                server.process.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
