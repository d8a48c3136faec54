"""The project's pod operator against the cluster, run by `dag.test` in a process of its own.

Arguments: kube config file, namespace, the image with Python, the image of the sidecar, and names of tasks with commas
between, or `all`; then a logical date, for a run that another process takes up. The last line of the output is
`ANSWERS` and a JSON object of what became of each task.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.settings import Session
from sqlalchemy import select

from dbt_af_k8s.airflow import DbtPodOperator

config_file, namespace, image, sidecar, wanted = sys.argv[1:6]
at = datetime.fromisoformat(sys.argv[6]) if len(sys.argv) > 6 else None

COUNT = "import time\nfor number in range(40):\n    print('line', number, flush=True)\n    time.sleep(0.02)\n"
WAIT = "import time\nprint('waiting', flush=True)\ntime.sleep(1.5)\nprint('waited', flush=True)\n"
LONG = "import time\nprint('waiting', flush=True)\ntime.sleep(8)\nprint('waited', flush=True)\n"
#: Waits until a command in its container lets it go on.
HELD = """
import os, pathlib, time
print('waiting', flush=True)
word = pathlib.Path('/tmp', os.environ['DBT_AF_NODE'] + '-' + os.environ['POD'] + '.go')
while not word.exists():
    time.sleep(0.1)
word.unlink()
print('waited', flush=True)
"""
HELPER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('helped 1', flush=True)
print('helped 2', flush=True)
time.sleep(60)
"""
SIDECAR = {"name": "helper", "image": image, "command": ["python3", "-c", HELPER]}
POD = {"POD": {"valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}}
SLOW_COUNT = COUNT.replace("0.02", "0.15")
RESULT = "from dbt_af_k8s_pod import PodContext\nPodContext.from_env().write_result({'rows': 3})\n"
EXIT = "import sys\nprint('told', flush=True)\nsys.exit(3)\n"
#: Name of a task -> its script, and what its target has besides.
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "fine": (COUNT, {}),
    "result": (RESULT, {"xcom": True}),
    "from-config-map": (COUNT, {"script_from": "config_map"}),
    "exits": (EXIT, {}),
    "deferred": (WAIT, {"deferrable": True, "log_every": 1}),
    "deferred-exits": (EXIT, {"deferrable": True}),
    "deadline": (LONG, {"active_deadline": 1}),
    "evicted": (WAIT, {}),
    "deferred-evicted": (WAIT, {"deferrable": True}),
    "node-lost": (WAIT, {}),
    "deleted": (WAIT, {}),
    "climbs": (WAIT, {"pod_memory_guarantee": "64Mi", "memory_ladder": ["128Mi"]}),
    "out-of-memory": (WAIT, {}),
    "no-image": (WAIT, {"startup_timeout": 8}),
    "no-node": (WAIT, {"startup_timeout": 3}),
    "slow": (WAIT, {}),
    "lost-answer": (WAIT, {}),
    "conflict": (WAIT, {}),
    "too-many": (WAIT, {}),
    "in-trouble": (WAIT, {}),
    "cut-off": (WAIT, {}),
    "broken-log": (SLOW_COUNT + RESULT, {"xcom": True}),
    "repeated-log": (SLOW_COUNT + RESULT, {"xcom": True}),
    "two-logs": (WAIT, {"sidecars": [SIDECAR], "log_containers": ["helper"]}),
    "adopted": (HELD, {"env": POD}),
}
#: It waits for a word from outside.
ALONE = ("adopted",)

with DAG("scripts", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
    for name in sorted(set(TASKS) - set(ALONE)) if wanted == "all" else wanted.split(","):
        script, target = TASKS[name]
        DbtPodOperator.for_script(
            task_id=name,
            script=script,
            target={"image_name": image, "namespace": namespace, "config_file": config_file, "xcom": False, **target},
            retries=2,
            retry_delay=timedelta(0),
            startup_check_interval_seconds=1,
            poll_interval=1,
            in_cluster=False,
        )

if __name__ == "__main__":
    run = dag.test(run_after=at, logical_date=at)
    query = select(XComModel).where(XComModel.run_id == run.run_id, XComModel.key == "return_value")
    told = {row.task_id: XComModel.deserialize_value(row) for row in Session().scalars(query)}
    tasks = {
        ti.task_id: {"state": ti.state, "tries": ti.try_number, "result": told.get(ti.task_id)}
        for ti in run.get_task_instances()
    }
    print("\nANSWERS" + json.dumps({"state": run.state, "tasks": tasks}), flush=True)
