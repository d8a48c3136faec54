"""No text of a node is ever an Airflow template: all kinds of tasks, with Jinja in every text that a node can have."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from building import PROFILE, build_of, model, seed, snapshot, source
from building import test as data_test

from dbt_af_k8s.airflow.dbt_job import DbtJobOperator
from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.dbt.values import DbtProject

pytestmark = pytest.mark.airflow

EVIL = "{{ conn.warehouse.password }}{% set x = var.value.x %}{# evil #}"
JOB = {"type": "kubernetes_job", "template": "job.yml", "write_rendered_to": "/tmp/jobs/{{ run_id }}.yml"}


@pytest.fixture(scope="module")
def tasks() -> list[BaseOperator]:
    """Tasks of every kind that a project with evil texts has."""
    types = {**PROFILE.target_types, "job": "kubernetes_job", "env": "venv"}
    targets: dict[str, Any] = {**PROFILE.python_targets, "job": JOB, "env": {"type": "venv"}}
    profile = replace(PROFILE, target_types=types, python_targets=targets)
    texts = {"owner": EVIL, "pool": EVIL, "queue": EVIL, "env": {"A": EVIL}, "maintenance": {"persist_docs": True}}
    pod = {"kubernetes": {"labels": {"a": EVIL}, "annotations": {"a": EVIL}, "python": EVIL}}
    job = {"kubernetes": {"template_fields": {"a": EVIL, "b": [EVIL]}}}
    raw = replace(source("raw", "t"), freshness={"error_after": {"count": 1, "period": "day"}}, loaded_at_field=EVIL)
    nodes = (
        seed("s", meta=texts),
        model("m", "seed.shop.s", "source:raw.t", meta=texts),
        snapshot("snap", "m", meta=texts),
        data_test("t", "m", meta={"owner": EVIL}),
        model("p", "m", language="python", script=EVIL, meta={**texts, **pod, "dbt_target": "k8s"}),
        model("j", "m", language="python", script=EVIL, meta={"owner": EVIL, **job, "dbt_target": "job"}),
        model("v", "m", language="python", script=EVIL, meta={"env": {"A": EVIL}, "dbt_target": "env"}),
        model("far", "m", folder="other", meta={**texts, "schedule": "@weekly"}),
        model("kube", "m", meta={"owner": EVIL, "runner": "kubernetes_pod"}),
        model("api", "m", meta={"owner": EVIL, "runner": "dbt_api"}),
    )
    rows = {"x": {"type": "kubernetes_pod", "pod": {"image_name": "shop/dbt:1"}}}
    built = build_of(*nodes, raw, settings={"runners": rows}, profile=profile)
    assert not [issue for issue in built.plan.issues if issue.is_error], built.plan.issues
    project = DbtProject(Path("/opt/shop"))
    return [task for dag in built.plan.dags for task in emit_dag(dag, project, None).tasks]


def test_there_are_tasks_of_many_kinds(tasks: list[BaseOperator]) -> None:
    assert len({type(task).__name__ for task in tasks}) >= 9
    assert EVIL in "".join(str(vars(task)) for task in tasks)


def test_airflow_gets_no_text_of_a_node_to_render(tasks: list[BaseOperator], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reaches Airflow's own rendering, from any operator, has no text of a node in it."""
    given: list[Any] = []

    def rendered(self: BaseOperator, context: Any, jinja_env: Any = None) -> None:
        given.extend(getattr(self, name) for name in self.template_fields)

    monkeypatch.setattr(BaseOperator, "render_template_fields", rendered)
    run = SimpleNamespace(run_type="manual", data_interval_start=None, data_interval_end=None, logical_date=None)
    run.run_after, run.conf = tasks[0].start_date, {}
    for task in tasks:
        ti = SimpleNamespace(dag_id="d", task_id=task.task_id, run_id="r", map_index=-1, xcom_pull=lambda **_: None)
        task.render_template_fields({"ti": ti, "dag_run": run, "params": {}, "run_id": "r"})
    assert "{{ run_id }}" in str(given)
    assert "conn.warehouse" not in str(given)
    assert "evil" not in str(given)


def test_the_template_of_a_nodes_job_knows_no_connection(tasks: list[BaseOperator]) -> None:
    job = next(each for each in tasks if isinstance(each, DbtJobOperator) and each.calendar.choose is None)
    run = SimpleNamespace(run_type="manual", data_interval_start=None, logical_date=None, conf={"a": 1})
    run.run_after = job.start_date
    ti = SimpleNamespace(dag_id="d", task_id="j", run_id="r", map_index=-1)
    context = {"ti": ti, "dag_run": run, "params": {"a": 1}, "conn": 1, "var": 1, "macros": 1, "task": job}
    known = job.variables(context)
    assert {"conn", "var", "macros", "ti", "task_instance"}.isdisjoint(known)
    assert known["task"] == {"task_id": "j"}
    assert (known["run_id"], known["params"], known["a"]) == ("r", {"a": 1}, EVIL)


def test_a_path_that_leads_out_after_rendering_is_refused_and_not_written(tmp_path: Path) -> None:
    from airflow.sdk import DAG

    from dbt_af_k8s.airflow.jobs.errors import JobRefusedError
    from dbt_af_k8s.airflow.jobs.template import KubernetesJobTemplateOperator

    (tmp_path / "job.yml").write_text("apiVersion: batch/v1\n")
    (tmp_path / "jobs").mkdir()
    with DAG("d", schedule=None):
        task = KubernetesJobTemplateOperator(
            task_id="j",
            template=str(tmp_path / "job.yml"),
            write_rendered_to=f"{tmp_path}/jobs/{{{{ params.name }}}}.py",
        )
    task.render_template_fields({"params": {"name": "../dags"}})
    assert "leads out of" in task.rendered
    with pytest.raises(JobRefusedError, match="`write_rendered_to` leads out of"):
        task.execute({})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.yml", "jobs"]
