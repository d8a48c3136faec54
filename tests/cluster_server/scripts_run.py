"""The DAG of scripts in a process of its own."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from cluster_server.place import Place
from dag_test_lab import DagTestLab

DAGS = Path(__file__).parent / "scripts"
ROOT = Path(__file__).parents[2]


def run_scripts(place: Place, lab: DagTestLab, *asked: str) -> tuple[dict[str, Any], str]:
    """Run tasks of the DAG to their ends: what became of each, and everything that was logged."""
    with start_scripts(place, lab, *asked) as child:
        said, _ = child.communicate(timeout=900)
    log, found, answers = said.rpartition("\nANSWERS")
    assert found, said[-5000:]
    return json.loads(answers)["tasks"], log


def start_scripts(place: Place, lab: DagTestLab, *asked: str) -> subprocess.Popen[str]:
    """Start the process that runs them."""
    argv = [sys.executable, str(DAGS / "scripts.py"), str(place.kubeconfig), place.namespace]
    argv += [place.python_image, place.shell_image, *asked]
    environment = {**lab.environment, "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(argv, env=environment, stdout=-1, stderr=-2, text=True, start_new_session=True)


def lines_of(log: str, task: str) -> str:
    """What was logged between the start of each of a task's tries and its end."""
    parts = re.findall(
        rf"\[DAG TEST\] starting task_id={task} .*?\[DAG TEST\] end task task_id={task} ", log, re.DOTALL
    )
    return "\n".join(parts)
