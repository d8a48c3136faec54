"""Containers that keep a job from its end: seen in the job, in a template's text, and in its pods."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dbt_af_k8s.jobs.sidecars import held_up, injection_advice, sidecar_advice

NATIVE = {"config.beta.linkerd.io/proxy-enable-native-sidecar": "true"}


def job(*names: str, annotations: dict[str, Any] | None = None, labels: dict[str, Any] | None = None) -> dict[str, Any]:
    metadata = {"annotations": annotations, "labels": labels}
    return {"spec": {"template": {"metadata": metadata, "spec": {"containers": [{"name": name} for name in names]}}}}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (job("main"), None),
        (job("main", "other"), None),
        (job("envoy"), None),
        (job("main", "cloud-sql-proxy"), "`cloud-sql-proxy`"),
        (job("main", "istio-proxy"), "`istio-proxy`"),
        (job("main", annotations={"linkerd.io/inject": "enabled"}), "`linkerd.io/inject: enabled`"),
        (job("main", annotations={"linkerd.io/inject": "disabled"}), None),
        (job("main", annotations={"linkerd.io/inject": "enabled", **NATIVE}), None),
        (job("main", labels={"sidecar.istio.io/inject": "true"}), "`sidecar.istio.io/inject: true`"),
        ({}, None),
        ({"spec": {"template": {"metadata": None, "spec": None}}}, None),
    ],
)
def test_what_a_job_shows(wanted: dict[str, Any], words: str | None) -> None:
    issues = list(sidecar_advice(wanted, node="model.shop.export"))
    assert [issue.code for issue in issues] == ([] if words is None else ["job-never-completes"])
    assert all(words in issue.message and not issue.is_error for issue in issues if words)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("annotations:\n  linkerd.io/inject: enabled\n", 1),
        ("annotations: \n  'vault.hashicorp.com/agent-inject': \"true\"\n", 1),
        (
            "annotations:\n  linkerd.io/inject: enabled\n  config.beta.linkerd.io/proxy-enable-native-sidecar: yes\n",
            0,
        ),
        ("annotations:\n  linkerd.io/inject: disabled\n", 0),
        ("# linkerd.io/inject: enabled\n", 0),
        ("{% if mesh %}  linkerd.io/inject: {{ mesh }}{% endif %}\n", 0),
    ],
)
def test_what_a_templates_text_shows(text: str, count: int) -> None:
    assert len(list(injection_advice(text, file="job.yml", node="model.shop.export"))) == count


@pytest.mark.parametrize(
    ("main", "proxy", "is_told"),
    [
        ({"terminated": {"exitCode": 0, "finishedAt": "2026-03-01T00:00:00Z"}}, {"running": {}}, True),
        ({"terminated": {"exitCode": 0, "finishedAt": "2026-03-01T00:00:55Z"}}, {"running": {}}, False),
        ({"running": {}}, {"running": {}}, False),
        ({"terminated": {"exitCode": 0, "finishedAt": "2026-03-01T00:00:00Z"}}, {"terminated": {"exitCode": 0}}, False),
        ({"terminated": {"exitCode": 0}}, {"running": {}}, False),
    ],
)
def test_a_pod_that_is_held_up(main: dict[str, Any], proxy: dict[str, Any], is_told: bool) -> None:
    statuses = [{"name": "main", "state": main}, {"name": "proxy", "state": proxy}]
    pods = [{"metadata": {"name": "export-x"}, "status": {"containerStatuses": statuses}}, {"metadata": {}}]
    told = list(held_up(pods, datetime(2026, 3, 1, 0, 1, tzinfo=UTC)))
    words = "Pod export-x: main (exit code 0) has ended, and proxy goes on: the Job cannot complete before."
    assert told == ([("export-x", words)] if is_told else [])
