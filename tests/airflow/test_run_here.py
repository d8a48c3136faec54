"""`dbt-af-k8s run` tells nobody: it calls no callbacks, refreshes nothing and sends no artefacts."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbt_af_k8s.airflow.run_here import DAG_FILE, DAG_VARIABLE, JOB_VARIABLE
from dbt_af_k8s.config.settings_integrations import Callbacks, CallbackSettings, Deadline
from dbt_af_k8s.plan.codec import plan_to_dict
from dbt_af_k8s.plan.values import ArtifactsPlan, DagKind, DagPlan, Plan, RefreshPlan, TaskKind, TaskPlan

pytestmark = pytest.mark.airflow

NOWHERE = Callbacks(on_execute=("no_such_package.tell",), on_success=("no_such_package.tell",))
DAG = DagPlan(
    dag_id="sales__daily",
    kind=DagKind.SCHEDULED,
    domain="sales",
    schedule="0 0 * * *",
    schedule_name="@daily",
    timezone="UTC",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tasks=(
        TaskPlan("start", TaskKind.ENDPOINT),
        TaskPlan(
            "refresh__orders",
            TaskKind.REFRESH,
            upstream=("start",),
            refresh=RefreshPlan("no_such_package.Board", "model.shop.orders", ({"name": "a"},)),
        ),
    ),
    callbacks=CallbackSettings(NOWHERE, {"endpoint": NOWHERE}, Deadline(60, "queued", "no_such_package.late")),
    artifacts=ArtifactsPlan("no_such_package.Receiver", "shop", required=True),
)


def test_a_run_here_tells_nobody(dag_test_lab, tmp_path):
    job, log, dags = tmp_path / "job.json", tmp_path / "log", tmp_path / "dags"
    dags.mkdir()
    (dags / "run_here_dags.py").write_text(DAG_FILE)
    run = {"dag_id": "sales__daily", "start": "2026-01-02T00:00:00+00:00", "end": "2026-01-03T00:00:00+00:00"}
    plan = plan_to_dict(Plan("shop", "0" * 64, "1.11.16", (DAG,)))
    job.write_text(json.dumps({"plan": plan, "project_dir": str(tmp_path), "profiles_dir": None, "runs": [run]}))
    environment = {
        **dag_test_lab.environment,
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        JOB_VARIABLE: str(job),
        DAG_VARIABLE: "sales__daily",
        "PYTHONPATH": os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))),
    }
    command = [sys.executable, "-m", "dbt_af_k8s.airflow.run_here", str(job), str(log)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    states = {event["task_id"]: event["state"] for event in events if event["event"] == "task-done"}
    assert states == {"refresh__orders": "not-refreshed", "start": "success"}, log.read_text()[-3000:]
    assert (events[-1]["event"], events[-1]["state"]) == ("dag-done", "success")
