"""Airflow's own pod and job operators, unchanged, against the cluster."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow")

from cluster_server.place import Place
from dag_test_lab import DagTestLab
from kubernetes import client

pytestmark = [pytest.mark.cluster, pytest.mark.airflow, pytest.mark.slow]
DAGS = Path(__file__).parent / "stock"


@pytest.fixture(scope="module")
def run(kubernetes: Place, programs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What became of the tasks, and everything that was logged."""
    lab = DagTestLab(tmp_path_factory.mktemp("airflow"), programs / "python")
    argv = [sys.executable, str(DAGS / "stock.py"), str(kubernetes.kubeconfig), kubernetes.namespace]
    argv += [kubernetes.python_image, kubernetes.shell_image]
    # The trigger of the stock job operator forgets its `config_file` (cncf-kubernetes 10.25).
    found = {"AIRFLOW__CORE__DAGS_FOLDER": str(DAGS), "KUBECONFIG": str(kubernetes.kubeconfig)}
    environment = {**lab.environment, **found}
    done = subprocess.run(argv, env=environment, stdout=-1, stderr=-2, text=True, timeout=600)
    log, found, answers = done.stdout.rpartition("\nANSWERS")
    assert found, done.stdout[-5000:]
    return json.loads(answers)["tasks"], log


def test_each_task_ends_as_its_pod_does(run: tuple[dict[str, Any], str]) -> None:
    states = {task: told["state"] for task, told in sorted(run[0].items())}
    assert states == {
        "counts": "success",
        "defers": "success",
        "fails": "failed",
        "hands_over": "success",
        "job": "success",
        "job_defers": "success",
        "job_fails": "failed",
    }


def test_a_result_comes_out_of_the_sidecar(run: tuple[dict[str, Any], str]) -> None:
    assert run[0]["hands_over"]["result"] == {"rows": 3}


def test_the_log_has_every_line_once(run: tuple[dict[str, Any], str]) -> None:
    numbers = [int(number) for number in re.findall(r"\[base\].*\bline (\d+)", run[1])]
    assert sorted(numbers) == sorted([*range(30), *range(30)])


def test_jobs_are_counted(run: tuple[dict[str, Any], str], batch: client.BatchV1Api, kubernetes: Place) -> None:
    jobs = batch.list_namespaced_job(kubernetes.namespace).items
    own = [job for job in jobs if re.fullmatch(r"job-job-[a-z0-9]{8}", job.metadata.name)]
    assert [job.status.succeeded for job in own] == [2]
