"""The cluster as the `kubernetes` client sees it: objects, errors, selectors, patches, deletion."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from cluster_server.place import Place
from kubernetes import client
from kubernetes.client import ApiException

pytestmark = [pytest.mark.cluster, pytest.mark.airflow]
Make = Callable[..., client.V1Pod]


@pytest.fixture
def config_map(core: client.CoreV1Api, kubernetes: Place) -> client.V1ConfigMap:
    body = {"metadata": {"generateName": "map-", "labels": {"use": "test"}}, "data": {"a": "1"}}
    return core.create_namespaced_config_map(kubernetes.namespace, body)


def refused(call: Callable[[], Any]) -> dict[str, Any]:
    """The `Status` of a request that is refused."""
    with pytest.raises(ApiException) as caught:
        call()
    status = json.loads(caught.value.body)
    assert status["kind"] == "Status"
    assert status["code"] == caught.value.status
    return dict(status)


def test_is_new_enough(api: client.ApiClient) -> None:
    version = client.VersionApi(api).get_code()
    assert (int(version.major), int(version.minor.rstrip("+"))) >= (1, 30)


def test_every_change_has_a_new_version(
    core: client.CoreV1Api, kubernetes: Place, config_map: client.V1ConfigMap
) -> None:
    changed = client.V1ConfigMap(metadata=config_map.metadata, data={"a": "2"})
    stored = core.replace_namespaced_config_map(config_map.metadata.name, kubernetes.namespace, changed)
    assert stored.metadata.resource_version != config_map.metadata.resource_version
    assert stored.metadata.uid == config_map.metadata.uid
    status = refused(
        lambda: core.replace_namespaced_config_map(config_map.metadata.name, kubernetes.namespace, changed)
    )
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert "the object has been modified" in status["message"]


def test_a_name_is_taken_once(core: client.CoreV1Api, kubernetes: Place, config_map: client.V1ConfigMap) -> None:
    body = {"metadata": {"name": config_map.metadata.name}}
    status = refused(lambda: core.create_namespaced_config_map(kubernetes.namespace, body))
    assert (status["code"], status["reason"]) == (409, "AlreadyExists")


def test_a_missing_object_and_a_missing_namespace(core: client.CoreV1Api, kubernetes: Place) -> None:
    status = refused(lambda: core.read_namespaced_pod("none", kubernetes.namespace))
    assert (status["code"], status["details"]["name"]) == (404, "none")
    status = refused(lambda: core.create_namespaced_config_map("no-such-namespace", {"metadata": {"name": "a"}}))
    assert (status["code"], status["message"]) == (404, 'namespaces "no-such-namespace" not found')


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "Has_Capitals"}, "metadata.name"),
        ({"labels": {"a": "not/a/value"}}, "metadata.labels"),
        ({"annotations": {"a b": "x"}}, "metadata.annotations"),
    ],
)
def test_bad_metadata_is_invalid(core: client.CoreV1Api, kubernetes: Place, change: dict[str, Any], told: str) -> None:
    body = {"metadata": {"name": "fine", **change}}
    status = refused(lambda: core.create_namespaced_config_map(kubernetes.namespace, body))
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert told in [cause["field"] for cause in status["details"]["causes"]]


CONTAINER = {"name": "base", "image": "python:3.12"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": []}, "spec.containers"),
        ({"containers": [CONTAINER, CONTAINER]}, "spec.containers[1].name"),
        ({"containers": [{"name": "base"}]}, "spec.containers[0].image"),
        (
            {"containers": [{**CONTAINER, "volumeMounts": [{"name": "no", "mountPath": "/a"}]}]},
            "spec.containers[0].volumeMounts[0].name",
        ),
        (
            {"containers": [{**CONTAINER, "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]},
            "spec.containers[0].resources.requests",
        ),
        ({"containers": [CONTAINER], "restartPolicy": "Sometimes"}, "spec.restartPolicy"),
    ],
)
def test_a_bad_pod_is_invalid(core: client.CoreV1Api, kubernetes: Place, spec: dict[str, Any], field: str) -> None:
    body = {"metadata": {"name": "bad"}, "spec": spec}
    status = refused(lambda: core.create_namespaced_pod(kubernetes.namespace, body))
    assert status["code"] == 422
    assert field in [cause["field"] for cause in status["details"]["causes"]]


def test_a_field_that_is_unknown_is_refused(core: client.CoreV1Api, kubernetes: Place) -> None:
    body = {"metadata": {"name": "bad"}, "spec": {"containers": [{**CONTAINER, "imagePull": "Always"}]}}
    call = core.create_namespaced_pod
    status = refused(lambda: call(kubernetes.namespace, body, field_validation="Strict"))
    assert status["code"] == 400
    assert 'unknown field "spec.containers[0].imagePull"' in status["message"]


def test_a_pod_needs_its_service_account(make_pod: Make) -> None:
    status = refused(lambda: make_pod("true", serviceAccountName="nobody"))
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert 'serviceaccount "nobody" not found' in status["message"]


def test_selectors(core: client.CoreV1Api, kubernetes: Place) -> None:
    for name, labels in (("sel-a", {"tier": "x", "kind": "one"}), ("sel-b", {"tier": "y"}), ("sel-c", {})):
        body = {"metadata": {"name": name, "labels": {"test": "selectors", **labels}}}
        core.create_namespaced_config_map(kubernetes.namespace, body)

    def names(**options: str) -> list[str]:
        return [thing.metadata.name for thing in core.list_namespaced_config_map(kubernetes.namespace, **options).items]

    assert names(label_selector="test=selectors,tier in (x, y)") == ["sel-a", "sel-b"]
    assert names(label_selector="test=selectors,tier!=x") == ["sel-b", "sel-c"]
    assert names(label_selector="test=selectors,!tier") == ["sel-c"]
    assert names(label_selector="test=selectors,kind") == ["sel-a"]
    assert names(field_selector="metadata.name=sel-b") == ["sel-b"]
    assert refused(lambda: names(field_selector="data.a=1"))["code"] == 400


def test_lists_come_in_pieces(core: client.CoreV1Api, kubernetes: Place) -> None:
    for number in range(5):
        body = {"metadata": {"name": f"piece-{number}", "labels": {"test": "pieces"}}}
        core.create_namespaced_config_map(kubernetes.namespace, body)
    found, token = [], None
    while token != "":
        page = core.list_namespaced_config_map(
            kubernetes.namespace, label_selector="test=pieces", limit=2, _continue=token
        )
        assert len(page.items) <= 2
        found += [thing.metadata.name for thing in page.items]
        token = page.metadata._continue or ""
    assert found == [f"piece-{number}" for number in range(5)]


def test_patches(core: client.CoreV1Api, kubernetes: Place, make_pod: Make) -> None:
    pod = make_pod("sleep 30", labels={"a": "1", "b": "2"})
    name = pod.metadata.name
    patched = core.patch_namespaced_pod(name, kubernetes.namespace, {"metadata": {"labels": {"a": None, "c": "3"}}})
    assert patched.metadata.labels == {"b": "2", "c": "3"}
    step = [{"op": "replace", "path": "/metadata/labels/b", "value": "4"}]
    assert core.patch_namespaced_pod(name, kubernetes.namespace, step).metadata.labels["b"] == "4"
    status = refused(
        lambda: core.patch_namespaced_pod(name, kubernetes.namespace, {"spec": {"restartPolicy": "Always"}})
    )
    assert (status["code"], status["reason"]) == (422, "Invalid")
    core.delete_namespaced_pod(name, kubernetes.namespace, grace_period_seconds=0)
    assert refused(lambda: core.patch_namespaced_pod(name, kubernetes.namespace, {"metadata": {}}))["code"] == 404


def test_a_pod_ends_gracefully(
    core: client.CoreV1Api, kubernetes: Place, make_pod: Make, until: Callable[..., client.V1Pod]
) -> None:
    pod = until(make_pod("trap 'sleep 1; exit 0' TERM; while true; do sleep 0.1; done"), "Running")
    core.delete_namespaced_pod(pod.metadata.name, kubernetes.namespace, grace_period_seconds=10)
    seen = core.read_namespaced_pod(pod.metadata.name, kubernetes.namespace)
    assert seen.metadata.deletion_timestamp is not None
    with pytest.raises(ApiException, match="404"):
        until(pod, lambda _: False, 20)


def test_a_deletion_may_name_the_object_that_it_means(
    core: client.CoreV1Api, kubernetes: Place, config_map: client.V1ConfigMap
) -> None:
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    call = core.delete_namespaced_config_map
    name = config_map.metadata.name
    assert refused(lambda: call(name, kubernetes.namespace, body=options))["code"] == 409
    assert call(name, kubernetes.namespace).status == "Success"


def test_what_a_pod_owns_goes_with_it(core: client.CoreV1Api, kubernetes: Place, make_pod: Make) -> None:
    pod = make_pod("sleep 30")
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid}
    body = {"metadata": {"generateName": "owned-", "ownerReferences": [owner]}}
    owned = core.create_namespaced_config_map(kubernetes.namespace, body)
    core.delete_namespaced_pod(pod.metadata.name, kubernetes.namespace, grace_period_seconds=0)
    for _ in range(300):
        found = core.list_namespaced_config_map(
            kubernetes.namespace, field_selector=f"metadata.name={owned.metadata.name}"
        )
        if not found.items:
            return
        time.sleep(0.1)
    raise AssertionError("the ConfigMap outlived its owner")


def test_secrets_are_written_as_text_and_kept_as_bytes(core: client.CoreV1Api, kubernetes: Place) -> None:
    body = {"metadata": {"generateName": "secret-"}, "stringData": {"password": "säfe"}}
    made = core.create_namespaced_secret(kubernetes.namespace, body)
    assert made.string_data is None
    assert base64.b64decode(made.data["password"]).decode() == "säfe"


def test_a_claim_is_kept_while_a_pod_uses_it(
    core: client.CoreV1Api,
    kubernetes: Place,
    make_pod: Make,
    until: Callable[..., client.V1Pod],
    log: Callable[..., str],
) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}}
    claim = core.create_namespaced_persistent_volume_claim(
        kubernetes.namespace, {"metadata": {"generateName": "disk-"}, "spec": spec}
    )
    name = claim.metadata.name
    volumes = [{"name": "disk", "persistentVolumeClaim": {"claimName": name}}]
    mounts = {"volumeMounts": [{"name": "disk", "mountPath": "/disk"}]}
    written = until(make_pod("echo kept > /disk/file", container=mounts, volumes=volumes), "Succeeded")
    read = make_pod("cat /disk/file; sleep 2", container=mounts, volumes=volumes)
    until(read, "Running")
    core.delete_namespaced_persistent_volume_claim(name, kubernetes.namespace)
    held = core.read_namespaced_persistent_volume_claim(name, kubernetes.namespace)
    assert held.metadata.deletion_timestamp is not None
    until(read, "Succeeded")
    assert log(read) == "kept\n"
    for pod in (written, read):
        core.delete_namespaced_pod(pod.metadata.name, kubernetes.namespace)
    for _ in range(300):
        left = core.list_namespaced_persistent_volume_claim(kubernetes.namespace).items
        if name not in [claim.metadata.name for claim in left]:
            return
        time.sleep(0.1)
    raise AssertionError("the claim is still there")


def test_a_quota_is_kept(core: client.CoreV1Api, kubernetes: Place) -> None:
    quota = {"metadata": {"name": "few-secrets"}, "spec": {"hard": {"count/secrets": "0"}}}
    core.create_namespaced_resource_quota(kubernetes.namespace, quota)
    try:
        for _ in range(100):
            if core.read_namespaced_resource_quota("few-secrets", kubernetes.namespace).status.used:
                break
            time.sleep(0.1)
        body = {"metadata": {"generateName": "one-too-many-"}}
        status = refused(lambda: core.create_namespaced_secret(kubernetes.namespace, body))
    finally:
        core.delete_namespaced_resource_quota("few-secrets", kubernetes.namespace)
    assert status["code"] == 403
    assert "exceeded quota: few-secrets" in status["message"]


def test_a_review_says_what_one_may(api: client.ApiClient, kubernetes: Place) -> None:
    wanted = {"namespace": kubernetes.namespace, "verb": "create", "resource": "pods"}
    review = client.V1SelfSubjectAccessReview(spec={"resourceAttributes": wanted})
    assert client.AuthorizationV1Api(api).create_self_subject_access_review(review).status.allowed


def test_a_dry_run_leaves_nothing(core: client.CoreV1Api, kubernetes: Place) -> None:
    core.create_namespaced_config_map(kubernetes.namespace, {"metadata": {"name": "dry"}}, dry_run="All")
    assert refused(lambda: core.read_namespaced_config_map("dry", kubernetes.namespace))["code"] == 404
