"""Whether a cluster is reachable and lets Airflow's tasks do what they do there."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from dbt_af_k8s.cluster.checks import Check, doubtful, fine, skipped, wrong
from dbt_af_k8s.cluster.kubernetes_api import FORBIDDEN, KubernetesApi, KubernetesApiError, Permission
from dbt_af_k8s.cluster.versions import OLDEST_KUBERNETES, check_oldest
from dbt_af_k8s.k8s.quantities import parse_quantity

AREA = "kubernetes"
#: Kinds of objects by what they are for, and what Airflow's tasks do with them. The Role in docs/ grants the same.
PURPOSES: tuple[tuple[str, tuple[Permission, ...]], ...] = (
    ("pods", tuple(Permission(verb, "", "pods") for verb in ("create", "get", "list", "patch", "delete"))),
    ("logs", (Permission("get", "", "pods", "log"),)),
    ("events", tuple(Permission(verb, "", "events") for verb in ("list", "watch"))),
    ("jobs", tuple(Permission(verb, "batch", "jobs") for verb in ("create", "get", "list", "patch", "delete"))),
    ("volumes", tuple(Permission(verb, "", "persistentvolumeclaims") for verb in ("create", "get", "delete"))),
    ("ConfigMaps", (Permission("create", "", "configmaps"),)),
)
#: What a runner with `conn_id` does besides: it puts the connection into a Secret that its pod owns.
OF_SECRETS: tuple[str, tuple[Permission, ...]] = (
    "Secrets",
    tuple(Permission(verb, "", "secrets") for verb in ("create", "delete")),
)
#: A quota of which more than this is used is told.
_NEARLY_FULL = Fraction(9, 10)
_PAUSE = 0.5
_CANNOT_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_ROLE = "docs/how-to/{} is a Role that grants it"


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace, the service accounts that its pods run as, and images that are to be pulled there."""

    namespace: str
    service_accounts: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    #: Pods that tasks send there, by who sends them: the server is asked what it would say.
    pods: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    #: Whether tasks make Secrets there.
    makes_secrets: bool = False
    #: Secrets with the logins of registries.
    pull_secrets: tuple[str, ...] = ()


def check_server(cluster: KubernetesApi) -> tuple[Check, ...]:
    """Whether the API answers, and its version. An error where nothing else can be asked."""
    try:
        found = cluster.version()
    except KubernetesApiError as failed:
        fix = "Check the kube config and its context, whether its credentials have run out, and the network."
        return (wrong(AREA, "API", str(failed), fix),)
    return fine(AREA, "API", cluster.where), check_oldest("version", found, OLDEST_KUBERNETES, area=AREA)


def check_place(
    cluster: KubernetesApi,
    place: Place,
    *,
    patience: float = 120,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Check]:
    """Every line about one namespace: it, its accounts, permissions, quotas, and pulling of images. Never raises.

    `patience` is the time in seconds for which a pull is waited.
    """
    space = place.namespace
    there = _look(f"namespace {space}", lambda: cluster.has_namespace(space))
    if isinstance(there, Check):
        yield there
    elif not there:
        yield wrong(AREA, f"namespace {space}", "there is none", f"Make it: kubectl create namespace {space}.")
        return
    else:
        yield fine(AREA, f"namespace {space}", "there")
    yield from _permissions(cluster, space, (*PURPOSES, *((OF_SECRETS,) if place.makes_secrets else ())))
    for account in place.service_accounts:
        yield _account(cluster, space, account)
    yield from _quotas(cluster, space)
    for task, pod in place.pods:
        yield _admitted(cluster, space, task, pod)
    for image in place.images:
        yield _pull(cluster, place, image, patience, sleep)


def _look(name: str, ask: Callable[[], Any]) -> Any:
    """The answer, or a line that says why there is none."""
    try:
        return ask()
    except KubernetesApiError as failed:
        if failed.status == FORBIDDEN:
            return skipped(AREA, name, "not looked at: the account may not read it; its tasks need not")
        return wrong(AREA, name, str(failed), "Try again; the API answered before.")


def _permissions(
    cluster: KubernetesApi, space: str, purposes: tuple[tuple[str, tuple[Permission, ...]], ...]
) -> Iterator[Check]:
    for purpose, permissions in purposes:
        name = f"{purpose} in {space}"
        found = _look(name, partial(_missing, cluster, permissions, space))
        if isinstance(found, Check):
            yield found
        elif found:
            told = f"may not {', '.join(map(str, found))}"
            role = _ROLE.format("dbt-pod/secrets-role.yaml" if purpose == OF_SECRETS[0] else "rbac/task-pods.yaml")
            yield wrong(AREA, name, told, f"Bind a Role with it to the account of Airflow's workers: {role}.")
        else:
            yield fine(AREA, name, f"may {', '.join(each.verb for each in permissions)}")


def _missing(cluster: KubernetesApi, permissions: tuple[Permission, ...], space: str) -> list[Permission]:
    return [each for each in permissions if not cluster.may(each, space)]


def _account(cluster: KubernetesApi, space: str, account: str) -> Check:
    name = f"service account {account}"
    there = _look(name, lambda: cluster.has_service_account(space, account))
    if isinstance(there, Check):
        return there
    if not there:
        fix = f"Make it: kubectl create serviceaccount {account} -n {space}."
        return wrong(AREA, name, f"{space} has none: its pods would be refused", fix)
    return fine(AREA, name, f"in {space}")


def _quotas(cluster: KubernetesApi, space: str) -> Iterator[Check]:
    name = f"quotas in {space}"
    found = _look(name, lambda: cluster.quotas(space))
    if isinstance(found, Check):
        yield found
        return
    if not found:
        yield fine(AREA, name, "none")
    for quota, resources in sorted(found.items()):
        for resource, (used, hard) in resources.items():
            share = _share(used, hard)
            line = f"{resource}: {used} of {hard} used"
            if share is not None and share >= 1:
                fix = "Wait until pods are done, raise the quota, or give dbt's tasks a pool that fits into it."
                yield wrong(AREA, f"quota {quota}", f"{line}: no further pod would start", fix)
            elif share is not None and share >= _NEARLY_FULL:
                yield doubtful(AREA, f"quota {quota}", line, "Raise it, or give dbt's tasks a pool that fits into it.")
            else:
                yield fine(AREA, f"quota {quota}", line)


def _admitted(cluster: KubernetesApi, space: str, task: str, pod: Mapping[str, Any]) -> Check:
    """Whether the server would take a pod: quotas, limits, pod security, webhooks look at it, and nothing is made."""
    name = f"pod of {task}"
    metadata = {**pod["metadata"], "namespace": space, "generateName": "dbt-af-k8s-doctor-"}
    try:
        cluster.create_pod({**pod, "metadata": metadata}, space, dry_run=True)
    except KubernetesApiError as refused:
        fix = (
            "Change the target or runner, or what refuses it: a quota, a limit range, the namespace's pod security "
            "level (`pod-security.kubernetes.io/enforce`), a webhook, or the permission to create pods."
        )
        return wrong(AREA, name, str(refused), fix)
    return fine(AREA, name, f"{space} would take it")


def _share(used: str, hard: str) -> Fraction | None:
    part, whole = parse_quantity(used), parse_quantity(hard)
    if part is None or whole is None:
        return None
    return part / whole if whole else Fraction(1)


def _pull(cluster: KubernetesApi, place: Place, image: str, patience: float, sleep: Callable[[float], None]) -> Check:
    """Start a tiny pod with the image, and see whether it comes."""
    name = f"image {image}"
    pod_name = _look(name, lambda: cluster.create_pod(_pod(image, place), place.namespace))
    if isinstance(pod_name, Check):
        return pod_name
    waited = 0.0
    try:
        while waited <= patience:
            found = _look(name, lambda: cluster.pod(pod_name, place.namespace))
            if isinstance(found, Check):
                return found
            told = _pulled(found, name, place.namespace)
            if told is not None:
                return told
            sleep(_PAUSE)
            waited += _PAUSE
        fix = f"Look at it: kubectl describe pod -n {place.namespace}; perhaps no node has room for it."
        return doubtful(AREA, name, f"not pulled in {patience:g} s", fix)
    finally:
        _look(name, lambda: cluster.delete_pod(pod_name, place.namespace))


def _pulled(pod: Any, name: str, space: str) -> Check | None:
    """What a pod tells of its image; None as long as it tells nothing."""
    for status in pod.status.container_statuses or ():
        waiting = status.state.waiting
        if waiting is not None and waiting.reason in _CANNOT_PULL:
            told = f"{waiting.reason}: {' '.join((waiting.message or 'no reason given').split())}"
            fix = "Check its name and tag, and the registry's secret: `image_pull_secrets` of the target."
            return wrong(AREA, name, told, fix)
        if waiting is None or status.image_id:
            # Whether the command in it could start does not matter: the image is there.
            return fine(AREA, name, f"pulled in {space}")
        if waiting.reason in ("CreateContainerError", "RunContainerError", "CrashLoopBackOff"):
            return fine(AREA, name, f"pulled in {space}")
    return fine(AREA, name, f"pulled in {space}") if pod.status.phase in ("Running", "Succeeded", "Failed") else None


def _pod(image: str, place: Place) -> dict[str, Any]:
    """As small as a pod can be; it fits into a restricted namespace."""
    account = {"serviceAccountName": place.service_accounts[0]} if place.service_accounts else {}
    container = {
        "name": "pull",
        "image": image,
        "command": ["true"],
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 65534,
        },
    }
    return {
        "metadata": {"generateName": "dbt-af-k8s-doctor-", "labels": {"app.kubernetes.io/managed-by": "dbt-af-k8s"}},
        "spec": {
            **account,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 600,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            **({"imagePullSecrets": [{"name": each} for each in place.pull_secrets]} if place.pull_secrets else {}),
            "containers": [container],
        },
    }
