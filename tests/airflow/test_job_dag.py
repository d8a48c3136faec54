"""Jobs of dbt nodes in a real Airflow, against a Kubernetes API: what the template is told, and claims that go away."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from building import PROFILE, model, plan_of
from dag_test_lab import DagTestLab

if TYPE_CHECKING:
    from cluster_server.place import Place

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

TEMPLATE = """\
apiVersion: batch/v1
kind: Job
metadata: {name: "{{ node.name | dns_label }}"}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: {{ image }}
          command: [sh, -c, "echo $TOLD; {{ script }}"]
          env:
            - name: TOLD
              value: "{{ start_dttm }} {{ refs.orders }} {{ config.meta.owner }} {{ ds_nodash }} {{ day }}"
{% if volume_claim is defined %}
          volumeMounts: [{name: scratch, mountPath: /scratch}]
      volumes: [{name: scratch, persistentVolumeClaim: {claimName: "{{ volume_claim }}"}}]
{% endif %}
"""


def node(name: str, **changes: Any) -> Any:
    meta = {"dbt_target": "jobs", "owner": "Zoe", "kubernetes": changes}
    return model(name, "orders", language="python", meta=meta)


def test_jobs_of_nodes_and_claims_that_go_away_also_after_a_failure(
    dag_test_lab: DagTestLab, kubernetes: "Place", tmp_path: Path
) -> None:
    from kubernetes import client

    (tmp_path / "project/job_templates").mkdir(parents=True)
    (tmp_path / "project/job_templates/job.yml").write_text(TEMPLATE, encoding="utf-8")
    target = {
        "type": "kubernetes_job",
        "template": "job.yml",
        "search_paths": ["job_templates"],
        "namespace": kubernetes.namespace,
        "config_file": str(kubernetes.kubeconfig),
        "template_fields": {"image": kubernetes.shell_image, "script": "true", "day": "{{ ds_nodash }}"},
        "tail_logs_only_at_end": True,
        "poll_every": 1,
    }
    kept = {**target, "volume_claim": {"name": "kept", "size": "1Mi", "keep": True}}
    types = {**PROFILE.target_types, "jobs": "kubernetes_job", "keeping": "kubernetes_job"}
    profile = replace(PROFILE, target_types=types, python_targets={"jobs": target, "keeping": kept})
    orders = replace(model("orders", meta={"enable_from_dttm": "2090-01-01"}), relation_name="db.orders")
    plan = plan_of(
        orders,
        node("plain"),
        node("works", volume_claim={"name": "scratch", "size": "1Mi"}),
        node("fails", template_fields={"script": "exit 3"}, volume_claim={"name": "other", "size": "1Mi"}),
        model("keeps", "orders", language="python", meta={"dbt_target": "keeping", "owner": "Zoe"}),
        profile=profile,
        settings={"retries": {"default": {"retries": 0}}},
    )
    (dag,) = [dag for dag in plan.dags if dag.dag_id == "sales__daily"]
    run = {"dag_id": dag.dag_id, "logical_date": "2026-03-02T00:00:00+00:00"}
    answer = dag_test_lab.run(tmp_path / "dags", tmp_path / "project", (dag,), [run])

    states = answer.states()
    assert states.pop("orders") == "skipped"
    assert states.pop("fails") == "failed", answer.log[-6000:]
    assert set(states.values()) == {"success"}, states
    assert answer.runs[0]["state"] == "failed"
    assert "2026-03-01T00:00:00+00:00 db.orders Zoe 20260301 {{ ds_nodash }}" in answer.log
    assert "container main ended with exit code 3" in answer.log
    assert answer.task("plain")["result"]["succeeded"] == 1

    with kubernetes.api_client() as api:
        core = client.CoreV1Api(api)
        claims = core.list_namespaced_persistent_volume_claim(kubernetes.namespace).items
        left = [claim.metadata.name for claim in claims if claim.metadata.deletion_timestamp is None]
        core.delete_namespaced_persistent_volume_claim("kept", kubernetes.namespace)
    assert left == ["kept"]
