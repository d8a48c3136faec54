"""What a pod must be beyond its schema, and the values that the server fills in.

The rules are those that clients meet; Kubernetes has more. Source:
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from cluster_server.names import LABEL, Problems, variable_problems
from cluster_server.quantities import amount

_SOURCES = ("configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef")
_EFFECTS = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")
#: Fields of a pod's spec that may change after it was made.
CHANGEABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")


def fill_pod(spec: dict[str, Any], *, restart: str = "Always") -> None:
    """Set the defaults of a pod's spec."""
    defaults = {
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "enableServiceLinks": True,
    }
    for key, value in defaults.items():
        spec.setdefault(key, value)
    for _, container in containers_of(spec):
        image = str(container.get("image") or "")
        tag = image.rpartition("/")[2].partition(":")[2]
        container.setdefault(
            "imagePullPolicy", "Always" if tag in ("", "latest") and "@" not in image else "IfNotPresent"
        )
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        resources = container.setdefault("resources", {})
        for name, value in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, value)
        for variable in container.get("env") or ():
            if "fieldRef" in (variable.get("valueFrom") or {}):
                variable["valueFrom"]["fieldRef"].setdefault("apiVersion", "v1")
    for volume in spec.get("volumes") or ():
        for kind in ("configMap", "secret", "projected"):
            if kind in volume:
                volume[kind].setdefault("defaultMode", 420)
        if len(volume) == 1:
            volume["emptyDir"] = {}


def containers_of(spec: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every container with its place, those of the start first."""
    for key in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(key) or ()):
            yield f"{key}[{number}]", container


def pod_problems(spec: Mapping[str, Any], at: str = "spec") -> Problems:
    """What is wrong with a pod's spec, as pairs of field and message."""
    found: Problems = []
    if not spec.get("containers"):
        found.append((f"{at}.containers", "Required value"))
    volumes: list[str] = []
    for number, volume in enumerate(spec.get("volumes") or ()):
        place, name = f"{at}.volumes[{number}]", volume.get("name") or ""
        found.extend(_name_problems(f"{place}.name", name, volumes))
        volumes.append(name)
        if len(volume) > 2:
            found.append((place, "Forbidden: may not specify more than 1 volume type"))
    seen: list[str] = []
    for where, container in containers_of(spec):
        found.extend(_name_problems(f"{at}.{where}.name", container.get("name") or "", seen))
        seen.append(container.get("name") or "")
        found.extend(_container_problems(container, f"{at}.{where}", volumes))
        if where.startswith("containers") and "restartPolicy" in container:
            found.append((f"{at}.{where}.restartPolicy", "Forbidden: may not be set for non-init containers"))
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        found.append((f"{at}.restartPolicy", f'Unsupported value: "{spec.get("restartPolicy")}"'))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and deadline < 1:
        found.append((f"{at}.activeDeadlineSeconds", f"Invalid value: {deadline}: must be between 1 and 2147483647"))
    for number, toleration in enumerate(spec.get("tolerations") or ()):
        found.extend(_toleration_problems(toleration, f"{at}.tolerations[{number}]"))
    return found


def change_problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> Problems:
    """What an update of a pod's spec may not do."""

    def fixed(spec: Mapping[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in spec.items() if key not in CHANGEABLE}
        for key in ("containers", "initContainers"):
            if key in kept:
                kept[key] = [{**container, "image": ""} for container in kept[key]]
        return kept

    if fixed(old) == fixed(new):
        return []
    told = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, "
    return [("spec", f"{told}`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations`")]


def _name_problems(field: str, name: str, taken: list[str]) -> Problems:
    if not name:
        return [(field, "Required value")]
    if len(name) > 63 or not LABEL.match(name):
        return [
            (field, f'Invalid value: "{name}": a lowercase RFC 1123 label must consist of lower case alphanumerics')
        ]
    return [(field, f'Duplicate value: "{name}"')] if name in taken else []


def _container_problems(container: Mapping[str, Any], at: str, volumes: list[str]) -> Problems:
    found: Problems = []
    if not container.get("image"):
        found.append((f"{at}.image", "Required value"))
    if container.get("imagePullPolicy") not in ("Always", "IfNotPresent", "Never"):
        found.append((f"{at}.imagePullPolicy", f'Unsupported value: "{container.get("imagePullPolicy")}"'))
    for number, variable in enumerate(container.get("env") or ()):
        place, source = f"{at}.env[{number}]", variable.get("valueFrom")
        found.extend(variable_problems(f"{place}.name", variable.get("name") or ""))
        if source is not None:
            if len([key for key in _SOURCES if key in source]) != 1:
                found.append((f"{place}.valueFrom", 'Invalid value: "": may not have more than one field specified'))
            if variable.get("value"):
                found.append((f"{place}.valueFrom", "Invalid value: may not be specified when `value` is not empty"))
    paths: list[str] = []
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        place = f"{at}.volumeMounts[{number}]"
        if mount.get("name") not in volumes:
            found.append((f"{place}.name", f'Not found: "{mount.get("name")}"'))
        if mount.get("mountPath") in paths:
            found.append((f"{place}.mountPath", f'Invalid value: "{mount["mountPath"]}": must be unique'))
        paths.append(mount.get("mountPath"))
        if mount.get("subPath", "").startswith("/") or ".." in mount.get("subPath", "").split("/"):
            found.append((f"{place}.subPath", f'Invalid value: "{mount["subPath"]}": must be a relative path'))
    return [*found, *_resource_problems(container.get("resources") or {}, f"{at}.resources")]


def _resource_problems(resources: Mapping[str, Any], at: str) -> Problems:
    found: Problems = []
    amounts: dict[tuple[str, str], Decimal] = {}
    for part in ("limits", "requests"):
        for name, value in (resources.get(part) or {}).items():
            try:
                amounts[part, name] = amount(value)
            except ValueError:
                found.append(
                    (f"{at}.{part}[{name}]", f'Invalid value: "{value}": quantities must match the regular form')
                )
                continue
            if amounts[part, name] < 0:
                found.append((f"{at}.{part}[{name}]", f'Invalid value: "{value}": must be greater than or equal to 0'))
    for (part, name), value in amounts.items():
        limit = amounts.get(("limits", name))
        if part == "requests" and limit is not None and value > limit:
            told = f"must be less than or equal to {name} limit of {resources['limits'][name]}"
            found.append((f"{at}.requests", f'Invalid value: "{resources["requests"][name]}": {told}'))
        if part == "requests" and "/" in name and limit != value:
            found.append(
                (f"{at}.limits", f"Required value: Limit must be set for non overcommitable resources: {name}")
            )
    return found


def _toleration_problems(toleration: Mapping[str, Any], at: str) -> Problems:
    found: Problems = []
    operator = toleration.get("operator") or "Equal"
    if not toleration.get("key") and operator != "Exists":
        found.append((f"{at}.operator", f'Invalid value: "{operator}": operator must be Exists when `key` is empty'))
    if operator == "Exists" and toleration.get("value"):
        found.append(
            (f"{at}.operator", f"Invalid value: \"{operator}\": value must be empty when `operator` is 'Exists'")
        )
    if operator not in ("Exists", "Equal", "Lt", "Gt"):
        found.append((f"{at}.operator", f'Unsupported value: "{operator}"'))
    effect = toleration.get("effect") or ""
    if effect not in _EFFECTS:
        found.append((f"{at}.effect", f'Unsupported value: "{effect}"'))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        found.append(
            (f"{at}.effect", f"Invalid value: \"{effect}\": effect must be 'NoExecute' with `tolerationSeconds`")
        )
    return found
