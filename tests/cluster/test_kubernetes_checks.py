"""What doctor finds of a cluster, against a Kubernetes API: permissions, accounts, quotas, and pulling of images."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from shop_on_disk import run

from dbt_af_k8s.cluster.kubernetes_api import Permission, connect
from dbt_af_k8s.cluster.kubernetes_checks import PURPOSES, Place, check_place, check_server

if TYPE_CHECKING:
    from cluster_server import place
    from cluster_server.server import Cluster

RBAC = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "rbac"


def verdicts(found: Any) -> dict[str, str]:
    return {check.name: check.verdict.value for check in found if check.verdict.value != "ok"}


def rules() -> list[dict[str, Any]]:
    (role,) = [each for each in yaml.safe_load_all((RBAC / "task-pods.yaml").read_text()) if each["kind"] == "Role"]
    return list(role["rules"])


def test_the_role_in_the_documentation_grants_what_is_asked_for_and_no_more() -> None:
    granted = {
        Permission(verb, group, *resource.split("/"))
        for rule in rules()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {permission for _, permissions in PURPOSES for permission in permissions}


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
