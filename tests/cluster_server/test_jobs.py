"""Jobs: parallelism, indexes, back-off, suspension, time to live, deadlines; and what a service account may do."""

import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from cluster_server.place import Place
from cluster_server.server import Cluster
from kubernetes import client, config
from kubernetes.client import ApiException

pytestmark = [pytest.mark.cluster, pytest.mark.airflow]
Made = Callable[..., str]


@pytest.fixture
def make_job(batch: client.BatchV1Api, kubernetes: Place) -> Made:
    """Make a job whose pods run a shell script; its name."""

    def make(script: str, *, restart: str = "Never", **spec: Any) -> str:
        container = {"name": "work", "image": kubernetes.shell_image, "command": ["sh", "-c", script]}
        pod = {"restartPolicy": restart, "terminationGracePeriodSeconds": 1, "containers": [container]}
        body = {"metadata": {"generateName": "job-"}, "spec": {"template": {"spec": pod}, **spec}}
        return str(batch.create_namespaced_job(kubernetes.namespace, body).metadata.name)

    return make


@pytest.fixture
def ended(batch: client.BatchV1Api, kubernetes: Place) -> Callable[..., tuple[str, str, client.V1JobStatus]]:
    """Wait for the end of a job: the condition's type and reason, and the status."""

    def wait(name: str, *kinds: str) -> tuple[str, str, client.V1JobStatus]:
        for _ in range(1200):
            status = batch.read_namespaced_job_status(name, kubernetes.namespace).status
            for condition in status.conditions or ():
                if condition.type in (kinds or ("Complete", "Failed")) and condition.status == "True":
                    return condition.type, condition.reason, status
            time.sleep(0.05)
        raise TimeoutError(name)

    return wait


def test_a_job_counts_its_completions(make_job: Made, ended: Any, core: client.CoreV1Api, kubernetes: Place) -> None:
    name = make_job("true", completions=3, parallelism=2)
    kind, _, status = ended(name)
    assert (kind, status.succeeded, status.failed) == ("Complete", 3, None)
    assert status.completion_time is not None
    pods = core.list_namespaced_pod(kubernetes.namespace, label_selector=f"job-name={name}").items
    assert len(pods) == 3
    assert {pod.metadata.owner_references[0].name for pod in pods} == {name}


def test_an_indexed_job_gives_each_pod_its_number(
    make_job: Made, ended: Any, core: client.CoreV1Api, kubernetes: Place
) -> None:
    name = make_job("echo index $JOB_COMPLETION_INDEX", completions=3, parallelism=3, completionMode="Indexed")
    _, _, status = ended(name)
    assert status.completed_indexes == "0-2"
    said = []
    for pod in core.list_namespaced_pod(kubernetes.namespace, label_selector=f"job-name={name}").items:
        answer = core.read_namespaced_pod_log(pod.metadata.name, kubernetes.namespace, _preload_content=False)
        said.append(answer.data.decode())
    assert sorted(said) == ["index 0\n", "index 1\n", "index 2\n"]


@pytest.mark.parametrize("restart", ["Never", "OnFailure"])
def test_a_job_gives_up(make_job: Made, ended: Any, restart: str) -> None:
    kind, reason, _ = ended(make_job("exit 1", restart=restart, backoffLimit=1))
    assert (kind, reason) == ("Failed", "BackoffLimitExceeded")


def test_a_job_has_a_deadline(make_job: Made, ended: Any) -> None:
    kind, reason, _ = ended(make_job("sleep 60", activeDeadlineSeconds=1))
    assert (kind, reason) == ("Failed", "DeadlineExceeded")


def test_a_suspended_job_waits(make_job: Made, ended: Any, batch: client.BatchV1Api, kubernetes: Place) -> None:
    name = make_job("true", suspend=True)
    _, reason, status = ended(name, "Suspended")
    assert (reason, status.active) == ("JobSuspended", None)
    batch.patch_namespaced_job(name, kubernetes.namespace, {"spec": {"suspend": False}})
    assert ended(name)[0] == "Complete"


def test_a_job_is_gone_after_its_time(make_job: Made, ended: Any, core: client.CoreV1Api, kubernetes: Place) -> None:
    name = make_job("true", ttlSecondsAfterFinished=1)
    ended(name)
    for _ in range(600):
        if not core.list_namespaced_pod(kubernetes.namespace, label_selector=f"job-name={name}").items:
            return
        time.sleep(0.05)
    raise AssertionError("its pods are still there")


def test_a_foreground_deletion_waits_for_the_pods(
    make_job: Made, batch: client.BatchV1Api, core: client.CoreV1Api, kubernetes: Place
) -> None:
    name = make_job("sleep 60")
    selector = f"job-name={name}"
    while not core.list_namespaced_pod(kubernetes.namespace, label_selector=selector).items:
        time.sleep(0.05)
    batch.delete_namespaced_job(name, kubernetes.namespace, propagation_policy="Foreground")
    field = f"metadata.name={name}"
    for _ in range(600):
        if not batch.list_namespaced_job(kubernetes.namespace, field_selector=field).items:
            assert not core.list_namespaced_pod(kubernetes.namespace, label_selector=selector).items
            return
        time.sleep(0.05)
    raise AssertionError("the job is still there")


def test_a_job_must_say_how_its_pods_end(make_job: Made) -> None:
    with pytest.raises(ApiException, match="restartPolicy") as caught:
        make_job("true", restart="Always")
    assert caught.value.status == 422


def test_a_job_keeps_its_template(make_job: Made, batch: client.BatchV1Api, kubernetes: Place) -> None:
    name = make_job("true")
    patch = {"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}}}
    with pytest.raises(ApiException, match="field is immutable") as caught:
        batch.patch_namespaced_job(name, kubernetes.namespace, patch)
    assert caught.value.status == 422


def test_a_service_account_may_do_what_its_role_says(
    stand_in: Cluster, api: client.ApiClient, core: client.CoreV1Api, kubernetes: Place
) -> None:
    namespace = kubernetes.namespace
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "reader"}})
    rules = [{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}]
    access = client.RbacAuthorizationV1Api(api)
    access.create_namespaced_role(namespace, {"metadata": {"name": "reader"}, "rules": rules})
    binding = {
        "metadata": {"name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
    }
    access.create_namespaced_role_binding(namespace, binding)
    file = str(stand_in.account_kubeconfig(namespace, "reader"))
    with config.new_client_from_config(file) as reader_api:
        reader = client.CoreV1Api(reader_api)
        assert reader.list_namespaced_pod(namespace) is not None
        with pytest.raises(ApiException, match=f'User \\\\"system:serviceaccount:{namespace}:reader') as caught:
            reader.create_namespaced_pod(namespace, {"metadata": {"name": "a"}})
        assert caught.value.status == 403

        def may(verb: str, resource: str) -> bool:
            wanted = {"namespace": namespace, "verb": verb, "resource": resource}
            review = client.V1SelfSubjectAccessReview(spec={"resourceAttributes": wanted})
            answer = client.AuthorizationV1Api(reader_api).create_self_subject_access_review(review)
            return bool(answer.status.allowed)

        assert (may("list", "pods"), may("delete", "pods")) == (True, False)


def test_nobody_is_refused(stand_in: Cluster) -> None:
    file = str(stand_in.write_kubeconfig("no-such-token", "nobody"))
    with config.new_client_from_config(file) as nobody, pytest.raises(ApiException) as caught:
        client.CoreV1Api(nobody).list_namespace()
    assert caught.value.status == 401
