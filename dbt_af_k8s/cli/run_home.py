"""A private Airflow for `dbt-af-k8s run`: its own home and metadata database, and the process that runs the DAGs.

Airflow is never imported here; it starts in a child process whose environment names the private home and nothing of
the user's own Airflow.
"""

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt_af_k8s.config.airflow_version import check_airflow, installed_airflow
from dbt_af_k8s.dbt.process import GRACE_SECONDS, ChildProcess
from dbt_af_k8s.errors import UsageError

#: Seconds that a stopped child gets to stop its own dbt processes: twice what these get.
_GRACE = 2 * GRACE_SECONDS
#: As in `dbt_af_k8s.airflow.run_here`, which may not be imported here.
_DAG_FILE = "from dbt_af_k8s.airflow.run_here import dags_of_job; globals().update(dags_of_job())\n"


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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for one run. Raises `UsageError` where another run has it."""
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError(f"Another run of this project is going on (it holds {self.folder}/lock).") from None
            yield

    def run(self, job: Mapping[str, Any], take: Callable[[dict[str, Any]], None]) -> None:
        """Run a job in a child, and hand over its events as they come; see `dbt_af_k8s.airflow.run_here`.

        A child that ends without a last word gives a `fault`. Whatever exception leaves this call, the child and all
        that it started are gone by then; and where this process is killed, they end by themselves.
        """
        (self.folder / "dags").mkdir(exist_ok=True)
        (self.folder / "dags" / "run_here.py").write_text(_DAG_FILE, encoding="utf-8")
        if not self.is_ready():
            for file in self.folder.glob("airflow.db*"):
                file.unlink()
        job_file = self.folder / "job.json"
        text = json.dumps({**job, "database": self.is_ready()})
        job_file.write_text(text, encoding="utf-8", errors="backslashreplace")
        argv = [sys.executable, "-m", "dbt_af_k8s.airflow.run_here", str(job_file), str(self.log)]
        child = ChildProcess(argv, cwd=Path.cwd(), environment=self.environment(), grace_seconds=_GRACE)
        last, said = "", ""

        def hear(line: str) -> None:
            nonlocal last, said
            event = _event(line)
            if event is None:
                # The child sends what is no event into the log as soon as it has begun: this came before.
                said = line.strip() or said
                return
            last = event["event"]
            if last == "dag-started":
                (self.folder / "ready").write_text(airflow_version(), encoding="utf-8")
            take(event)

        end = child.run(hear)
        if last not in ("dag-done", "fault"):
            take({"event": "fault", "dag_id": "", "message": said or f"it ended with code {end.exit_code}"})

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Leave what came of the last run beside its log, for other programs."""
        text = json.dumps(summary, indent=2) + "\n"
        (self.folder / "last_run.json").write_text(text, encoding="utf-8", errors="backslashreplace")

    def log_lines(self, start: int, end: int) -> list[str]:
        """The lines of the log between two offsets in bytes."""
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read(end - start).decode("utf-8", "replace").splitlines()


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def airflow_version() -> str:
    """The version of the Airflow that is installed beside this program.

    Raises `UsageError` where there is none, or one that is too old.
    """
    check_airflow()
    found = installed_airflow()
    if found is None:
        raise UsageError("`run` needs Airflow beside dbt-af-k8s: install it with `pip install 'dbt-af-k8s[airflow]'`.")
    return found


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
