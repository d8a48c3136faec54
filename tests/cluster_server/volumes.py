"""The volumes of a pod as folders of this machine."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster_server.environment import pod_field, resource_field
from cluster_server.kinds import CLAIM, CONFIG_MAP, SECRET
from cluster_server.store import Store

#: What stands for a token of a service account; the server makes the real ones.
Tokens = Any


class MountError(Exception):
    """A volume cannot be mounted: what it names is not there."""


def make_volumes(store: Store, pod: Mapping[str, Any], home: Path, disks: Path, tokens: Tokens) -> dict[str, Path]:
    """Make every volume; its folder by the volume's name. MountError for one that cannot be.

    `disks` is where claims keep their data. A volume of a kind that needs a real machine is an empty folder.
    """
    made = {}
    for volume in pod["spec"].get("volumes") or ():
        folder = home / "volumes" / volume["name"]
        if "persistentVolumeClaim" in volume:
            name = volume["persistentVolumeClaim"]["claimName"]
            if store.find(CLAIM, pod["metadata"]["namespace"], name) is None:
                raise MountError(f'persistentvolumeclaim "{name}" not found')
            folder = disks / pod["metadata"]["namespace"] / name
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in _files(store, pod, volume, tokens).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        made[volume["name"]] = folder
    return made


def _files(store: Store, pod: Mapping[str, Any], volume: Mapping[str, Any], tokens: Tokens) -> dict[str, bytes]:
    if "configMap" in volume:
        return _keyed(store, pod, CONFIG_MAP, volume["configMap"], volume["configMap"]["name"])
    if "secret" in volume:
        return _keyed(store, pod, SECRET, volume["secret"], volume["secret"]["secretName"])
    if "downwardAPI" in volume:
        return _downward(pod, volume["downwardAPI"])
    found: dict[str, bytes] = {}
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "configMap" in source:
            found |= _keyed(store, pod, CONFIG_MAP, source["configMap"], source["configMap"]["name"])
        elif "secret" in source:
            found |= _keyed(store, pod, SECRET, source["secret"], source["secret"]["name"])
        elif "downwardAPI" in source:
            found |= _downward(pod, source["downwardAPI"])
        elif "serviceAccountToken" in source:
            account = (pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default"))
            found[source["serviceAccountToken"]["path"]] = tokens(*account).encode()
    return found


def _keyed(store: Store, pod: Mapping[str, Any], kind: Any, source: Mapping[str, Any], name: str) -> dict[str, bytes]:
    thing = store.find(kind, pod["metadata"]["namespace"], name)
    if thing is None:
        if source.get("optional"):
            return {}
        raise MountError(f'{kind.name.lower()} "{name}" not found')
    data = {key: value.encode() for key, value in (thing.get("data") or {}).items()}
    if kind is SECRET:
        data = {key: base64.b64decode(value) for key, value in data.items()}
    data |= {key: base64.b64decode(value) for key, value in (thing.get("binaryData") or {}).items()}
    if not source.get("items"):
        return data
    missing = [item["key"] for item in source["items"] if item["key"] not in data]
    if missing and not source.get("optional"):
        raise MountError(f"references non-existent {kind.name.lower()} key: {missing[0]}")
    return {item["path"]: data[item["key"]] for item in source["items"] if item["key"] in data}


def _downward(pod: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, bytes]:
    found = {}
    for item in source.get("items") or ():
        if "fieldRef" in item:
            value = pod_field(pod, item["fieldRef"]["fieldPath"])
        else:
            value = resource_field(pod, pod["spec"]["containers"][0], item["resourceFieldRef"])
        found[item["path"]] = value.encode()
    return found
