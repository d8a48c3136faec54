"""The pod of a target, filled with a script or with dbt: a plain Kubernetes manifest, the same for the same input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.k8s.names import safe_label_value, safe_pod_name
from dbt_af_k8s.pods.env import literal
from dbt_af_k8s.pods.merge import merge_fragments, merge_objects
from dbt_af_k8s.pods.parts import BASE
from dbt_af_k8s.pods.payload import (
    BOOTSTRAP,
    RESULT_FILE,
    SCRIPT,
    SCRIPT_FILE,
    XCOM_FILE,
    packed_script,
    planned_env,
    run_env,
    source_of,
)
from dbt_af_k8s.pods.values import KubernetesObject, KubernetesTarget, Payload, PodRun

#: Label of Azure's pod identity, which dbt-af sets from `airflow_identity_binding_selector`.
IDENTITY_BINDING_LABEL = "aadpodidbinding"
#: Label and annotation with the node's name and unique_id.
NODE_LABEL = "dbt-af-k8s/node"
#: Volume with the script, where a ConfigMap holds it.
SCRIPT_VOLUME = "dbt-af-script"
#: Volume for the script's result: the folder can be written whoever the script runs as, in whatever image.
RESULT_VOLUME = "dbt-af-result"
_RESULT_FOLDER = XCOM_FILE.rpartition("/")[0]
_TMP_VOLUME, _SCRIPT_FOLDER = "dbt-af-tmp", "/dbt-af-k8s"
_SCRIPT_KEY = "script"
#: Keys that come first in every object, for people who read it.
_FIRST = ("apiVersion", "kind", "metadata", "name")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a target's pod is filled with."""

    #: Of the pod, and of its label; made safe.
    name: str
    #: unique_id of what it is about, for the annotation.
    node: str
    #: Arguments of the image's entry point.
    args: Sequence[str]
    #: Plain text.
    env: Mapping[str, str]
    volumes: Sequence[KubernetesObject] = ()
    mounts: Sequence[KubernetesObject] = ()


def pod_for(
    target: KubernetesTarget,
    payload: Payload,
    run: PodRun,
    *,
    identity_binding: str | None = None,
    memory_rung: int = 0,
) -> dict[str, Any]:
    """The pod that runs a script on a target; see `filled_pod`.

    The script's container is `base`, the first; its `args` start the script and its `command` is the image's own,
    unless the `pod` fragment sets one.
    """
    contents = _script(target, payload, run)
    return filled_pod(target, contents, identity_binding=identity_binding, memory_rung=memory_rung)


def filled_pod(
    target: KubernetesTarget, contents: Contents, *, identity_binding: str | None = None, memory_rung: int = 0
) -> dict[str, Any]:
    """The pod of a target with these contents in its container `base`.

    `identity_binding` is the setting `kubernetes.airflow_identity_binding_selector`. `memory_rung` says how many rungs
    of the target's memory ladder are taken; past its end the last one counts.
    """
    identity = target.workload_identity
    binding = {IDENTITY_BINDING_LABEL: safe_label_value(identity_binding)} if identity_binding else {}
    own = {"app.kubernetes.io/managed-by": "dbt-af-k8s", NODE_LABEL: safe_label_value(contents.name)}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": safe_pod_name(contents.name),
            "namespace": target.namespace,
            "labels": {**own, **identity.labels, **binding, **target.labels},
            "annotations": {NODE_LABEL: contents.node, **identity.annotations, **target.annotations},
        },
        "spec": _spec(target, contents, _base(target, contents, memory_rung)),
    }
    whole = merge_fragments(_without_nothing(pod), target.pod)
    if target.container_defaults:
        for key in ("containers", "initContainers"):
            if key in whole["spec"]:
                whole["spec"][key] = [_secured(each, target.container_defaults) for each in whole["spec"][key]]
    ordered = _ordered(whole)
    assert isinstance(ordered, dict)  # noqa: S101 (a mapping goes in)
    return ordered


def config_map_for(target: KubernetesTarget, payload: Payload, run: PodRun) -> dict[str, Any] | None:
    """The ConfigMap with the script, where the target wants one; whoever makes it sets the pod as its owner."""
    if target.script_from != "config_map":
        return None
    metadata = {
        "name": _config_map_name(payload, run),
        "namespace": target.namespace,
        "labels": {"app.kubernetes.io/managed-by": "dbt-af-k8s", NODE_LABEL: safe_label_value(payload.name)},
    }
    data = {_SCRIPT_KEY: packed_script(payload)}
    ordered = _ordered({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    assert isinstance(ordered, dict)  # noqa: S101 (a mapping goes in)
    return ordered


def _config_map_name(payload: Payload, run: PodRun) -> str:
    return run.config_map or f"{safe_pod_name(payload.name)}-script"


def _script(target: KubernetesTarget, payload: Payload, run: PodRun) -> Contents:
    env = dict(contract_env(target, payload, run))
    volumes: list[KubernetesObject] = []
    mounts: list[KubernetesObject] = []
    if target.script_from == "env":
        env[SCRIPT] = packed_script(payload)
    elif target.script_from == "config_map":
        env[SCRIPT_FILE] = f"{_SCRIPT_FOLDER}/{_SCRIPT_KEY}"
        volumes.append({"name": SCRIPT_VOLUME, "configMap": {"name": _config_map_name(payload, run)}})
        mounts.append({"name": SCRIPT_VOLUME, "mountPath": _SCRIPT_FOLDER, "readOnly": True})
    if target.xcom and not _mounts(target, _RESULT_FOLDER):
        volumes.append({"name": RESULT_VOLUME, "emptyDir": {}})
        mounts.append({"name": RESULT_VOLUME, "mountPath": _RESULT_FOLDER})
    return Contents(payload.name, payload.node, _args(target), env, volumes, mounts)


def _spec(target: KubernetesTarget, contents: Contents, base: dict[str, Any]) -> dict[str, Any]:
    identity = target.workload_identity
    volumes = [*identity.volumes, *target.volumes]
    if _needs_tmp(target):
        volumes.append({"name": _TMP_VOLUME, "emptyDir": {}})
    volumes += contents.volumes
    sidecars = [{**sidecar, "restartPolicy": "Always"} for sidecar in target.sidecars]
    return {
        "activeDeadlineSeconds": target.active_deadline,
        "affinity": target.affinity,
        "automountServiceAccountToken": target.mount_service_account_token,
        "containers": [base],
        "imagePullSecrets": [{"name": secret} for secret in target.image_pull_secrets],
        "initContainers": [*target.init_containers, *sidecars],
        "nodeSelector": {**identity.node_selector, **target.node_selector},
        "priorityClassName": target.priority_class,
        "restartPolicy": "Never",
        "runtimeClassName": target.runtime_class,
        "securityContext": target.pod_security_context,
        "serviceAccountName": target.service_account,
        "tolerations": target.tolerations,
        "topologySpreadConstraints": target.topology_spread,
        "volumes": volumes,
    }


def _base(target: KubernetesTarget, contents: Contents, memory_rung: int) -> dict[str, Any]:
    mounts = [*target.workload_identity.mounts, *target.mounts]
    if _needs_tmp(target):
        mounts.append({"name": _TMP_VOLUME, "mountPath": "/tmp"})  # noqa: S108 (in the pod)
    return {
        "args": list(contents.args),
        "env": _env(target, contents.env),
        "envFrom": target.env_from,
        "image": target.image,
        "imagePullPolicy": target.image_pull_policy,
        "name": BASE,
        "resources": _resources(target, memory_rung),
        "securityContext": target.security_context,
        "volumeMounts": [*mounts, *contents.mounts],
    }


def _args(target: KubernetesTarget) -> list[str]:
    command = ["-c", BOOTSTRAP] if target.script_from != "image" else [str(target.script_path)]
    if not target.xcom:
        return [target.python, *command]
    return [target.python, "-c", source_of("dbt_af_k8s.pods.supervise"), XCOM_FILE, target.python, *command]


def _env(target: KubernetesTarget, ours: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Ours come first, so that `$(START_DTTM)` means something in the user's."""
    taken = {variable["name"] for variable in target.env}
    given = [{"name": name, "value": literal(ours[name])} for name in sorted(ours) if name not in taken]
    identity = [variable for variable in target.workload_identity.env if variable["name"] not in taken]
    return [*given, *identity, *target.env]


def contract_env(target: KubernetesTarget, payload: Payload, run: PodRun) -> tuple[tuple[str, str], ...]:
    """The variables that a script is promised, as pairs of plain text; a local process gets them too.

    Python writes its output at once, so that the log has the last words of a pod that is killed.
    """
    result = ((RESULT_FILE, XCOM_FILE),) if target.xcom else ()
    return (*planned_env(payload), *run_env(run), *result, ("PYTHONUNBUFFERED", "1"))


def _resources(target: KubernetesTarget, memory_rung: int) -> dict[str, Any]:
    requests, limits = dict(target.requests), dict(target.limits)
    if memory_rung > 0 and target.memory_ladder:
        requests["memory"] = limits["memory"] = target.memory_ladder[min(memory_rung, len(target.memory_ladder)) - 1]
    return {"requests": requests, "limits": limits} if requests or limits else {}


def _needs_tmp(target: KubernetesTarget) -> bool:
    """A read-only root wants a place for temporary files."""
    is_read_only = target.security_context.get("readOnlyRootFilesystem") is True
    return is_read_only and not _mounts(target, "/tmp")  # noqa: S108 (in the pod)


def _mounts(target: KubernetesTarget, folder: str) -> bool:
    """Whether the target itself mounts something there."""
    return any(mount["mountPath"].rstrip("/") == folder for mount in target.mounts)


def _secured(container: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A container with the defaults under what it says itself; a privileged one cannot have them."""
    own = container.get("securityContext") or {}
    added = (own.get("capabilities") or {}).get("add") or ()
    under = dict(defaults)
    if own.get("privileged") is True or "SYS_ADMIN" in added or "CAP_SYS_ADMIN" in added:
        under.pop("allowPrivilegeEscalation", None)
    return {**container, "securityContext": merge_objects(under, own, "SecurityContext")}


def _without_nothing(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Our own parts that say nothing are left out; what a user wrote stays."""
    metadata = {key: value for key, value in pod["metadata"].items() if value}
    spec = {key: value for key, value in pod["spec"].items() if value not in (None, (), [], {})}
    base, *others = spec["containers"]
    spec["containers"] = [{key: value for key, value in base.items() if value not in (None, (), [], {})}, *others]
    return {**pod, "metadata": metadata, "spec": spec}


def _ordered(value: Any) -> Any:
    """The same with keys in one order and without nulls; the depth is that of a pod, which has an end."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (_FIRST.index(key) if key in _FIRST else len(_FIRST), key))
        return {key: _ordered(value[key]) for key in keys if value[key] is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_ordered(item) for item in value]
    return value
