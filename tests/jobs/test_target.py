"""The `kubernetes_job` target and a node's changes to it."""

from typing import Any

import pytest
import yaml

from dbt_af_k8s.errors import Issue
from dbt_af_k8s.jobs.tail import TailSettings
from dbt_af_k8s.jobs.target import job_target_for_node, read_job_target, without_template
from dbt_af_k8s.jobs.values import JobTarget, VolumeClaim
from dbt_af_k8s.k8s.cluster import ClusterAccess


def read(text: str = "") -> tuple[JobTarget | None, tuple[Issue, ...]]:
    return read_job_target({"type": "kubernetes_job", **(yaml.safe_load(text) or {})}, name="job", file="profiles.yml")


def target(text: str = "") -> JobTarget:
    found, issues = read(text)
    assert found is not None, "\n".join(map(str, issues))
    return found


def changed(text: str, changes: dict[str, Any]) -> tuple[JobTarget | None, tuple[Issue, ...]]:
    return job_target_for_node(target(text), changes, node="model.shop.export", file="models/export.py")


def told(issues: tuple[Issue, ...]) -> list[tuple[str, str | None]]:
    return [(issue.code, issue.key) for issue in issues]


def test_nothing_but_the_type_is_needed() -> None:
    found = target()
    assert (found.template, found.namespace, found.claim, found.name_suffix) == (None, None, None, True)
    assert told(without_template(found, node="n", file="f")) == [("bad-kubernetes-target", "meta.kubernetes.template")]


def test_every_key_arrives() -> None:
    found = target("""
        schema: unused
        template: jobs/export.yml
        template_fields: {regions: [a, b]}
        search_paths: /opt/templates
        namespace: shop
        kubernetes_conn_id: big
        context: prod
        name_suffix: false
        tail_logs_every: 30s
        tail_logs_line_count: 100
        delete_completed: true
        write_rendered_to: /tmp/x.yml
        on_kill_action: suspend
        poll_every: 2
        startup_timeout: 1h
        deferrable: true
        volume_claim: {name: scratch, size: 10Gi, access_modes: ReadWriteMany, keep: true, storage_class: fast}
    """)
    assert found.search_paths == ("/opt/templates",)
    assert found.cluster == ClusterAccess("big", None, "prod", None)
    assert found.tail == TailSettings(True, 30, 100, False)
    assert (found.on_kill_action, found.poll_every, found.startup_timeout, found.deferrable) == (
        "suspend",
        2,
        3600,
        True,
    )
    assert found.claim == VolumeClaim("scratch", "10Gi", "fast", ("ReadWriteMany",), True)
    assert without_template(found, node="n", file="f") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("templat: x", [("unknown-kubernetes-key", "outputs.job.templat")]),
        ("template: ../x.yml", [("bad-kubernetes-target", "outputs.job.template")]),
        ("template_fields: {a b: 1}", [("bad-kubernetes-target", "outputs.job.template_fields.a b")]),
        ("template_fields: {day: 2026-03-01}", [("bad-kubernetes-target", "outputs.job.template_fields.day")]),
        ("template_fields: {a: [{1: x}]}", [("bad-kubernetes-target", "outputs.job.template_fields.a[0].1")]),
        ("{in_cluster: true, context: x}", [("bad-kubernetes-target", "outputs.job.context")]),
        ("{tail_logs: false, tail_logs_every: 5}", [("bad-kubernetes-target", "outputs.job.tail_logs")]),
        ("on_kill_action: stop", [("bad-kubernetes-target", "outputs.job.on_kill_action")]),
        ("namespace: Shop", [("bad-kubernetes-target", "outputs.job.namespace")]),
        (
            "volume_claim: {name: A, size: big, access_modes: [Any]}",
            [
                ("bad-kubernetes-target", "outputs.job.volume_claim.name"),
                ("bad-kubernetes-target", "outputs.job.volume_claim.size"),
                ("bad-kubernetes-target", "outputs.job.volume_claim.access_modes[0]"),
            ],
        ),
        ("volume_claim: {size: 1Gi}", [("bad-kubernetes-target", "outputs.job.volume_claim.name")]),
    ],
)
def test_what_is_wrong_is_told_with_its_key(text: str, expected: list[tuple[str, str]]) -> None:
    found, issues = read(text)
    assert found is None
    assert told(issues) == expected


def test_a_node_changes_its_target() -> None:
    text = "{template: a.yml, namespace: shop, name_suffix: false, template_fields: {a: 1, b: 2, c: 3}}"
    changes = {"template": "b.yml", "template_fields": {"b": 3, "c": None}, "name_suffix": None}
    found, issues = changed(text, changes)
    assert issues == ()
    assert found is not None
    assert (found.template, found.namespace, found.name_suffix) == ("b.yml", "shop", True)
    assert found.fields == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"type": "kubernetes"}, "meta.kubernetes.type"),
        ({"search_paths": ["/etc"]}, "meta.kubernetes.search_paths"),
        ({"search_paths": "a/../../b"}, "meta.kubernetes.search_paths"),
        ({"template": "/etc/x.yml"}, "meta.kubernetes.template"),
        ({"image_name": "x"}, "meta.kubernetes.image_name"),
        *(
            ({key: value}, f"meta.kubernetes.{key}")
            for key, value in {
                "schema": "x",
                "search_paths": ["own"],
                "namespace": "kube-system",
                "kubernetes_conn_id": "admin",
                "config_file": "/root/.kube/config",
                "context": "prod",
                "in_cluster": True,
                "write_rendered_to": "/opt/airflow/dags/evil.py",
            }.items()
        ),
        ({"namespace": None}, "meta.kubernetes.namespace"),
        ({"volume_claim": {"name": "theirs", "size": "1Gi", "keep": True}}, "meta.kubernetes.volume_claim.keep"),
        ({"template_fields": [1]}, "meta.kubernetes.template_fields"),
    ],
)
def test_what_a_node_cannot_change(changes: dict[str, Any], key: str) -> None:
    found, issues = changed("template: a.yml", changes)
    assert found is None
    assert [(issue.key, issue.node, issue.file) for issue in issues] == [(key, "model.shop.export", "models/export.py")]
