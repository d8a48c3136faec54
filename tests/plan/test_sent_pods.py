"""The pods that tasks send, for a look at them before they are sent."""

from dataclasses import replace
from typing import Any

from building import PROFILE, build_of, model

from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.plan.sent_pods import SentPod, sent_pods

JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: x, namespace: jobs}
spec:
  template:
    spec:
      restartPolicy: Never
      initContainers: [{name: first, image: "job/init:1"}]
      containers: [{name: main, image: "job/main:{{ node.name }}"}]
"""


def pods(*nodes: Any, **settings: Any) -> tuple[SentPod, ...]:
    k8s = {
        "type": "kubernetes",
        "image_name": "shop/etl:1",
        "namespace": "etl",
        "image_pull_secrets": ["registry"],
        "sidecars": [{"name": "proxy", "image": "shop/proxy:1"}],
    }
    targets = {"k8s": k8s, "far": {**k8s, "kubernetes_conn_id": "far"}, "job": {"type": "kubernetes_job"}}
    types = {**PROFILE.target_types, "far": "kubernetes", "job": "kubernetes_job"}
    profile = replace(PROFILE, target_types=types, python_targets=targets)
    built = build_of(*nodes, settings=settings, profile=profile)
    assert not [issue for issue in built.plan.issues if issue.is_error]
    return sent_pods(built, lambda folders: lambda name: TemplateText(JOB, name) if name == "job.yml" else None)


def script(name: str, target: str = "k8s", **meta: Any) -> Any:
    return model(name, language="python", script="print(1)", meta={"dbt_target": target, **meta})


def test_an_ordinary_project_sends_none() -> None:
    assert pods(model("a")) == ()


def test_pods_that_a_cluster_judges_alike_are_looked_at_once() -> None:
    found = pods(script("a"), script("b", env={"A": 1}), script("c", kubernetes={"image_name": "shop/etl:2"}))
    assert [(each.namespace, each.task, each.images) for each in found] == [
        ("etl", "sales__backfill.a", ("shop/proxy:1", "shop/etl:1")),
        ("etl", "sales__backfill.c", ("shop/proxy:1", "shop/etl:2")),
    ]
    assert {each.pull_secrets for each in found} == {("registry",)}
    assert "name" not in found[0].pod["metadata"]


def test_jobs_count_by_their_pods_and_a_broken_template_is_left_to_check() -> None:
    job = script("j", "job", kubernetes={"template": "job.yml"})
    found = pods(job, script("broken", "job", kubernetes={"template": "none.yml"}))
    assert [(each.namespace, each.images, each.makes_secret) for each in found] == [
        ("jobs", ("job/init:1", "job/main:j"), False)
    ]


def test_runners_with_a_connection_make_secrets_and_other_clusters_are_not_this_one() -> None:
    row = {"type": "kubernetes_pod", "pod": {"image_name": "shop/dbt:1"}, "conn_id": "warehouse"}
    (found,) = pods(model("a"), script("b", "far"), runners={"dev": row}, dags={"kinds": []})
    assert (found.namespace, found.images, found.makes_secret) == ("", ("shop/dbt:1",), True)
