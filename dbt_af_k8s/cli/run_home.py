"""A private Airflow for `dbt-af-k8s run`: its own home and metadata database, and the process that runs the DAGs.

Airflow is never imported here; it starts in a child process whose environment names the private home and nothing of
the user's own Airflow.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dbt_af_k8s.errors import UsageError

#: Seconds that a stopped child gets to stop its own dbt processes.
_GRACE = 20


@dataclass(frozen=True, slots=True)
class PrivateHome:
    """A folder that holds one private Airflow."""

    folder: Path

    @property
    def log(self) -> Path:
        """What Airflow, dbt and the tasks of the last run wrote."""
        return self.folder / "run.log"

    def environment(self) -> dict[str, str]:
        """The environment of the child: all of this process's, but none of its Airflow settings.

        Connections and variables (`AIRFLOW_CONN_...`, `AIRFLOW_VAR_...`) stay, for tasks may need them.
        """
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("AIRFLOW__") and name not in ("AIRFLOW_HOME", "AIRFLOW_CONFIG")
        }
        return own | {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW_CONFIG": str(self.folder / "airflow.cfg"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.folder / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.folder / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder / 'airflow.db'}",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "DBT_AF_K8S_RUN_HERE_JOB": str(self.folder / "job.json"),
        }

    def is_ready(self) -> bool:
        """Whether the database has been made by the Airflow that is installed now."""
        ready = self.folder / "ready"
        return ready.is_file() and ready.read_text(encoding="utf-8") == airflow_version()

    def prepare(self) -> None:
        """Make the database, or bring it to the installed Airflow's version. Takes some seconds.

        Raises `UsageError` with what Airflow said where that fails.
        """
        argv = [sys.executable, "-m", "airflow", "db", "migrate"]
        done = subprocess.run(argv, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            told = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise UsageError(f"Airflow could not make its database in {self.folder}:\n{told}")
        (self.folder / "dags").mkdir(exist_ok=True)
        dag_file = "from dbt_af_k8s.airflow.run_here import dags_of_job; globals().update(dags_of_job())\n"
        (self.folder / "dags" / "run_here.py").write_text(dag_file, encoding="utf-8")
        (self.folder / "ready").write_text(airflow_version(), encoding="utf-8")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for one run. Raises `UsageError` where another run has it."""
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError(f"Another run of this project is going on (it holds {self.folder}/lock).") from None
            yield

    def events(self, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Run a job in the child and give its events as they come; see `dbt_af_k8s.airflow.run_here`.

        A child that ends without a word gives a `fault`. When the caller stops early, so does the child.
        """
        job_file = self.folder / "job.json"
        job_file.write_text(json.dumps(job), encoding="utf-8", errors="backslashreplace")
        argv = [sys.executable, "-m", "dbt_af_k8s.airflow.run_here", str(job_file), str(self.log)]
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, env=self.environment(), stdout=pipe, stderr=pipe, text=True) as child:
            try:
                yield from _heard(child)
            finally:
                self._stop(child)

    def _stop(self, child: "subprocess.Popen[str]") -> None:
        """Let the child end by itself (Ctrl-C has reached it too), then ask, then force it."""
        for stop in (None, child.terminate, child.kill):
            if stop and child.poll() is None:
                stop()
            try:
                child.wait(_GRACE)
            except subprocess.TimeoutExpired:
                continue
            return

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Leave what came of the last run beside its log, for other programs."""
        text = json.dumps(summary, indent=2) + "\n"
        (self.folder / "last_run.json").write_text(text, encoding="utf-8", errors="backslashreplace")

    def log_lines(self, start: int, end: int) -> list[str]:
        """The lines of the log between two offsets in bytes."""
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read(end - start).decode("utf-8", "replace").splitlines()


def _heard(child: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    """The events of a child until it ends; a `fault` where it ends without a last word."""
    if child.stdout is None or child.stderr is None:
        raise AssertionError("the child's output is piped")
    last = ""
    for line in child.stdout:
        event: dict[str, Any] = json.loads(line)
        last = event["event"]
        yield event
    # The child sends its stderr to the log as soon as it has begun: what is here came before.
    errors = child.stderr.read().strip().splitlines()
    code = child.wait()
    if last not in ("dag-done", "fault"):
        yield {"event": "fault", "dag_id": "", "message": errors[-1] if errors else f"it ended with code {code}"}


def airflow_version() -> str:
    """The version of the Airflow that is installed beside this program.

    Raises `UsageError` where there is none.
    """
    for package in ("apache-airflow-core", "apache-airflow"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    raise UsageError("`run` needs Airflow beside dbt-af-k8s: install it with `pip install 'dbt-af-k8s[airflow]'`.")


def private_home(project_dir: Path, target_path: str) -> PrivateHome:
    """The home in the project's target folder, or in the user's cache where that folder cannot be written."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(str(project_dir).encode()).hexdigest()[:16]
    candidates = (project_dir / target_path / "dbt_af_k8s" / "airflow", cache / "dbt_af_k8s" / key)
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return PrivateHome(folder)
    raise UsageError(f"Neither {candidates[0]} nor {candidates[1]} can be written; a private Airflow needs a folder.")
