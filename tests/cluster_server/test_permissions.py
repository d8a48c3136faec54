"""The files of the how-to on permissions are enough for all that the pod operator does, as Airflow's own accounts."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

pytest.importorskip("airflow")

from cluster_server.place import Place
from cluster_server.scripts_run import ROOT, run_scripts
from cluster_server.server import Cluster
from dag_test_lab import DagTestLab
from kubernetes import client, utils

pytestmark = [pytest.mark.cluster, pytest.mark.airflow, pytest.mark.slow]
FILES = ROOT / "docs" / "how-to" / "rbac"
TASKS = ("deferred", "exits", "from-config-map", "result")


def test_the_account_of_the_workers_may_do_what_it_must(
    stand_in: Cluster, api: client.ApiClient, kubernetes: Place, tmp_path: Path, programs: Path
) -> None:
    for file in ("namespace.yaml", "task-pods.yaml"):
        for document in yaml.safe_load_all((FILES / file).read_text(encoding="utf-8")):
            utils.create_from_dict(api, document)
    account = stand_in.account_kubeconfig("airflow", "airflow-worker")
    place = replace(kubernetes, kubeconfig=account, namespace="dbt")
    tasks, log = run_scripts(place, DagTestLab(tmp_path, programs / "python"), ",".join(TASKS))
    assert {name: task["state"] for name, task in sorted(tasks.items())} == {
        "deferred": "success",
        "exits": "failed",
        "from-config-map": "success",
        "result": "success",
    }
    assert "forbidden" not in log.lower()
    client.CoreV1Api(api).delete_namespace("dbt")
