"""The environment of a container: its image's, the services', ConfigMaps and Secrets, the pod's own fields.

Source: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
"""

import base64
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster_server.kinds import CONFIG_MAP, SECRET
from cluster_server.names import variable_problems
from cluster_server.quantities import amount, in_units_of
from cluster_server.store import Store

_EXPANSION = re.compile(r"\$\$|\$\(([^)$]*)\)")
_KEYED = re.compile(r"^metadata\.(?P<part>labels|annotations)\['(?P<key>[^']+)'\]$")


class ConfigError(Exception):
    """A container cannot be made: something that its environment names is not there."""


def image_env(home: Path) -> dict[str, str]:
    """What every image has here: this Python first on the path, and next to nothing of this process's environment."""
    return {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin")),
        "HOME": str(home),
        "LANG": "C.UTF-8",
    }


def expanded(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` of a known variable replaced, `$$` halved."""
    return _EXPANSION.sub(lambda found: "$" if found[0] == "$$" else known.get(found[1], found[0]), text)


def container_env(store: Store, pod: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, str]:
    """The variables that the pod gives a container. ConfigError for a reference to nothing."""
    env: dict[str, str] = {}
    namespace = pod["metadata"]["namespace"]
    for source in container.get("envFrom") or ():
        for key, value in _whole(store, namespace, source).items():
            name = f"{source.get('prefix', '')}{key}"
            if not variable_problems("", name):
                env[name] = value
    for variable in container.get("env") or ():
        name = variable["name"]
        if "valueFrom" in variable:
            value = _value_from(store, pod, container, variable["valueFrom"])
            if value is not None:
                env[name] = value
        else:
            env[name] = expanded(str(variable.get("value") or ""), env)
    return env


def _whole(store: Store, namespace: str, source: Mapping[str, Any]) -> dict[str, str]:
    key, kind = ("configMapRef", CONFIG_MAP) if "configMapRef" in source else ("secretRef", SECRET)
    found = store.find(kind, namespace, source[key]["name"])
    if found is None:
        if source[key].get("optional"):
            return {}
        raise ConfigError(f'{kind.name.lower()} "{source[key]["name"]}" not found')
    return data_of(found)


def data_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a ConfigMap or Secret."""
    data = thing.get("data") or {}
    if thing["kind"] == "Secret":
        return {key: base64.b64decode(value).decode() for key, value in sorted(data.items())}
    return dict(sorted(data.items()))


def _value_from(store: Store, pod: Mapping[str, Any], container: Mapping[str, Any], source: Mapping[str, Any]) -> Any:
    if "fieldRef" in source:
        return pod_field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource_field(pod, container, source["resourceFieldRef"])
    key, kind = ("configMapKeyRef", CONFIG_MAP) if "configMapKeyRef" in source else ("secretKeyRef", SECRET)
    wanted = source[key]
    found = store.find(kind, pod["metadata"]["namespace"], wanted["name"])
    if found is None:
        if wanted.get("optional"):
            return None
        raise ConfigError(f'{kind.name.lower()} "{wanted["name"]}" not found')
    data = data_of(found)
    if wanted["key"] not in data and not wanted.get("optional"):
        where = f"{pod['metadata']['namespace']}/{wanted['name']}"
        raise ConfigError(f"couldn't find key {wanted['key']} in {kind.name} {where}")
    return data.get(wanted["key"])


def pod_field(pod: Mapping[str, Any], path: str) -> str:
    """A field of the pod as text. ConfigError for one that containers may not ask for."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    if keyed := _KEYED.match(path):
        return str((metadata.get(keyed["part"]) or {}).get(keyed["key"], ""))
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
        "metadata.labels": "\n".join(
            f'{key}="{value}"' for key, value in sorted((metadata.get("labels") or {}).items())
        ),
        "metadata.annotations": "\n".join(
            f'{key}="{value}"' for key, value in sorted((metadata.get("annotations") or {}).items())
        ),
    }
    if path not in known:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(known[path])


def resource_field(pod: Mapping[str, Any], container: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """A request or limit in units of the divisor; without a limit it is all that the node has."""
    name = wanted.get("containerName") or container["name"]
    everyone = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
    other = next((each for each in everyone if each["name"] == name), container)
    part, _, resource = wanted["resource"].partition(".")
    value = ((other.get("resources") or {}).get(part) or {}).get(resource)
    if value is None:
        value = {"cpu": "8", "memory": "32Gi"}.get(resource, "0") if part == "limits" else "0"
    divisor = wanted.get("divisor") or "1"
    return in_units_of(value, divisor if amount(divisor) else "1")
