"""Runners of pods in the plan: the pod of each task, what is wrong with it, and the clusters of runs."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from building import PROFILE, model, plan_of, tasks_of

from dbt_af_k8s.plan.codec import plan_from_dict, plan_to_dict
from dbt_af_k8s.plan.compiled import dag_file, pack_dag, unpack_dag
from dbt_af_k8s.plan.diff_fields import task_fields
from dbt_af_k8s.plan.objects import objects_of
from dbt_af_k8s.plan.values import Control, Plan
from dbt_af_k8s.pods.values import PodRun

POD = {"image_name": "shop/dbt:1", "namespace": "shop"}
GKE = {"type": "gke_pod", "project_id": "p", "location": "l", "cluster_name": "dbt"}


def planned(row: dict[str, Any], **meta: Any) -> Plan:
    return plan_of(model("a"), model("b", "a", meta=meta), settings={"runners": {"*": row}}, profile=PROFILE)


def test_each_task_has_its_pod_and_a_node_changes_keys_of_it() -> None:
    more = {"runner": {"type": "kubernetes_pod", "pod": {"image_name": "shop/dbt:2"}}}
    tasks = tasks_of(planned({"type": "kubernetes_pod", "pod": POD}, **more), "sales__daily")
    images = {name: task.dbt_pod.target.image for name, task in tasks.items()}
    assert images == {"a": "shop/dbt:1", "b": "shop/dbt:2"}
    assert {task.dbt_pod.target.namespace for task in tasks.values()} == {"shop"}
    assert {task.dbt_pod.manifest for task in tasks.values()} == {"target/manifest.json"}


def test_a_pod_that_is_wrong_breaks_the_domain_and_says_where() -> None:
    plan = planned({"type": "kubernetes_pod", "pod": {"image_nam": "x", "script_from": "image"}})
    assert {issue.key for issue in plan.issues if issue.is_error} == {
        "runners.*.pod.image_nam",
        "runners.*.pod.image_name",
        "runners.*.pod.script_from",
    }
    assert {dag.is_broken for dag in plan.dags if dag.domain == "sales"} == {True}


def test_a_cloud_finds_its_cluster_by_itself() -> None:
    plan = planned({**GKE, "pod": {**POD, "kubernetes_conn_id": "x"}})
    assert {issue.key for issue in plan.issues if issue.is_error} == {"runners.*.pod.kubernetes_conn_id"}


def test_a_cluster_of_a_run_stands_around_its_pods() -> None:
    plan = planned({**GKE, "create": {"autopilot": {"enabled": True}}, "pod": POD})
    tasks = tasks_of(plan, "sales__daily")
    assert tasks["cluster__dbt"].control is Control.CLUSTER_MAKE
    assert tasks["cluster__dbt__ready"].upstream == ("cluster__dbt",)
    assert tasks["a"].upstream == ("cluster__dbt__ready",)
    assert tasks["b"].upstream == ("a", "cluster__dbt__ready")
    assert tasks["cluster__dbt__deletion"].upstream == ("a", "b", "cluster__dbt")
    assert plan_from_dict(plan_to_dict(plan)).dags == plan.dags


def test_without_create_there_is_no_task_more() -> None:
    assert sorted(tasks_of(planned({**GKE, "pod": POD}), "sales__daily")) == ["a", "b"]


def test_what_is_rendered_is_the_pod_of_dbt() -> None:
    from datetime import UTC, datetime

    row = {"type": "kubernetes_pod", "pod": POD, "conn_id": "warehouse", "output": {"schema": "s"}}
    task = tasks_of(planned(row), "sales__daily")["a"]
    (pod,) = objects_of(task, PodRun(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)))
    base = pod["spec"]["containers"][0]
    assert base["args"][:3] == ["python", "-m", "dbt_af_k8s.dbt.in_pod"]
    assert "--select" in base["args"]
    assert pod["spec"]["volumes"] == [{"name": "dbt-af-profile", "secret": {"secretName": "dbt-af-profile-run"}}]
    assert base["env"] == [{"name": "PYTHONUNBUFFERED", "value": "1"}]
    assert "warehouse" not in yaml.safe_dump(pod)
    assert replace(task.dbt_pod, connection=None).profiles_dir is None


def test_another_manifest_alone_is_no_difference() -> None:
    plan = planned({"type": "kubernetes_pod", "pod": POD})
    task = tasks_of(plan, "sales__daily")["a"]
    assert task_fields(task) == task_fields(replace(task, dbt_pod=replace(task.dbt_pod, manifest_sha256="other")))
    other = replace(task.dbt_pod, target=replace(task.dbt_pod.target, image="shop/dbt:2"))
    assert task_fields(task) != task_fields(replace(task, dbt_pod=other))


def test_a_node_names_a_cloud_s_runner_and_a_row_says_which_cluster() -> None:
    settings = {"runners": {"prod": GKE | {"pod": POD}}}
    plan = plan_of(model("a", meta={"runner": "gke_pod"}), model("b"), settings=settings)
    tasks = tasks_of(plan, "sales__daily")
    assert (tasks["a"].dbt_pod.gke.cluster_name, tasks["b"].runner) == ("dbt", "local")
    alone = plan_of(model("a", meta={"runner": "gke_pod"}), settings={})
    told = "The runner `gke_pod` lacks `project_id`, `location`, `cluster_name`, so it does not say which cluster."
    assert told in [issue.message for issue in alone.issues if issue.node == "model.shop.a"]


def test_what_is_wrong_with_a_node_s_own_pod_is_told_at_each_such_node() -> None:
    own = {"runner": {"type": "gke_pod", "pod": {"image_nam": "x"}}}
    issues = plan_of(model("a", meta=own), model("b", meta={"runner": "gke_pod"}), model("c", meta=own)).issues
    told = {(issue.node, issue.file, issue.key) for issue in issues}
    for name in "abc":
        place = (f"model.shop.{name}", f"models/sales/{name}.sql")
        assert {(*place, "meta.runner"), (*place, "meta.runner.pod.image_name")} <= told
        assert ((*place, "meta.runner.pod.image_nam") in told) is (name != "b")


def test_a_pod_that_a_node_has_from_a_row_is_told_at_the_row() -> None:
    settings = {"runners": {"prod": {"type": "kubernetes_pod", "pod": {"image_nam": "x"}}}}
    nodes = (model("a", meta={"runner": "kubernetes_pod"}), model("b", meta={"runner": "kubernetes_pod"}))
    issues = plan_of(*nodes, settings=settings).issues
    assert [(issue.file, issue.key) for issue in issues if issue.is_error] == [
        ("dbt_af_k8s.yml", "runners.prod.pod.image_nam"),
        ("dbt_af_k8s.yml", "runners.prod.pod.image_name"),
    ]


@pytest.mark.parametrize("row", [GKE | {"create": {"autopilot": {}}}, {"type": "eks_pod", "cluster_name": "c"}])
def test_a_compiled_plan_holds_pods_and_clusters(row: dict[str, Any]) -> None:
    dag = planned({**row, "pod": POD}).dag("sales__daily")
    assert dag is not None
    data = pack_dag(dag)
    assert unpack_dag(data, dag_file(dag.dag_id, data)) == dag
