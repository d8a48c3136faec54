"""Node settings keep to the node's work: attacks on every key by which a node could reach further."""

from dataclasses import replace
from typing import Any

import pytest
from building import PROFILE, SCRIPTS, model, plan_of, tasks_of

from dbt_af_k8s.config.node_meta import NODE_SETTING_NAMES
from dbt_af_k8s.plan.values import Plan

POD = {"type": "kubernetes_pod", "pod": {"image_name": "shop/dbt:1"}, "conn_id": "warehouse"}
API = {"type": "dbt_api", "conn_id": "big"}
GKE = {**POD, "type": "gke_pod", "project_id": "p", "location": "l", "cluster_name": "c"}
EKS = {**POD, "type": "eks_pod", "cluster_name": "c"}
ROWS = {"runners": {"pod": POD, "api": API, "gke": GKE, "eks": EKS}}


def planned(meta: dict[str, Any], **rest: Any) -> Plan:
    return plan_of(model("a", meta=meta, **rest), settings=ROWS, profile=SCRIPTS)


def told(plan: Plan) -> list[tuple[str, str | None]]:
    found = [(issue.code, issue.key) for issue in plan.issues if issue.is_error]
    assert plan.dag("sales__daily").is_broken is bool(found)
    return found


@pytest.mark.parametrize(
    ("runner", "far"),
    [
        ("local", {"dbt": "/tmp/evil"}),
        ("dbt_api", {"conn_id": "admin"}),
        ("dbt_api", {"project_dir": "/etc"}),
        *((each, {"conn_id": "admin"}) for each in ("kubernetes_pod", "gke_pod", "eks_pod")),
        *((each, {"project_dir": "/etc"}) for each in ("kubernetes_pod", "gke_pod", "eks_pod")),
        ("kubernetes_pod", {"profiles_dir": "/tmp"}),
        ("kubernetes_pod", {"manifest": "../x"}),
        ("kubernetes_pod", {"dbt": "/tmp/evil"}),
        ("kubernetes_pod", {"output": {"host": "evil"}}),
        *(
            ("gke_pod", {key: "x"})
            for key in ("project_id", "location", "cluster_name", "gcp_conn_id", "impersonation_chain")
        ),
        *(("gke_pod", {key: True}) for key in ("use_internal_ip", "use_dns_endpoint", "create")),
        *(("eks_pod", {key: "x"}) for key in ("cluster_name", "region", "aws_conn_id")),
    ],
)
def test_where_dbt_runs_is_the_settings_business(runner: str, far: dict[str, Any]) -> None:
    plan = planned({"runner": {"type": runner, **far}})
    assert told(plan) == [("bad-node-setting", "meta.runner")]
    (issue,) = [each for each in plan.issues if each.is_error]
    assert f"cannot set `{next(iter(far))}`" in issue.message
    assert "in a row of `runners`" in issue.fix


@pytest.mark.parametrize(
    ("runner", "near"),
    [
        ("local", {}),
        ("dbt_api", {"poke": 60, "patience": "1h", "deferrable": False, "request_timeout": 5}),
        *(
            (each, {"pod": {"limits": {"memory": "1Gi"}, "image_name": "shop/dbt:2", "labels": {"team": "x"}}})
            for each in ("kubernetes_pod", "gke_pod", "eks_pod")
        ),
    ],
)
def test_how_its_work_is_done_is_the_nodes(runner: str, near: dict[str, Any]) -> None:
    plan = planned({"runner": {"type": runner, **near}})
    assert told(plan) == []
    task = tasks_of(plan, "sales__daily")["a"]
    assert task.runner == runner
    if "pod" in near:
        assert (task.dbt_pod.target.image, task.dbt_pod.connection.conn_id) == ("shop/dbt:2", "warehouse")


@pytest.mark.parametrize(
    ("pod", "key"),
    [
        ({"service_account": "admin"}, "service_account"),
        ({"namespace": "kube-system"}, "namespace"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "volumes"),
        ({"pod": {"spec": {"hostNetwork": True}}}, "pod"),
        ({"env": {"A": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}}}, "env.A"),
        ({"annotations": {"iam.amazonaws.com/role": "x"}}, "annotations.iam.amazonaws.com/role"),
    ],
)
@pytest.mark.parametrize("runner", ["kubernetes_pod", "gke_pod", "eks_pod"])
def test_a_runners_pod_keeps_what_the_row_says(runner: str, pod: dict[str, Any], key: str) -> None:
    assert ("bad-node-setting", f"runner.pod.{key}") in told(planned({"runner": {"type": runner, "pod": pod}}))


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ({"spec": {"serviceAccountName": "admin", "containers": []}}, "spec.serviceAccountName"),
        ({"spec": {"hostNetwork": True, "containers": []}}, "spec.hostNetwork"),
        ({"spec": {"volumes": [{"name": "a", "hostPath": {"path": "/"}}], "containers": []}}, "spec.volumes"),
        ({"spec": {"initContainers": [{"name": "a"}], "containers": []}}, "spec.initContainers"),
        ({"spec": {"containers": [{"name": "base", "image": "evil"}]}}, "spec.containers[0].image"),
        ({"spec": {"containers": [{"name": "base", "command": ["sh"]}]}}, "spec.containers[0].command"),
        (
            {"spec": {"containers": [{"name": "base", "env": [{"name": "A", "value": "b"}]}]}},
            "spec.containers[0].env",
        ),
        (
            {"spec": {"containers": [{"name": "base", "securityContext": {"privileged": True}}]}},
            "spec.containers[0].securityContext",
        ),
        ({"metadata": {"namespace": "kube-system"}}, "metadata.namespace"),
        (
            {"metadata": {"labels": {"vault.io/use": "true"}}},
            "metadata.labels.vault.io/use",
        ),
    ],
)
def test_the_workers_own_pod_is_the_settings_business(override: dict[str, Any], key: str) -> None:
    config = {"executor_config": {"pod_override": override}}
    assert told(planned(config)) == [("bad-node-setting", f"executor_config.pod_override.{key}")]
    row = {"tasks": [{"when": {"node": "a"}, **config}]}
    assert told(plan_of(model("a"), settings=row, profile=PROFILE)) == []


def test_other_words_for_executors_are_the_settings_business_too() -> None:
    config = {"executor_config": {"KubernetesExecutor": {"image": "evil"}}}
    assert told(planned(config)) == [("bad-node-setting", "executor_config.KubernetesExecutor")]


def test_resources_and_machines_of_the_worker_are_the_nodes() -> None:
    override = {
        "metadata": {"labels": {"team": "x"}, "annotations": {"karpenter.sh/do-not-disrupt": "true"}},
        "spec": {
            "nodeSelector": {"pool": "big"},
            "tolerations": [{"key": "big", "operator": "Exists"}],
            "containers": [{"name": "base", "resources": {"limits": {"memory": "8Gi"}}}],
        },
    }
    assert told(planned({"executor_config": {"pod_override": override}})) == []


FAR = [
    "PATH",
    "LD_PRELOAD",
    "PYTHONPATH",
    "DBT_PROFILES_DIR",
    "DBT_ENGINE_PROFILES_DIR",
    "AIRFLOW__X",
    "path",
]


@pytest.mark.parametrize("name", FAR)
def test_a_process_of_the_worker_loads_what_the_worker_says(name: str) -> None:
    assert told(planned({"env": {name: "/tmp/evil"}})) == [("bad-node-setting", f"env.{name}")]
    in_venv = planned({"env": {name: "/tmp/evil"}, "dbt_target": "env"}, language="python")
    assert told(in_venv) == [("bad-node-setting", f"env.{name}")]
    in_pod = planned({"env": {name: "/tmp/evil"}, "dbt_target": "k8s"}, language="python")
    assert told(in_pod) == []


def test_variables_for_the_work_itself_arrive() -> None:
    plan = planned({"env": {"LEVEL": 3, "DBT_SCHEMA": "s"}})
    assert told(plan) == []
    assert tasks_of(plan, "sales__daily")["a"].dbt.env == (("DBT_SCHEMA", "s"), ("LEVEL", "3"))


#: What each node setting can do, looked at once by a person: a new one has to be looked at, too.
LOOKED_AT = {
    "when": (
        "schedule",
        "schedule_shift",
        "schedule_shift_unit",
        "dependencies",
        "enable_from_dttm",
        "disable_from_dttm",
    ),
    "names that profiles.yml or Airflow must have": (
        *("dbt_target", "py_cluster", "sql_cluster", "daily_sql_cluster", "bf_cluster", "pool", "queue", "executor"),
    ),
    "plain values": ("domain_start_date", "domain", "airflow_parallelism", "owner", "priority_weight", "retries"),
    "typed, no further": ("maintenance", "tableau_refresh_tasks"),
    "an allow-list": ("env", "kubernetes", "runner", "executor_config"),
}


def test_every_node_setting_was_looked_at() -> None:
    assert sorted(name for names in LOOKED_AT.values() for name in names) == sorted(NODE_SETTING_NAMES)


def test_a_source_keeps_to_its_work() -> None:
    from building import source

    raw = replace(
        source("raw", "a"),
        freshness={"error_after": {"count": 1, "period": "day"}},
        loaded_at_field="t",
        meta={"executor_config": {"pod_override": {"spec": {"hostNetwork": True, "containers": []}}}},
    )
    plan = plan_of(raw, model("a", "source:raw.a"), settings=ROWS, profile=PROFILE)
    assert ("bad-node-setting", "executor_config.pod_override.spec.hostNetwork") in [
        (issue.code, issue.key) for issue in plan.issues
    ]
