"""Airflow as it runs in production, small and private: four processes, one home, thrown away at the end."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from scheduler.database import metadata_database
from scheduler.rest import AirflowRest, NotReadyError

Answer = TypeVar("Answer")

TESTS = Path(__file__).resolve().parent.parent
#: Airflow's processes and the arguments that keep them from serving logs on a fixed port.
PROCESSES = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}


class AirflowSession:
    """Scheduler with LocalExecutor, DAG processor, triggerer and API server, each in a process group of its own."""

    def __init__(self, home: Path, dags: Path, database: str) -> None:
        self.home = home
        self.control = home / "control"
        self.control.mkdir(parents=True)
        self._port = _free_port()
        self._password = secrets.token_urlsafe(12)
        self._env = self._environment(dags, database)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        #: When each of Airflow's processes was started last.
        self.started: dict[str, datetime] = {}
        self.rest = AirflowRest(f"http://127.0.0.1:{self._port}", "admin", self._password)

    def start(self) -> None:
        """Make the metadata database, start everything, and return when the API answers and all DAGs are known."""
        (self.home / "passwords.json").write_text(json.dumps({"admin": self._password}))
        with (self.home / "migrate.log").open("wb") as log:
            subprocess.run(
                [_airflow(), "db", "migrate"], env=self._env, cwd=self.home, stdout=log, stderr=log, check=True
            )
        for name in PROCESSES:
            self.start_process(name)
        self.until("the API server answers", self.rest.log_in, seconds=120)

    def start_process(self, name: str) -> None:
        """Start one of Airflow's processes; its output is added to `<name>.log`."""
        self.started[name] = datetime.now(UTC)
        with (self.home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [_airflow(), *PROCESSES[name]],
                env=self._env,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_process(self, name: str) -> None:
        """End one of Airflow's processes with its children at once, as a machine that goes down would."""
        process = self._running.pop(name)
        _signal_group(process, signal.SIGKILL)
        process.wait(10)

    def stop(self) -> None:
        """End everything: politely, then not."""
        for process in self._running.values():
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + 3
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.1))
            _signal_group(process, signal.SIGKILL)
            process.wait(10)
        self._running.clear()

    def until(self, what: str, ask: Callable[[], Answer | None], *, seconds: float = 180) -> Answer:
        """Ask until the answer is neither None nor False; fail with what was waited for."""
        deadline = time.monotonic() + seconds
        trouble: Exception | None = None
        while time.monotonic() < deadline:
            self._fail_if_a_process_died()
            try:
                if answer := ask():
                    return answer
            except NotReadyError as error:
                trouble = error
            time.sleep(0.3)
        raise AssertionError(f"not in {seconds:g} s: {what} ({trouble or 'no'}); logs in {self.home}")

    def _fail_if_a_process_died(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                tail = (self.home / f"{name}.log").read_text(errors="replace")[-3000:]
                raise AssertionError(f"{name} ended with {process.returncode}:\n{tail}")

    def _environment(self, dags: Path, database: str) -> dict[str, str]:
        settings = {
            "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "CORE__DAGS_FOLDER": str(dags),
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self._port}/execution/",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__PARALLELISM": "6",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "API__BASE_URL": f"http://127.0.0.1:{self._port}",
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self._port),
            "API__WORKERS": "1",
            "API__SECRET_KEY": secrets.token_hex(16),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
            "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "3600",
            "DATABASE__SQL_ALCHEMY_CONN": database,
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": "",
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        return inherited | {
            "AIRFLOW_HOME": str(self.home),
            "WAIT_CONTROL": str(self.control),
            "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        }


@contextmanager
def airflow_session(home: Path, dags: Path) -> Iterator[AirflowSession]:
    """A running session; its home stays where something went wrong, and its path is printed."""
    with metadata_database(home) as database:
        session = AirflowSession(home, dags, database)
        try:
            session.start()
            yield session
        finally:
            session.stop()


def throw_away(home: Path) -> None:
    """Remove a session's home."""
    shutil.rmtree(home, ignore_errors=True)


def _airflow() -> str:
    return str(Path(sys.executable).with_name("airflow"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
