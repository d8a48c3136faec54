"""DAGs whose only task runs a script in a pod, each with another end. The tests put the kube config file into place.

A script waits until the tests leave word, `<dag id>.go`: containers of the stand-in see this machine's files.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG

from dbt_af_k8s.airflow import DbtPodOperator

SCRIPT = """
import pathlib, time
print("waiting", flush=True)
while not pathlib.Path({word!r}).exists():
    time.sleep(0.2)
print("waited", flush=True)
"""
TARGET = {
    "image_name": "python:3.12-slim",
    "namespace": "default",
    "config_file": str(Path(os.environ["AIRFLOW_HOME"]) / "kubeconfig"),
}


def pod_dag(name: str, *, deferrable: bool, xcom: bool = False) -> DAG:
    """A DAG of one script."""
    word = Path(os.environ["WAIT_CONTROL"]) / f"pods__{name}.go"
    with DAG(f"pods__{name}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        DbtPodOperator.for_script(
            task_id="script",
            script=SCRIPT.format(word=str(word)),
            target=TARGET | {"deferrable": deferrable, "xcom": xcom},
            in_cluster=False,
            retries=1,
            retry_delay=timedelta(seconds=1),
            startup_check_interval_seconds=1,
            poll_interval=1,
        )
    return dag


triggerer_killed = pod_dag("triggerer_killed", deferrable=True)
worker_killed = pod_dag("worker_killed", deferrable=False)
drained = pod_dag("drained", deferrable=False, xcom=True)
cleared = pod_dag("cleared", deferrable=False)
cleared_deferred = pod_dag("cleared_deferred", deferrable=True)
