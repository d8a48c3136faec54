"""Parts of a pod that a user wrote in Kubernetes' own form."""

from typing import Any

import pytest
import yaml

from dbt_af_k8s.k8s.check import check_object

RIGHT = [
    ("Volume", "{name: a, emptyDir: {sizeLimit: 1Gi}}"),
    ("Volume", "{name: a, projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 600}}]}}"),
    ("Container", "{name: a, resources: {limits: {cpu: 2, memory: 1.5Gi}}, livenessProbe: {tcpSocket: {port: http}}}"),
    ("Container", "{name: a, env: [{name: A, value: '1'}], command: null}"),
    ("Container", "{name: a, env: [{name: A, value: '', valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}"),
    ("Container", "{name: a, ports: [{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP}]}"),
    ("PodSpec", "{nodeSelector: {a: b}, tolerations: [{operator: Exists}]}"),
]
WRONG = [
    ("Volume", "{emptyDir: {}}", "missing", "v.name", "`v` has no `name`, which a Volume of Kubernetes must have."),
    ("Volume", "{name: a, emptydir: {}}", "unknown", "v.emptydir", "Did you mean `emptyDir`?"),
    ("Volume", "{name: 5, emptyDir: {}}", "wrong", "v.name", "Put it in quotes."),
    ("Volume", "{name: a, emptyDir: []}", "wrong", "v.emptyDir", "`v.emptyDir` must be a mapping, found a list."),
    ("Volume", "{name: a, emptyDir: {sizeLimit: 1GB}}", "wrong", "v.emptyDir.sizeLimit", "Write `1Gi`"),
    ("Volume", "{name: a, on: {}}", "wrong", "v.True", "A key of `v` must be text, found true."),
    ("Volume", "a", "wrong", "v", "`v` must be a mapping, found the text 'a'."),
    (
        "Container",
        "{name: a, env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}",
        "wrong",
        "v.env[0].value",
        "`v.env[0]` has `value` and `valueFrom`; Kubernetes takes one of them.",
    ),
    (
        "Container",
        "{name: a, env: [{name: A, valueFrom: {}}]}",
        "wrong",
        "v.env[0].valueFrom",
        "must have exactly one source",
    ),
    ("Container", "{name: a, args: b}", "wrong", "v.args", "`v.args` must be a list, found the text 'b'."),
    ("Container", "{name: a, args: [1]}", "wrong", "v.args[0]", "Put it in quotes."),
    ("Container", "{name: a, args: [null]}", "wrong", "v.args[0]", "must be a value, found nothing"),
    ("Container", "{name: a, stdin: 'yes'}", "wrong", "v.stdin", "Write true or false."),
    ("Container", "{name: a, imagePullPolicy: Allways}", "wrong", "v.imagePullPolicy", "Did you mean `Always`?"),
    ("Container", "{name: a, env: [{name: A}, {name: A}]}", "wrong", "v.env[1]", "two entries with the `name`"),
    (
        "Container",
        "{name: a, readinessProbe: {tcpSocket: {port: 1.5}}}",
        "wrong",
        "v.readinessProbe.tcpSocket.port",
        "a number or a name",
    ),
    ("PodSpec", "{nodeSelector: {1: b}}", "wrong", "v.nodeSelector", "a mapping of text"),
    ("PodSpec", "{nodeSelector: {a: true}}", "wrong", "v.nodeSelector.a", "must be text, found true"),
    ("PodSpec", "{nodeSelector: [a]}", "wrong", "v.nodeSelector", "must be a mapping, found a list"),
    ("PodSpec", "{priority: 1.5}", "wrong", "v.priority", "must be a whole number"),
]


@pytest.mark.parametrize(("type_name", "text"), RIGHT)
def test_what_kubernetes_takes_is_right(type_name: str, text: str) -> None:
    assert list(check_object(yaml.safe_load(text), type_name, ("v",))) == []


@pytest.mark.parametrize(("type_name", "text", "kind", "key", "words"), WRONG)
def test_each_mistake_is_told_with_its_place(type_name: str, text: str, kind: str, key: str, words: str) -> None:
    (finding,) = check_object(yaml.safe_load(text), type_name, ("v",))
    assert (finding.kind, finding.key) == (kind, key)
    assert words in f"{finding.message} {finding.fix}"


def test_all_mistakes_are_told_at_once() -> None:
    written: dict[str, Any] = {"volume": 1, "image": 2, "env": [{"value": 3}, {"naem": "x"}]}
    keys = [finding.key for finding in check_object(written, "Container", ("c",))]
    assert keys == [
        "c.volume",
        "c.image",
        "c.env[0].value",
        "c.env[0].name",
        "c.env[1].naem",
        "c.env[1].name",
        "c.name",
    ]
