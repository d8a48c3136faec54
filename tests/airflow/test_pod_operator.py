"""The pod operator as far as it goes without a cluster: the pod it sends, and what it does before."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowSkipException
from kubernetes.client import ApiClient
from kubernetes_schemas import VERSIONS, schema_errors
from script_pods import pruned

from dbt_af_k8s.airflow.pods.operator import RUNG_KEY, DbtPodOperator
from dbt_af_k8s.airflow.scripts.run import ScriptCalendar, ScriptFailedError
from dbt_af_k8s.errors import ProjectError
from dbt_af_k8s.plan.objects import objects_of
from dbt_af_k8s.plan.scripts import PodPlan
from dbt_af_k8s.plan.values import TaskKind, TaskPlan
from dbt_af_k8s.pods.target import read_target
from dbt_af_k8s.pods.values import Payload, PodRun

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("airflow_without_connections")]

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
SOURCE = "print('{{ not.a.template }}', '$(HOME) $$x')\n"
PAYLOAD = Payload("model.shop.export", "export", "models/export.py", SOURCE, {"meta": {"x": "{{ y }}"}})
TARGETS = {
    "least": "{}",
    "config_map": "{script_from: config_map}",
    "rich": """
        namespace: etl
        pod_memory_guarantee: 1Gi
        memory_ladder: [2Gi]
        tolerations: [{key: gpu, operator: Exists}]
        affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
          {matchExpressions: [{key: zone, operator: In, values: [a]}]}]}}}
        env: {A: 1, B: {valueFrom: {secretKeyRef: {name: s, key: k}}}, C: "{{ ds }} $(START_DTTM)"}
        env_from: [{secretRef: {name: all}}]
        init_containers: [{name: wait, image: busybox, command: [sleep, "1"]}]
        sidecars: [{name: proxy, image: envoy}]
        volumes: [{name: data, persistentVolumeClaim: {claimName: d}}, {name: cfg, secret: {secretName: c}}]
        mounts: [{name: data, mountPath: /data, subPath: a}, {name: cfg, mountPath: /cfg, readOnly: true}]
        read_only_root: true
        run_as_non_root: true
        image_pull_secrets: [reg]
        priority_class: high
        runtime_class: gvisor
        service_account: etl
        active_deadline: 1h
        workload_identity: {aws: {role_arn: "arn:aws:iam::1:role/x"}, azure: true}
        topology_spread: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]
        pod: {spec: {hostNetwork: true, dnsPolicy: Default, terminationGracePeriodSeconds: 5,
          containers: [{name: base, ports: [{containerPort: 80}], lifecycle: {preStop: {sleep: {seconds: 1}}}}]}}
    """,
}


def plan_of(text: str, **more: Any) -> PodPlan:
    written = {"type": "kubernetes", "image_name": "shop/etl:1", **yaml.safe_load(text), **more}
    target, issues = read_target(written, name="k8s", file="profiles.yml")
    assert target is not None, issues
    return PodPlan(replace(target, written={}), PAYLOAD, "me")


def context_of(*, conf: Mapping[str, Any] | None = None, try_number: int = 1, **more: Any) -> dict[str, Any]:
    run = SimpleNamespace(
        run_type="scheduled",
        data_interval_start=START,
        data_interval_end=END,
        conf=conf,
        logical_date=START,
        run_after=END,
    )
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=try_number, pushed=pushed)
    ti.xcom_push = lambda key, value: pushed.update({key: value})
    return {"dag_run": run, "ti": ti, "params": {}, "run_id": "r", "dag": SimpleNamespace(), **more}


def base_env(operator: DbtPodOperator) -> dict[str, str | None]:
    assert operator.pod_template_dict is not None
    return {each["name"]: each.get("value") for each in operator.pod_template_dict["spec"]["containers"][0]["env"]}


@pytest.mark.parametrize("xcom", [True, False])
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_rendered_is_what_is_sent(name: str, xcom: bool) -> None:
    plan = plan_of(TARGETS[name], xcom=xcom)
    operator = DbtPodOperator(task_id="t", pod=plan)
    operator.prepare(context_of(conf={"full": True}))
    sent = ApiClient().sanitize_for_serialization(operator.build_pod_request_obj(dry_run=True))
    task = TaskPlan("t", TaskKind.RUN, (PAYLOAD.node,), runner="kubernetes", pod=plan)
    *_, rendered = objects_of(task, PodRun(START, END, {"full": True}, config_map_in(sent)))

    assert [schema_errors(pruned(sent), version) for version in VERSIONS] == [[], []]
    assert sent["metadata"]["name"].startswith(rendered["metadata"]["name"] + "-")
    sent["metadata"]["name"] = rendered["metadata"]["name"]
    assert sent["metadata"].pop("namespace") == rendered["metadata"].get("namespace", "default")
    del sent["metadata"]["labels"]["airflow_version"]
    base = sent["spec"]["containers"][0]
    assert base.pop("terminationMessagePolicy") == "File"  # Kubernetes' default
    rendered = dict(rendered, metadata={k: v for k, v in rendered["metadata"].items() if k != "namespace"})
    assert pruned(sent) == pruned(rendered)


def config_map_in(pod: Mapping[str, Any]) -> str | None:
    volumes = pod["spec"].get("volumes") or []
    return next((each["configMap"]["name"] for each in volumes if each["name"] == "dbt-af-script"), None)


def test_nothing_of_the_pod_is_a_template() -> None:
    operator = DbtPodOperator(task_id="t", pod=plan_of("{script_from: config_map}"))
    operator.render_template_fields(context_of())
    operator.prepare(context_of(conf={"text": "{{ ds }}"}))
    assert json.loads(str(base_env(operator)["DAG_RUN_CONF"])) == {"text": "{{ ds }}"}
    assert "pod_template_dict" not in DbtPodOperator.template_fields


def test_every_try_has_a_config_map_of_its_own() -> None:
    names = set()
    for number in (1, 2):
        operator = DbtPodOperator(task_id="t", pod=plan_of("{script_from: config_map}"))
        operator.prepare(context_of(try_number=number))
        names.add(config_map_in(operator.pod_template_dict))
    assert len(names) == 2


def test_a_configuration_that_does_not_fit_is_told_before_the_pod() -> None:
    operator = DbtPodOperator(task_id="t", pod=plan_of("{}"))
    with pytest.raises(ScriptFailedError, match="a variable of a pod holds at most"):
        operator.prepare(context_of(conf={"a": "x" * 140_000}))
    assert operator.pod_request_obj is None


def test_outside_its_window_the_node_is_skipped() -> None:
    calendar = ScriptCalendar(enable_from=datetime(2027, 1, 1, tzinfo=UTC))
    context = context_of()
    with pytest.raises(AirflowSkipException, match="enable_from_dttm"):
        DbtPodOperator(task_id="t", pod=plan_of("{}"), calendar=calendar).prepare(context)
    assert context["ti"].pushed["dbt_af_k8s_skip"]["kind"] == "not-due"


@pytest.mark.parametrize(
    ("nodes", "is_skipped"), [(["model.shop.other"], True), (None, False), ([PAYLOAD.node], False)]
)
def test_a_backfill_runs_what_its_form_selects(nodes: list[str] | None, is_skipped: bool) -> None:
    context = context_of()
    chunk = {"start": "2025-01-01T00:00:00+00:00", "end": "2025-02-01T00:00:00+00:00", "nodes": nodes}
    context["ti"].xcom_pull = lambda task_ids: chunk
    operator = DbtPodOperator(task_id="t", pod=plan_of("{}"), calendar=ScriptCalendar(choose="choose"))
    if is_skipped:
        with pytest.raises(AirflowSkipException):
            operator.prepare(context)
        assert context["ti"].pushed["dbt_af_k8s_skip"]["kind"] == "not-due"
        return
    operator.prepare(context)
    assert base_env(operator)["START_DTTM"] == "2025-01-01T00:00:00+00:00"


def test_the_rung_comes_from_the_state_store_else_from_the_try() -> None:
    operator = DbtPodOperator(task_id="t", pod=plan_of("{pod_memory_guarantee: 1Gi, memory_ladder: [2Gi, 4Gi]}"))
    store: dict[str, Any] = {}
    assert operator.rung(context_of(try_number=3, task_state_store=store)) == 0
    store[RUNG_KEY] = 1
    assert operator.rung(context_of(try_number=1, task_state_store=store)) == 1
    assert [operator.rung(context_of(try_number=number)) for number in (1, 2, 3, 9)] == [0, 1, 2, 2]
    operator.prepare(context_of(task_state_store=store))
    assert operator.pod_template_dict["spec"]["containers"][0]["resources"]["limits"]["memory"] == "2Gi"


def test_what_the_target_says_of_watching_is_passed_on() -> None:
    text = (
        "{namespace: etl, kubernetes_conn_id: far, context: c, config_file: /k, startup_timeout: 5m, deferrable: true, "
        "log_every: 0, logs: false, xcom: false, on_finish_action: keep_pod, log_events: false}"
    )
    operator = DbtPodOperator(task_id="t", pod=plan_of(text))
    assert (operator.namespace, operator.kubernetes_conn_id, operator.cluster_context) == ("etl", "far", "c")
    assert (operator.config_file, operator.in_cluster, operator.startup_timeout_seconds) == ("/k", None, 300)
    assert (operator.deferrable, operator.logging_interval, operator.get_logs) == (True, None, False)
    assert (operator.do_xcom_push, operator.on_finish_action.value) == (False, "keep_pod")
    assert operator.log_pod_spec_on_failure is False
    assert operator.durable is True


def test_a_hand_written_dag_needs_no_dbt(tmp_path: Any) -> None:
    file = tmp_path / "report.py"
    file.write_text("print(1)\n")
    operator = DbtPodOperator.for_script(
        task_id="report", script=file, target={"image_name": "a/b:1"}, refs={"orders": "db.orders"}, cron="0 * * * *"
    )
    operator.prepare(context_of())
    assert json.loads(str(base_env(operator)["DBT_AF_REFS"])) == {"orders": "db.orders"}
    assert operator.calendar.cron == "0 * * * *"
    with pytest.raises(ProjectError, match="image_nam"):
        DbtPodOperator.for_script(task_id="report", script="print(1)", target={"image_nam": "a/b:1"})


def test_only_a_dag_with_a_pod_pays_for_the_provider() -> None:
    code = """
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
import dbt_af_k8s.airflow
from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.plan.scripts import PodPlan
from dbt_af_k8s.plan.values import DagKind, DagPlan, TaskKind, TaskPlan
from dbt_af_k8s.pods.values import KubernetesTarget, Payload

provider = "airflow.providers.cncf.kubernetes.operators.pod"
pod = PodPlan(KubernetesTarget("k8s", "a"), Payload("model.a.b", "b", "b.py", ""))
task = TaskPlan("b", TaskKind.RUN, ("model.a.b",), runner="local_process", pod=pod)
start = datetime(2026, 1, 1, tzinfo=UTC)
dag = DagPlan("d", DagKind.SCHEDULED, "d", "0 0 * * *", "@daily", "UTC", start, tasks=(task,))
emit_dag(dag, DbtProject(Path("/p")))
without = provider in sys.modules
emit_dag(replace(dag, tasks=(replace(task, runner="kubernetes"),)), DbtProject(Path("/p")))
print([without, provider in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[False, True]"
