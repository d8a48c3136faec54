"""Nodes on targets that are no warehouse: what the plan says of their scripts."""

from dataclasses import replace
from typing import Any

import pytest
from building import PROFILE, SCRIPTS, build_of, model, plan_of, seed, source, tasks_of, test

from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.plan.codec import from_json, to_json
from dbt_af_k8s.plan.diff import diff_plans
from dbt_af_k8s.plan.local_pods import without_pods
from dbt_af_k8s.plan.values import Control, Plan, TaskPlan


def script(name: str = "export", *refs: str, target: str = "k8s", **more: Any):
    meta = {"dbt_target": target, **more.pop("meta", {})}
    return model(name, *refs, language="python", meta=meta, **more)


def task_of(plan: Plan, task_id: str = "export") -> TaskPlan:
    return tasks_of(plan, "sales__daily")[task_id]


def profile_with(**outputs: dict[str, Any]) -> Profile:
    types = {name: output["type"] for name, output in outputs.items()}
    return replace(PROFILE, target_types={"dev": "duckdb", **types}, python_targets=outputs)


def told(plan: Plan) -> list[tuple[str, str | None, str | None, str | None]]:
    return [(issue.code, issue.node, issue.file, issue.key) for issue in plan.issues]


def test_a_node_on_a_kubernetes_target_is_a_pod_between_its_neighbours() -> None:
    parents = (replace(model("orders"), relation_name="db.orders"), replace(source("raw", "x"), relation_name="raw.x"))
    node = script("export", "orders", "source:raw.x", script="print('hi {{ x }}')\n")
    plan = plan_of(*parents, node, model("after", "export"), test("t", "export"))
    task = task_of(plan)
    assert (task.kind, task.runner, task.target, task.dbt) == ("run", "kubernetes", "k8s", None)
    assert task.pod is not None
    assert task.pod.payload.source == "print('hi {{ x }}')\n"
    assert task.pod.payload.refs == (("orders", "db.orders"), ("raw.x", "raw.x"))
    assert (task.pod.target.image, task.pod.target.namespace) == ("shop/etl:1", "etl")
    assert task.upstream == ("orders",)
    assert task_of(plan, "export__tests").runner == "local"
    assert task_of(plan, "after").upstream == ("export__tests",)
    assert plan.left_out == ()


def test_the_plan_with_scripts_survives_json() -> None:
    everything = {
        "type": "kubernetes",
        "image_name": "a/b:1",
        "memory_ladder": ["2Gi"],
        "pod_memory_guarantee": "1Gi",
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "workload_identity": {"aws": {"role_arn": "arn:aws:iam::1:role/x"}},
        "service_account": "etl",
        "retry_script": [3],
        "env": {"A": 1, "B": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}},
        "log_containers": ["proxy"],
        "sidecars": [{"name": "proxy", "image": "envoy"}],
        "pod": {"spec": {"hostNetwork": True}},
    }
    venv = {"type": "venv", "requirements": ["polars"], "env": {"A": 1}}
    profile = profile_with(k8s=everything, env=venv)
    settings = {"kubernetes": {"airflow_identity_binding_selector": "me"}}
    plan = plan_of(script(), script("other", target="env"), settings=settings, profile=profile)
    assert from_json(to_json(plan)) == plan
    assert not [issue for issue in plan.issues if issue.is_error]
    assert task_of(plan).pod.identity_binding == "me"
    assert "written" not in to_json(plan)


def test_the_node_changes_its_target() -> None:
    meta = {
        "kubernetes": {"pod_memory_guarantee": "3Gi"},
        "env": {"A": 1, "B": {"k8s": "here", "prod": "there"}, "C": {"x": 1}},
    }
    target = task_of(plan_of(script(meta=meta))).pod.target
    assert target.limits["memory"] == "3Gi"
    assert [dict(each) for each in target.env] == [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "here"},
        {"name": "C", "value": '{"x":1}'},
    ]


def test_settings_fill_in_for_targets() -> None:
    bare = profile_with(
        k8s={"type": "kubernetes", "image_name": "a"}, own={"type": "kubernetes", "image_name": "a", "namespace": "x"}
    )
    settings = {"kubernetes": {"namespace": "etl", "kubernetes_conn_id": "far"}}
    plan = plan_of(script(), script("other", target="own"), settings=settings, profile=bare)
    assert (task_of(plan).pod.target.namespace, task_of(plan).pod.target.cluster.conn_id) == ("etl", "far")
    assert task_of(plan, "other").pod.target.namespace == "x"


def test_without_a_cluster_the_runner_is_a_process() -> None:
    build = build_of(script(), settings={"kubernetes": {"local": True}})
    task = task_of(build.plan)
    assert (task.runner, task.pod is not None) == ("local_process", True)
    assert "kubernetes.local" in build.decisions.nodes["model.shop.export"].runner.because


def test_a_plan_without_pods_for_one_run() -> None:
    plan = plan_of(script(), script("other", target="env"), model("m"), profile=SCRIPTS)
    (dag,) = [without_pods(dag) for dag in plan.dags if dag.dag_id == "sales__daily"]
    assert {task.task_id: task.runner for task in dag.tasks} == {
        "export": "local_process",
        "other": "venv",
        "m": "local",
    }


def test_a_venv() -> None:
    plan = plan_of(script(target="env", meta={"env": {"A": "b"}}), profile=SCRIPTS)
    task = task_of(plan)
    assert (task.runner, task.pod, task.venv.target.requirements) == ("venv", None, ("polars==1.30.0",))
    assert task.venv.target.env == (("A", "b"),)


def test_retries_of_scripts_are_their_own() -> None:
    settings = {"retries": {"kubernetes": {"retries": 7}, "run": {"retries": 1}}}
    plan = plan_of(script(), script("own", meta={"retries": 0}), model("m"), settings=settings)
    assert [task_of(plan, name).retry.retries for name in ("export", "own", "m")] == [7, 0, 1]


def test_every_problem_of_a_target_is_told_once_and_breaks_only_who_uses_it() -> None:
    profile = profile_with(k8s={"type": "kubernetes", "image_nam": "a", "namespace": "No!"})
    nodes = (script(), script("second", folder="web"), model("fine", folder="raw"))
    plan = plan_of(*nodes, profile=profile)
    assert sorted(told(plan)) == [
        ("bad-kubernetes-target", "model.shop.export", "profiles.yml", "outputs.k8s.image_name"),
        ("bad-kubernetes-target", "model.shop.export", "profiles.yml", "outputs.k8s.namespace"),
        ("broken-target", "model.shop.second", "models/web/second.py", None),
        ("unknown-kubernetes-key", "model.shop.export", "profiles.yml", "outputs.k8s.image_nam"),
    ]
    assert {dag.domain: dag.is_broken for dag in plan.dags if dag.schedule} == {
        "sales": True,
        "web": True,
        "raw": False,
    }


@pytest.mark.parametrize(
    ("meta", "code", "key"),
    [
        ({"kubernetes": {"image": "a"}}, "unknown-kubernetes-key", "meta.kubernetes.image"),
        ({"kubernetes": {"type": "kubernetes"}}, "bad-kubernetes-target", "meta.kubernetes.type"),
        (
            {"dbt_af_k8s": {"kubernetes": {"image_name": 5}}},
            "bad-kubernetes-target",
            "meta.dbt_af_k8s.kubernetes.image_name",
        ),
        ({"env": {"START_DTTM": "x"}}, "bad-kubernetes-target", "meta.env.START_DTTM"),
    ],
)
def test_a_nodes_changes_are_validated(meta: dict[str, Any], code: str, key: str) -> None:
    assert told(plan_of(script(meta=meta))) == [(code, "model.shop.export", "models/sales/export.py", key)]


def test_a_script_that_does_not_fit_is_told_when_planning() -> None:
    import random

    bulk = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300_000))
    (issue,) = plan_of(script(script=bulk)).issues
    assert (issue.code, issue.file) == ("script-too-large", "models/sales/export.py")


def test_maintenance_of_a_scripts_table_is_done_by_the_warehouse() -> None:
    node = script(meta={"maintenance": {"vacuum_table": True}})
    plan = plan_of(node, profile=replace(PROFILE, default_target="prod"))
    (task,) = tasks_of(plan, "sales__maintenance").values()
    assert (task.target, task.runner, task.pod) == ("prod", "local", None)
    assert task.dbt is not None


def test_a_backfill_runs_the_script_where_it_runs_always() -> None:
    node = model("export", "orders", language="python", meta={"py_cluster": "k8s"})
    plan = plan_of(model("orders"), node, settings={"targets": {"backfill": "prod"}})
    tasks = tasks_of(plan, "sales__backfill")
    assert (tasks["orders"].target, tasks["export"].target) == ("prod", "k8s")
    assert tasks["export"].pod is not None
    assert tasks["export"].control is Control.BACKFILL_NODE


def test_a_backfill_cluster_of_its_own_is_read_too() -> None:
    profile = profile_with(k8s=PROFILE.python_targets["k8s"], big={"type": "kubernetes", "image_name": "big"})
    node = model("export", language="python", meta={"py_cluster": "k8s", "bf_cluster": "big"})
    plan = plan_of(node, profile=profile)
    assert tasks_of(plan, "sales__backfill")["export"].pod.target.image == "big"
    assert task_of(plan).pod.target.image == "shop/etl:1"


def test_what_changed_in_a_pod_is_told_key_by_key() -> None:
    before = plan_of(script(), seed("s"))
    after = plan_of(script(script="print(2)\n", meta={"kubernetes": {"pod_memory_guarantee": "3Gi"}}), seed("s"))
    changes = {(c.what, c.old, c.new) for c in diff_plans(before, after).changes if c.dag_id == "sales__daily"}
    assert ("pod.limits", None, '{"memory": "3Gi"}') in changes
    assert {what for what, _, _ in changes} == {"pod.config", "pod.limits", "pod.requests", "pod.script"}
    assert not any("print" in (old or "") + (new or "") for _, old, new in changes)


def test_a_target_that_no_node_needs_is_looked_at_too() -> None:
    profile = profile_with(
        k8s={"type": "kubernetes", "image_name": "a", "pod_cpu": 1},
        jobs={"type": "kubernetes_job", "tail_log": True},
        env={"type": "venv", "requirement": []},
        fine={"type": "kubernetes", "image_name": "a"},
    )
    plan = plan_of(model("orders"), profile=profile)
    assert [(issue.severity, issue.code, issue.node, issue.key) for issue in plan.issues] == [
        ("warning", "unknown-venv-key", None, "outputs.env.requirement"),
        ("warning", "unknown-kubernetes-key", None, "outputs.jobs.tail_log"),
        ("warning", "unknown-kubernetes-key", None, "outputs.k8s.pod_cpu"),
    ]
    assert all(issue.message.endswith("No node runs on this target.") for issue in plan.issues)
    assert tasks_of(plan, "sales__daily").keys() == {"orders"}


def test_a_target_that_a_node_needs_is_told_once() -> None:
    broken = profile_with(k8s={"type": "kubernetes", "image_name": "a", "pod_cpu": 1})
    assert [issue.severity for issue in plan_of(script(), profile=broken).issues] == ["error"]


def test_kubernetes_settings_that_nothing_reads_are_told() -> None:
    more = {"kubernetes": {"pod_memory_guarantee": "3Gi"}}
    plan = plan_of(model("orders", meta=more), script("other", target="env", meta=more), profile=SCRIPTS)
    assert [(issue.code, issue.node, issue.key) for issue in plan.issues] == [
        ("idle-kubernetes-settings", "model.shop.orders", "meta.kubernetes"),
        ("idle-kubernetes-settings", "model.shop.other", "meta.kubernetes"),
    ]
    assert "is of type `venv`" in plan.issues[1].message


def test_kubernetes_settings_of_a_whole_folder_are_none_of_them() -> None:
    more = {"kubernetes": {"pod_memory_guarantee": "3Gi"}}
    assert plan_of(model("orders", meta=more), script(meta=more)).issues == ()


def test_kubernetes_settings_for_backfills_alone() -> None:
    more = {"kubernetes": {"pod_memory_guarantee": "3Gi"}, "bf_cluster": "k8s"}
    node = model("orders", language="python", meta={"dbt_target": "env", **more})
    assert plan_of(node, profile=SCRIPTS).issues == ()
