"""Airflow's own operators against the cluster, run by `dag.test` in a process of its own.

Arguments: kube config file, namespace, the image with Python, the image of the sidecar. The last line of the output is
`ANSWERS` and a JSON object of what became of each task.
"""

import json
import sys

from airflow.models.xcom import XComModel
from airflow.providers.cncf.kubernetes.operators.job import KubernetesJobOperator
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from airflow.settings import Session
from sqlalchemy import select

config_file, namespace, image, sidecar = sys.argv[1:]
WRITE = "mkdir -p /airflow/xcom; echo wrote; echo '{\"rows\": 3}' > /airflow/xcom/return.json"
COUNT = "import time\nfor number in range(30):\n    print('line', number, flush=True)\n    time.sleep(0.02)"
common = {
    "namespace": namespace,
    "image": image,
    "config_file": config_file,
    "in_cluster": False,
    "startup_timeout_seconds": 300,
}
quick = {"poll_interval": 1, "logging_interval": 1}

with DAG("stock", schedule=None) as dag:
    KubernetesPodOperator(task_id="counts", cmds=["python3", "-c", COUNT], **common)
    KubernetesPodOperator(task_id="fails", cmds=["sh", "-c", "echo told; exit 7"], **common)
    KubernetesPodOperator(
        task_id="hands_over",
        cmds=["sh", "-c", WRITE],
        do_xcom_push=True,
        **common,
        init_containers=[],
    )
    KubernetesPodOperator(task_id="defers", cmds=["python3", "-c", COUNT], deferrable=True, **common, **quick)
    KubernetesJobOperator(
        task_id="job",
        cmds=["sh", "-c", "echo job done"],
        wait_until_job_complete=True,
        job_poll_interval=0.5,
        completions=2,
        parallelism=2,
        **common,
    )
    KubernetesJobOperator(
        task_id="job_fails",
        cmds=["sh", "-c", "exit 1"],
        wait_until_job_complete=True,
        job_poll_interval=0.5,
        backoff_limit=0,
        **common,
    )
    KubernetesJobOperator(
        task_id="job_defers",
        cmds=["sh", "-c", "echo job done"],
        wait_until_job_complete=True,
        job_poll_interval=1,
        deferrable=True,
        **common,
    )

if __name__ == "__main__":
    run = dag.test()
    wanted = select(XComModel).where(XComModel.run_id == run.run_id, XComModel.key == "return_value")
    told = {row.task_id: XComModel.deserialize_value(row) for row in Session().scalars(wanted)}
    states = {ti.task_id: {"state": ti.state, "result": told.get(ti.task_id)} for ti in run.get_task_instances()}
    print("\nANSWERS" + json.dumps({"state": run.state, "tasks": states}), flush=True)
