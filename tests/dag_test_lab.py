"""A private Airflow for `dag.test`: its home, a DAG folder with one plan, and a child process that runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt_af_k8s.plan.codec import to_json
from dbt_af_k8s.plan.values import DagPlan, Plan

CHILD = Path(__file__).with_name("dag_test_child.py")

DAG_FILE = """
from pathlib import Path
from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.plan.codec import from_json
plan = from_json(Path(__file__).with_name("plan.json").read_text())
globals().update({dag.dag_id: emit_dag(dag, DbtProject(Path(%r))) for dag in plan.dags})
"""


@dataclass(frozen=True)
class Answer:
    """What came of the runs, and everything that was logged."""

    runs: list[dict[str, Any]]
    log: str

    def states(self, number: int = 0) -> dict[str, str]:
        return {task_id: task["state"] for task_id, task in sorted(self.runs[number]["tasks"].items())}

    def task(self, task_id: str, number: int = 0) -> dict[str, Any]:
        return self.runs[number]["tasks"][task_id]


class DagTestLab:
    """One Airflow home with a migrated SQLite database, under this Python or another program that is one."""

    def __init__(self, home: Path, python: Path = Path(sys.executable)) -> None:
        self.home = home
        self._python = str(python)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DBT_"))}
        self.environment = {
            **kept,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "PYTHONWARNINGS": "ignore",
        }
        airflow = [self._python, "-m", "airflow", "db", "migrate"]
        subprocess.run(airflow, env=self.environment, check=True, capture_output=True, timeout=300)

    def with_environment(self, folder: Path, added: Mapping[str, str]) -> "DagTestLab":
        """The same lab, whose processes find modules in a folder, too, and have further variables."""
        other = copy(self)
        path = os.pathsep.join(filter(None, (str(folder), self.environment.get("PYTHONPATH"))))
        other.environment = {**self.environment, **added, "PYTHONPATH": path}
        return other

    def cold(self) -> "DagTestLab":
        """The same lab under this Python itself, for what looks at processes."""
        other = copy(self)
        other._python = sys.executable
        return other

    def start(self, folder: Path, project_dir: Path, dags: tuple[DagPlan, ...]) -> subprocess.Popen[str]:
        """Write the DAG file and start the child; it waits for its runs on standard input."""
        folder.mkdir(parents=True)
        (folder / "plan.json").write_text(to_json(Plan("shop", "0" * 64, "1.11.16", dags)))
        (folder / "generated_dags.py").write_text(DAG_FILE % str(project_dir))
        # The library as it lies here, wherever the environment has it from; then what a test adds.
        path = os.pathsep.join(filter(None, (str(folder), str(CHILD.parents[1]), self.environment.get("PYTHONPATH"))))
        environment = {**self.environment, "AIRFLOW__CORE__DAGS_FOLDER": str(folder), "PYTHONPATH": path}
        return subprocess.Popen(
            [self._python, str(CHILD)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, folder: Path, project_dir: Path, dags: tuple[DagPlan, ...], runs: list[dict[str, Any]]) -> Answer:
        """Run DAGs one after the other to their end."""
        with self.start(folder, project_dir, dags) as child:
            log, _ = child.communicate(asked(runs), timeout=600)
        return read(log)


def asked(runs: list[dict[str, Any]]) -> str:
    return json.dumps({"runs": [{"logical_date": None, "conf": {}} | run for run in runs]})


def read(log: str) -> Answer:
    head, found, answers = log.rpartition("\nANSWERS")
    assert found, log[-5000:]
    return Answer(json.loads(answers), head)
