"""What doctor finds of a cluster, against a Kubernetes API: permissions, accounts, quotas, and pulling of images."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from shop_on_disk import run

from dbt_af_k8s.cluster.kubernetes_api import Permission, connect
from dbt_af_k8s.cluster.kubernetes_checks import OF_SECRETS, PURPOSES, Place, check_place, check_server

if TYPE_CHECKING:
    from cluster_server import place
    from cluster_server.server import Cluster

RBAC = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "rbac"


def verdicts(found: Any) -> dict[str, str]:
    return {check.name: check.verdict.value for check in found if check.verdict.value != "ok"}


def rules(file: str = "task-pods.yaml") -> list[dict[str, Any]]:
    (role,) = [each for each in yaml.safe_load_all((RBAC / file).read_text()) if each["kind"] == "Role"]
    return list(role["rules"])


@pytest.mark.parametrize(
    ("file", "purposes"), [("task-pods.yaml", PURPOSES), ("../dbt-pod/secrets-role.yaml", (OF_SECRETS,))]
)
def test_the_role_in_the_documentation_grants_what_is_asked_for_and_no_more(file: str, purposes: Any) -> None:
    granted = {
        Permission(verb, group, *resource.split("/"))
        for rule in rules(file)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {permission for _, permissions in purposes for permission in permissions}


@pytest.fixture
def api(kubernetes: "place.Place") -> Iterator[Any]:
    with kubernetes.api_client() as made:
        yield made


@pytest.mark.cluster
def test_an_administrator_s_cluster_is_well(kubernetes: "place.Place") -> None:
    with connect({}, config_file=kubernetes.kubeconfig) as cluster:
        assert verdicts(check_server(cluster)) == {}
        found = list(check_place(cluster, Place(kubernetes.namespace, ("default",), (kubernetes.shell_image,))))
    assert verdicts(found) == {}
    assert found[-1].told == f"pulled in {kubernetes.namespace}"


@pytest.mark.cluster
def test_pods_of_the_check_are_removed(kubernetes: "place.Place", api: Any) -> None:
    from kubernetes import client

    with connect({}, config_file=kubernetes.kubeconfig) as cluster:
        list(check_place(cluster, Place(kubernetes.namespace, (), (kubernetes.shell_image,))))
    pods = client.CoreV1Api(api).list_namespaced_pod(kubernetes.namespace).items
    left = [pod for pod in pods if pod.metadata.name.startswith("dbt-af-k8s-doctor-")]
    assert all(pod.metadata.deletion_timestamp for pod in left)


@pytest.mark.cluster
def test_what_is_not_there(kubernetes: "place.Place") -> None:
    with connect({}, config_file=kubernetes.kubeconfig) as cluster:
        assert verdicts(check_place(cluster, Place("nowhere"))) == {"namespace nowhere": "error"}
        found = verdicts(check_place(cluster, Place(kubernetes.namespace, ("nobody",))))
    assert found == {"service account nobody": "error"}


@pytest.mark.cluster
def test_a_full_quota(kubernetes: "place.Place", api: Any) -> None:
    from kubernetes import client

    core = client.CoreV1Api(api)
    spec = {"hard": {"pods": "0", "configmaps": "100"}}
    core.create_namespaced_resource_quota(kubernetes.namespace, {"metadata": {"name": "small"}, "spec": spec})
    try:
        with connect({}, config_file=kubernetes.kubeconfig) as cluster:
            for _ in range(100):
                found = [c for c in check_place(cluster, Place(kubernetes.namespace)) if c.name == "quota small"]
                if found:
                    break
        assert {c.told.partition(":")[0]: c.verdict.value for c in found} == {"pods": "error", "configmaps": "ok"}
    finally:
        core.delete_namespaced_resource_quota("small", kubernetes.namespace)


@pytest.mark.cluster
def test_an_account_with_the_role_of_the_documentation(
    kubernetes: "place.Place", stand_in: "Cluster", api: Any
) -> None:
    """It may do all that tasks do; without one rule, that is told; namespace and quotas it need not see."""
    from kubernetes import client

    space, rbac, core = kubernetes.namespace, client.RbacAuthorizationV1Api(api), client.CoreV1Api(api)
    core.create_namespaced_service_account(space, {"metadata": {"name": "worker"}})
    rbac.create_namespaced_role(space, {"metadata": {"name": "tasks"}, "rules": rules()})
    binding = {
        "metadata": {"name": "tasks"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tasks"},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": space}],
    }
    rbac.create_namespaced_role_binding(space, binding)
    config = stand_in.account_kubeconfig(space, "worker")
    skipped = {f"namespace {space}": "skipped", "service account worker": "skipped", f"quotas in {space}": "skipped"}
    with connect({}, config_file=config) as cluster:
        assert cluster.namespace == space
        assert verdicts(check_place(cluster, Place(space, ("worker",)))) == skipped
        fewer = [rule for rule in rules() if rule["resources"] != ["pods/log"]]
        rbac.replace_namespaced_role("tasks", space, {"metadata": {"name": "tasks"}, "rules": fewer})
        found = {check.name: check for check in check_place(cluster, Place(space))}
    assert found[f"logs in {space}"].told == "may not get pods/log"
    assert "task-pods.yaml" in found[f"logs in {space}"].fix

    result = run("doctor", "--kube-config", str(config), "--format", "json")
    assert result.exit_code == 1
    errors = [check["name"] for check in json.loads(result.stdout)["checks"] if check["verdict"] == "error"]
    assert errors == [f"logs in {space}"]


@pytest.mark.cluster
def test_an_image_that_does_not_come(kubernetes: "place.Place", stand_in: "Cluster") -> None:
    from cluster_server.faults import PodFault

    stand_in.fail_pods(PodFault("image_pull", pod="dbt-af-k8s-doctor-*", container="pull"))
    with connect({}, config_file=kubernetes.kubeconfig) as cluster:
        (found,) = [
            check
            for check in check_place(cluster, Place(kubernetes.namespace, (), ("nowhere/none:1",)))
            if check.name.startswith("image")
        ]
    assert found.verdict.value == "error"
    assert "Pull" in found.told
    assert "image_pull_secrets" in found.fix


@pytest.mark.cluster
def test_an_image_that_no_node_has_room_for(kubernetes: "place.Place", stand_in: "Cluster") -> None:
    from cluster_server.faults import PodFault

    stand_in.fail_pods(PodFault("unschedulable", pod="dbt-af-k8s-doctor-*"))
    with connect({}, config_file=kubernetes.kubeconfig) as cluster:
        place = Place(kubernetes.namespace, (), (kubernetes.shell_image,))
        (found,) = [c for c in check_place(cluster, place, patience=1) if c.name.startswith("image")]
    assert found.verdict.value == "warning"
    assert "not pulled in 1 s" in found.told


@pytest.mark.cluster
def test_a_server_with_trouble_never_ends_in_a_traceback(kubernetes: "place.Place", stand_in: "Cluster") -> None:
    from cluster_server.faults import RequestFault

    stand_in.fail_requests(RequestFault(code=500, times=1000))
    result = run("doctor", "--kube-config", str(kubernetes.kubeconfig), "--format", "json")
    assert result.exit_code == 1
    assert result.stderr == ""


OPEN = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "base", "image": "shop:1"}]}}


@pytest.fixture
def level(kubernetes: "place.Place", api: Any) -> Iterator[None]:
    """The namespace is `restricted`."""
    from kubernetes import client

    core = client.CoreV1Api(api)
    label = "pod-security.kubernetes.io/enforce"
    core.patch_namespace(kubernetes.namespace, {"metadata": {"labels": {label: "restricted"}}})
    yield
    core.patch_namespace(kubernetes.namespace, {"metadata": {"labels": {label: None}}})


@pytest.mark.cluster
@pytest.mark.usefixtures("level")
def test_a_pod_that_pod_security_refuses_is_told_without_making_one(kubernetes: "place.Place", api: Any) -> None:
    from kubernetes import client

    with connect({}, config_file=kubernetes.kubeconfig) as cluster:
        space = Place(kubernetes.namespace, pods=(("sales__daily.export", OPEN),))
        (found,) = [check for check in check_place(cluster, space) if check.name == "pod of sales__daily.export"]
    assert found.verdict.value == "error"
    assert 'violates PodSecurity "restricted:latest"' in found.told
    assert "runAsNonRoot" in found.told
    pods = client.CoreV1Api(api).list_namespaced_pod(kubernetes.namespace).items
    assert not [pod for pod in pods if pod.metadata.name.startswith("dbt-af-k8s-doctor-")]


@pytest.mark.cluster
def test_a_quota_that_wants_limits_is_told(kubernetes: "place.Place", api: Any) -> None:
    from kubernetes import client

    core = client.CoreV1Api(api)
    quota = {"metadata": {"name": "limits"}, "spec": {"hard": {"limits.memory": "1Gi"}}}
    core.create_namespaced_resource_quota(kubernetes.namespace, quota)
    ask = Place(kubernetes.namespace, pods=(("d.t", OPEN),))
    with connect({}, config_file=kubernetes.kubeconfig) as cluster:
        try:
            found = next(check for check in check_place(cluster, ask) if check.name == "pod of d.t")
            assert (found.verdict.value, "must specify limits.memory for: base" in found.told) == ("error", True)
            # A limit range that gives every container limits mends it.
            item = {"type": "Container", "default": {"memory": "64Mi"}}
            limits = {"metadata": {"name": "usual"}, "spec": {"limits": [item]}}
            core.create_namespaced_limit_range(kubernetes.namespace, limits)
            found = next(check for check in check_place(cluster, ask) if check.name == "pod of d.t")
            assert (found.verdict.value, found.told) == ("ok", f"{kubernetes.namespace} would take it")
        finally:
            core.delete_namespaced_resource_quota("limits", kubernetes.namespace)
            core.delete_collection_namespaced_limit_range(kubernetes.namespace)


@pytest.mark.cluster
def test_secrets_are_asked_for_where_a_runner_makes_them(
    kubernetes: "place.Place", stand_in: "Cluster", api: Any
) -> None:
    from kubernetes import client

    space, rbac, core = kubernetes.namespace, client.RbacAuthorizationV1Api(api), client.CoreV1Api(api)
    core.create_namespaced_service_account(space, {"metadata": {"name": "runner"}})
    rbac.create_namespaced_role(space, {"metadata": {"name": "pods-only"}, "rules": rules()})
    subject = {"kind": "ServiceAccount", "name": "runner", "namespace": space}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pods-only"}
    rbac.create_namespaced_role_binding(
        space, {"metadata": {"name": "pods-only"}, "roleRef": role, "subjects": [subject]}
    )
    with connect({}, config_file=stand_in.account_kubeconfig(space, "runner")) as cluster:
        assert f"Secrets in {space}" not in [check.name for check in check_place(cluster, Place(space))]
        ask = Place(space, makes_secrets=True)
        (found,) = [check for check in check_place(cluster, ask) if check.name == f"Secrets in {space}"]
    assert (found.verdict.value, found.told) == ("error", "may not create secrets, delete secrets")
    assert "dbt-pod/secrets-role.yaml" in found.fix


@pytest.mark.cluster
def test_every_image_of_a_pod_is_pulled_by_its_name(kubernetes: "place.Place", stand_in: "Cluster") -> None:
    stand_in.lose_image("lost.example.com/*")
    lost = "lost.example.com/side:1"
    with connect({}, config_file=kubernetes.kubeconfig) as cluster:
        found = check_place(cluster, Place(kubernetes.namespace, images=(kubernetes.shell_image, lost)))
        images = {check.name: check for check in found if check.name.startswith("image ")}
    assert images[f"image {kubernetes.shell_image}"].verdict.value == "ok"
    assert images[f"image {lost}"].verdict.value == "error"
    assert "ErrImagePull" in images[f"image {lost}"].told or "ImagePullBackOff" in images[f"image {lost}"].told
