"""The parts of a `kubernetes` target that are written as Kubernetes writes them, and the pod they come together in."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.problems import Finding
from dbt_af_k8s.config.wording import choose_from, listed, quoted, shown
from dbt_af_k8s.k8s.check import Path, check_object
from dbt_af_k8s.k8s.names import is_dns_label
from dbt_af_k8s.pods.env import is_own_variable
from dbt_af_k8s.pods.written import TargetWritten

#: The container that runs the script; Airflow's name for it.
BASE = "base"
_OBJECTS = {
    "affinity": "Affinity",
    "security_context": "SecurityContext",
    "pod_security_context": "PodSecurityContext",
}
_LISTS = {
    "topology_spread": ("TopologySpreadConstraint", None),
    "env_from": ("EnvFromSource", None),
    "volumes": ("Volume", "name"),
    "mounts": ("VolumeMount", "mountPath"),
    "init_containers": ("Container", "name"),
    "sidecars": ("Container", "name"),
}
_NAME_FIX = "Use at most 63 lower-case letters, digits and dashes, with a letter or digit at both ends."


def part_findings(target: TargetWritten) -> Iterator[Finding]:
    """What is wrong inside the parts, each by itself."""
    for key, type_name in _OBJECTS.items():
        yield from check_object(getattr(target, key), type_name, (key,))
    for key, (type_name, by) in _LISTS.items():
        seen: list[Any] = []
        for number, item in enumerate(getattr(target, key)):
            yield from check_object(item, type_name, (key, number))
            name = item.get(by) if by and isinstance(item, Mapping) else None
            if name is not None and name in seen:
                message = f"`{key}` has two entries with the `{by}` {quoted(str(name))}."
                yield Finding((key, number), "wrong", message, "Rename or remove one of them.")
            seen.append(name)
    yield from _fragment(target.pod)


def _fragment(pod: Mapping[str, Any]) -> Iterator[Finding]:
    """`pod` holds `metadata` and `spec`, and nothing that Airflow or the run sets anyway."""
    if not pod:
        return
    known = {"apiVersion": "v1", "kind": "Pod", "metadata": None, "spec": None}
    for key, value in pod.items():
        if key not in known:
            message = f"The key {quoted(str(key))} is not known: a pod has `metadata` and `spec`."
            yield Finding(("pod", str(key)), "unknown", message, choose_from(str(key), known))
        elif known[key] is not None and value != known[key]:
            message = f"`pod.{key}` must be `{known[key]}`, found {shown(value)}."
            yield Finding(("pod", key), "wrong", message, f"Remove it, or write `{known[key]}`.")
    metadata, spec = pod.get("metadata"), pod.get("spec")
    if metadata is not None:
        yield from check_object(metadata, "ObjectMeta", ("pod", "metadata"))
    if spec is not None:
        yield from check_object(spec, "PodSpec", ("pod", "spec"))
    for key, why in (("name", "names the pod after its task"), ("generateName", "names the pod after its task")):
        if isinstance(metadata, Mapping) and metadata.get(key) is not None:
            message = f"`pod.metadata.{key}` has no place: the run {why}."
            yield Finding(("pod", "metadata", key), "wrong", message, "Remove it.")
    if isinstance(metadata, Mapping) and metadata.get("namespace") is not None:
        message = "`pod.metadata.namespace` has no place beside the key `namespace`."
        yield Finding(("pod", "metadata", "namespace"), "wrong", message, "Write `namespace` in the target.")
    if not isinstance(spec, Mapping):
        return
    if spec.get("restartPolicy") not in (None, "Never"):
        message = "`pod.spec.restartPolicy` must be `Never`: Airflow makes a new pod for a new try."
        yield Finding(("pod", "spec", "restartPolicy"), "wrong", message, "Remove it; retries belong to the task.")
    containers = spec.get("containers")
    for number, container in enumerate(containers if isinstance(containers, list | tuple) else ()):
        if isinstance(container, Mapping) and container.get("name") == BASE:
            yield from _base_fragment(container, ("pod", "spec", "containers", number))


def _base_fragment(container: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    if container.get("args") is not None:
        message = f"The `args` of the container `{BASE}` start the script."
        fix = "Remove them; to wrap the script write `command`, which gets them as its arguments."
        yield Finding((*path, "args"), "wrong", message, fix)
    env = container.get("env")
    for number, variable in enumerate(env if isinstance(env, list | tuple) else ()):
        name = variable.get("name") if isinstance(variable, Mapping) else None
        if isinstance(name, str) and is_own_variable(name):
            message = f"The variable `{name}` is filled by the run itself."
            yield Finding((*path, "env", number), "wrong", message, "Give yours another name.")


def pod_findings(pod: Mapping[str, Any], *, log_containers: tuple[str, ...]) -> Iterator[Finding]:
    """What does not fit together in the whole pod: names, and mounts of volumes that are not there."""
    spec = pod["spec"]
    volumes = [volume["name"] for volume in spec.get("volumes", ())]
    for volume in spec.get("volumes", ()):
        yield from _volume(volume)
    for name in _repeated(volumes):
        message = f"Two volumes of the pod are called {quoted(name)}."
        yield Finding(
            ("volumes",), "wrong", message, "Rename yours; names with `dbt-af-` and `aws-iam-token` are ours."
        )
    containers = [*spec["containers"], *spec.get("initContainers", ())]
    names = [container["name"] for container in containers]
    for name in _repeated(names):
        message = f"Two containers of the pod are called {quoted(name)}."
        yield Finding((), "wrong", message, f"Rename one; the script's own container is `{BASE}`.")
    for container in containers:
        yield from _container(container, volumes)
    for number, name in enumerate(log_containers):
        if name not in names:
            message = f"`log_containers` names {quoted(name)}, which the pod does not have."
            yield Finding(("log_containers", number), "unknown", message, choose_from(name, names))


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _volume(volume: Mapping[str, Any]) -> Iterator[Finding]:
    name = volume["name"]
    if not is_dns_label(name):
        yield Finding(("volumes",), "wrong", f"A volume cannot be called {quoted(name)}.", _NAME_FIX)
    kinds = [key for key, value in volume.items() if key != "name" and value is not None]
    if len(kinds) != 1:
        told = f"is of {len(kinds)} kinds: {listed(kinds)}" if kinds else "is of no kind"
        fix = "Write one of `emptyDir`, `configMap`, `secret`, `persistentVolumeClaim`, or another of Kubernetes."
        yield Finding(("volumes",), "wrong", f"The volume {quoted(name)} {told}.", fix)


def _container(container: Mapping[str, Any], volumes: list[str]) -> Iterator[Finding]:
    name = container["name"]
    if not is_dns_label(name):
        yield Finding((), "wrong", f"A container cannot be called {quoted(name)}.", _NAME_FIX)
    if not container.get("image"):
        yield Finding((), "missing", f"The container {quoted(name)} has no `image`.", "Give it one.")
    for path in _repeated([mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts", ())]):
        message = f"The container {quoted(name)} mounts two volumes at {quoted(path)}."
        yield Finding(("mounts",), "wrong", message, "Mount one of them elsewhere.")
    for mount in container.get("volumeMounts", ()):
        if mount["name"] not in volumes:
            message = f"The container {quoted(name)} mounts a volume that is not there: {quoted(mount['name'])}."
            yield Finding(("mounts",), "unknown", message, choose_from(mount["name"], volumes))
