"""Merging by names: of Kubernetes objects, and of a target with a node's changes."""

from typing import Any

import pytest
import yaml

from dbt_af_k8s.pods.merge import merge_fragments, merge_objects, merge_written

OBJECTS = [
    ("Container", "{name: a, image: x}", "{image: y}", "{name: a, image: y}"),
    ("Container", "{name: a, image: x}", "{image: null}", "{name: a}"),
    ("Container", "{args: [a, b]}", "{args: [c]}", "{args: [c]}"),
    (
        "Container",
        "{resources: {limits: {cpu: 1}}}",
        "{resources: {limits: {memory: 1Gi}}}",
        "{resources: {limits: {cpu: 1, memory: 1Gi}}}",
    ),
    (
        "Container",
        "{env: [{name: A, value: a}, {name: B, value: b}]}",
        "{env: [{name: C, value: c}, {name: A, valueFrom: {fieldRef: {fieldPath: x}}}]}",
        "{env: [{name: A, valueFrom: {fieldRef: {fieldPath: x}}}, {name: B, value: b}, {name: C, value: c}]}",
    ),
    (
        "Container",
        "{volumeMounts: [{name: a, mountPath: /x}]}",
        "{volumeMounts: [{name: b, mountPath: /x}]}",
        "{volumeMounts: [{name: b, mountPath: /x}]}",
    ),
    (
        "Container",
        "{livenessProbe: {tcpSocket: {port: 1}}}",
        "{livenessProbe: {httpGet: {port: 2}}}",
        "{livenessProbe: {httpGet: {port: 2}}}",
    ),
    (
        "PodSpec",
        "{volumes: [{name: a, emptyDir: {}}]}",
        "{volumes: [{name: a, secret: {secretName: s}}]}",
        "{volumes: [{name: a, secret: {secretName: s}}]}",
    ),
    (
        "PodSpec",
        "{tolerations: [{key: a}]}",
        "{tolerations: [{key: a}, {key: b}]}",
        "{tolerations: [{key: a}, {key: b}]}",
    ),
    (
        "PodSpec",
        "{containers: [{name: base, image: x}, {name: b}]}",
        "{containers: [{name: c}, {name: base, tty: true}]}",
        "{containers: [{name: base, image: x, tty: true}, {name: b}, {name: c}]}",
    ),
    ("PodSpec", "{nodeSelector: {a: '1'}}", "{nodeSelector: {b: '2'}}", "{nodeSelector: {a: '1', b: '2'}}"),
    (
        "SecurityContext",
        "{capabilities: {drop: [ALL]}}",
        "{capabilities: {add: [CHOWN]}}",
        "{capabilities: {drop: [ALL], add: [CHOWN]}}",
    ),
]
WRITTEN = [
    ("{image_name: a}", "{image_name: b}", "{image_name: b}"),
    ("{service_account: a}", "{service_account: null}", "{}"),
    ("{limits: {cpu: 1}}", "{limits: {memory: 1Gi}}", "{limits: {cpu: 1, memory: 1Gi}}"),
    ("{limits: {cpu: 1, memory: 1Gi}}", "{limits: {cpu: null}}", "{limits: {memory: 1Gi}}"),
    ("{env: {A: 1, B: 2}}", "{env: [{name: B, value: x}]}", "{env: {A: 1, B: x}}"),
    (
        "{env: [{name: A, valueFrom: {fieldRef: {fieldPath: x}}}]}",
        "{env: {B: 1}}",
        "{env: {A: {valueFrom: {fieldRef: {fieldPath: x}}}, B: 1}}",
    ),
    ("{tolerations: [{key: a}]}", "{tolerations: []}", "{tolerations: []}"),
    (
        "{mounts: [{name: a, mountPath: /a}]}",
        "{mounts: [{name: b, mountPath: /b}]}",
        "{mounts: [{name: a, mountPath: /a}, {name: b, mountPath: /b}]}",
    ),
    ("{sidecars: [{name: a, image: x}]}", "{sidecars: [{name: a, image: y}]}", "{sidecars: [{name: a, image: y}]}"),
    (
        "{env_from: [{secretRef: {name: a}}]}",
        "{env_from: [{secretRef: {name: b}}]}",
        "{env_from: [{secretRef: {name: a}}, {secretRef: {name: b}}]}",
    ),
    ("{affinity: {nodeAffinity: {}}}", "{affinity: {podAffinity: {}}}", "{affinity: {podAffinity: {}}}"),
    ("{pod: {spec: {hostname: a}}}", "{pod: {spec: {subdomain: b}}}", "{pod: {spec: {hostname: a, subdomain: b}}}"),
]


def load(text: str) -> Any:
    return yaml.safe_load(text)


@pytest.mark.parametrize(("type_name", "under", "over", "merged"), OBJECTS)
def test_kubernetes_objects_merge_by_name(type_name: str, under: str, over: str, merged: str) -> None:
    before = load(under)
    assert merge_objects(before, load(over), type_name) == load(merged)
    assert before == load(under)


@pytest.mark.parametrize(("under", "over", "merged"), WRITTEN)
def test_a_nodes_changes_merge_by_the_rule_of_their_key(under: str, over: str, merged: str) -> None:
    before = load(under)
    assert merge_written(before, load(over)) == load(merged)
    assert before == load(under)


def test_changes_of_nothing_change_nothing() -> None:
    for _, under, _, _ in OBJECTS:
        assert merge_fragments({"spec": load(under)}, {}) == {"spec": load(under)}


def test_parts_that_only_one_has_are_kept() -> None:
    merged = merge_fragments({"metadata": {"labels": {"a": "1"}}}, {"spec": {"hostname": "x"}})
    assert merged == {"metadata": {"labels": {"a": "1"}}, "spec": {"hostname": "x"}}
