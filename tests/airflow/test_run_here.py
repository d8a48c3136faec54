"""`dbt-af-k8s run` tells nobody: it calls no callbacks, refreshes nothing and sends no artefacts.

And tasks that plan (a backfill reads its form) plan what the command line named, not what lies in the project.
"""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from shop_on_disk import Shop

from dbt_af_k8s.airflow.run_here import DAG_FILE, JOB_VARIABLE
from dbt_af_k8s.cli.options import Where
from dbt_af_k8s.cli.run import job_of
from dbt_af_k8s.cli.run_order import RunOrder
from dbt_af_k8s.config.settings_integrations import Callbacks, CallbackSettings, Deadline
from dbt_af_k8s.plan.passes.backfill import FORM
from dbt_af_k8s.plan.store import Compiled
from dbt_af_k8s.plan.values import ArtifactsPlan, Control, DagKind, DagPlan, Plan, RefreshPlan, TaskKind, TaskPlan

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


#: A backfill without its dbt tasks: it reads its form, finds the nodes that it selects, and ends.
BACKFILL = DagPlan(
    dag_id="sales__backfill",
    kind=DagKind.BACKFILL,
    domain="sales",
    schedule=None,
    schedule_name="@manual",
    timezone="UTC",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    form=FORM,
    tasks=(
        TaskPlan("choose", TaskKind.ENDPOINT, control=Control.BACKFILL_CHOOSE),
        TaskPlan("orders", TaskKind.ENDPOINT, nodes=("model.shop.orders",), upstream=("choose",)),
    ),
)


def test_a_run_here_tells_nobody_and_plans_what_was_named(dag_test_lab, programs, tmp_path):
    shop = Shop(tmp_path / "shop", plain=None).model("orders").write()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (shop.root / "target" / "manifest.json").rename(elsewhere / "manifest.json")
    (shop.root / "dbt_af_k8s.yml").write_text("no_such_setting: 1\n")
    (elsewhere / "settings.yml").write_text("dags: {prefix: ''}\n")
    job, log, dags = tmp_path / "job.json", tmp_path / "log", tmp_path / "dags"
    dags.mkdir()
    (dags / "run_here_dags.py").write_text(DAG_FILE)
    day = {"start": "2026-01-02T00:00:00+00:00", "end": "2026-01-03T00:00:00+00:00"}
    plan = Plan("shop", "0" * 64, "1.11.16", (DAG, BACKFILL))
    where = Where(shop.root, manifest=elsewhere / "manifest.json", config=elsewhere / "settings.yml")
    made = job_of(where.request(), plan, Compiled((), None, None), RunOrder((), ()))
    made["runs"] = [{"dag_id": dag.dag_id, **day} for dag in plan.dags]
    made["tasks"] = [[n, task.task_id, []] for n, dag in enumerate(plan.dags) for task in dag.tasks]
    made["database"] = True
    job.write_text(json.dumps(made))
    environment = {
        **dag_test_lab.environment,
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        JOB_VARIABLE: str(job),
        "PYTHONPATH": os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))),
    }
    command = [programs / "python", "-m", "dbt_af_k8s.airflow.run_here", str(job), str(log)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    states = {event["task_id"]: event["state"] for event in events if event["event"] == "task-done"}
    assert states == {
        "refresh__orders": "not-refreshed",
        "start": "success",
        "choose": "success",
        "orders": "success",
    }, log.read_text()[-3000:]
    assert (events[-1]["event"], events[-1]["state"]) == ("dag-done", "success")
