"""Nodes on a `kubernetes_job` target: what the plan says of their jobs and volume claims."""

from dataclasses import replace
from typing import Any

import pytest
from building import PROFILE, build_of, model, plan_of, tasks_of, test

from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.errors import ProjectError
from dbt_af_k8s.plan.codec import from_json, to_json
from dbt_af_k8s.plan.diff import diff_plans
from dbt_af_k8s.plan.explain import explain
from dbt_af_k8s.plan.objects import objects_of, task_with_objects
from dbt_af_k8s.plan.values import Control, Plan, TaskPlan
from dbt_af_k8s.pods.values import PodRun
from dbt_af_k8s.schedule.values import Interval

CLAIM = {"name": "scratch", "size": "1Gi"}
TEMPLATE = """\
apiVersion: batch/v1
kind: Job
metadata: {name: "{{ node.name | dns_label }}"}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: shop/etl:1
          args: ["{{ ds }}", "{{ data_interval_end | ts }}", "{{ start_dttm }}", "{{ refs.orders }}", "{{ this }}"]
          env:
            - {name: OWNER, value: "{{ config.meta.owner }} {{ region }} {{ params.full }}"}
            - {name: CLAIM, value: "{{ volume_claim | default('none') }}"}
"""


def profile(**output: Any) -> Profile:
    types = {**PROFILE.target_types, "job": "kubernetes_job"}
    return replace(PROFILE, target_types=types, python_targets={"job": {"type": "kubernetes_job", **output}})


def node(name: str = "export", *refs: str, **meta: Any):
    return model(name, *refs, language="python", meta={"dbt_target": "job", "owner": "Zoe", **meta})


def plan_with(*nodes: Any, settings: dict[str, Any] | None = None, **output: Any) -> Plan:
    return plan_of(*nodes, settings=settings or {}, profile=profile(**output))


def task_of(plan: Plan, task_id: str = "export") -> TaskPlan:
    return tasks_of(plan, "sales__daily")[task_id]


def test_a_node_on_a_job_target_is_a_job_between_its_neighbours() -> None:
    plan = plan_with(
        replace(model("orders"), relation_name="db.orders"),
        node("export", "orders", kubernetes={"template_fields": {"region": "north"}, "deferrable": True}),
        model("after", "export"),
        test("t", "export"),
        template="jobs/export.yml",
        template_fields={"region": "all", "depth": 2},
        namespace="etl",
    )
    task = task_of(plan)
    assert (task.kind, task.runner, task.target, task.dbt, task.pod) == ("run", "kubernetes_job", "job", None, None)
    assert task.job is not None
    assert (task.job.target.template, task.job.target.namespace) == ("jobs/export.yml", "etl")
    assert task.job.target.fields == {"region": "north", "depth": 2}
    assert task.deferrable
    assert task.job.payload.refs == (("orders", "db.orders"),)
    assert task.upstream == ("orders",)
    assert task_of(plan, "after").upstream == ("export__tests",)
    assert plan.left_out == ()


def test_a_claim_is_made_before_and_removed_after_and_nothing_waits_for_its_removal() -> None:
    plan = plan_with(
        model("orders"),
        node("export", "orders"),
        model("after", "export"),
        test("t", "export"),
        test("m", "after", tags=("@medium",)),
        test("n", "orders", tags=("@medium",)),
        template="a.yml",
        volume_claim=CLAIM,
    )
    make, job, remove = (task_of(plan, name) for name in ("export__volume", "export", "export__volume_removal"))
    assert (make.control, remove.control) == (Control.CLAIM_MAKE, Control.CLAIM_REMOVE)
    assert make.claim is not None
    assert make.claim == remove.claim
    assert (make.upstream, job.upstream) == (("orders",), ("export__volume",))
    assert remove.upstream == ("export", "export__volume")
    followed = {upstream for task in tasks_of(plan, "sales__daily").values() for upstream in task.upstream}
    assert "export__volume_removal" not in followed
    assert from_json(to_json(plan)) == plan


def test_a_backfill_keeps_the_tasks_of_a_claim() -> None:
    plan = plan_with(node(), settings={"dags": {"kinds": ["backfill"]}}, template="a.yml", volume_claim=CLAIM)
    tasks = tasks_of(plan, "sales__backfill")
    assert tasks["export"].control is Control.BACKFILL_NODE
    assert tasks["export__volume"].control is Control.CLAIM_MAKE
    assert tasks["export__volume_removal"].control is Control.CLAIM_REMOVE


@pytest.mark.parametrize(
    ("output", "meta", "code", "key"),
    [
        ({}, {}, "bad-kubernetes-target", "meta.kubernetes.template"),
        ({"templat": "x"}, {}, "unknown-kubernetes-key", "outputs.job.templat"),
        (
            {"template": "x"},
            {"kubernetes": {"image_name": "x"}},
            "unknown-kubernetes-key",
            "meta.kubernetes.image_name",
        ),
    ],
)
def test_what_is_wrong_is_told_when_planning(output: Any, meta: Any, code: str, key: str) -> None:
    plan = plan_with(node(**meta), **output)
    assert [(issue.code, issue.node, issue.key) for issue in plan.issues] == [(code, "model.shop.export", key)]


def test_a_changed_template_is_a_difference() -> None:
    one, other = (plan_with(node(), template=name) for name in ("a.yml", "b.yml"))
    assert "template" in str(diff_plans(one, other))


def objects(source: str = TEMPLATE, **output: Any) -> tuple[Any, ...]:
    nodes = (replace(model("orders"), relation_name="db.orders"), node("export", "orders"))
    build = build_of(*nodes, profile=profile(template="x.yml", template_fields={"region": "north"}, **output))
    dag, task = task_with_objects(build, "export")
    interval = Interval(*(dag.start_date.replace(day=day) for day in (2, 3)))
    run = PodRun(interval.start, interval.end, {"full": True})
    return objects_of(task, run, dag_id=dag.dag_id, templates=lambda folders: lambda name: TemplateText(source, name))


def test_what_is_rendered_is_what_is_sent() -> None:
    (job,) = objects()
    assert job["metadata"]["name"].startswith("export-")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"][0].endswith("-02")
    assert container["args"][3] == "db.orders"
    assert [each["value"] for each in container["env"]] == ["Zoe north True", "none"]


def test_the_claim_comes_first_and_the_template_knows_its_name() -> None:
    claim, job = objects(volume_claim=CLAIM, namespace="etl")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["env"][1]["value"] == claim["metadata"]["name"]
    assert claim["metadata"]["namespace"] == job["metadata"]["namespace"] == "etl"


def test_a_broken_template_is_told() -> None:
    with pytest.raises(ProjectError, match="Nothing is called 'nmae' here"):
        objects("kind: {{ nmae }}")


def test_a_job_is_explained() -> None:
    build = build_of(node(kubernetes={"volume_claim": CLAIM}), profile=profile(template="jobs/x.yml", namespace="etl"))
    (told,) = explain(build, "export")
    said = {reason.what: (reason.value, reason.rule) for reason in told.reasons}
    assert said["template"] == ("jobs/x.yml", "target `job` and the node's `kubernetes`")
    assert said["namespace"][0] == "etl"
    assert said["comes after"] == ("export__volume", "it makes the volume claim")


def test_a_target_that_the_node_leaves_as_it_is_stands_alone() -> None:
    (told,) = explain(build_of(node(), profile=profile(template="jobs/x.yml")), "export")
    assert {reason.rule for reason in told.reasons if reason.what == "template"} == {"target `job`"}
