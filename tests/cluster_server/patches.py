"""The three kinds of patch: RFC 6902, RFC 7386, and Kubernetes' strategic merge.

The strategic merge knows the lists that clients of pods and jobs patch by name; other lists are replaced, as where the
published types name no merge key. Source:
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

import copy
from typing import Any

from cluster_server.answers import Refused

#: Key by which the items of a list are matched, by the name of the field that holds the list.
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "ownerReferences": "uid",
    "conditions": "type",
    "imagePullSecrets": "name",
    "secrets": "name",
    "hostAliases": "ip",
}


def patched(thing: dict[str, Any], patch: Any, content_type: str) -> dict[str, Any]:
    """The object after a patch. 400 for a patch that cannot be, 415 for a type that is none."""
    kind = content_type.split(";")[0].strip()
    if kind == "application/json-patch+json":
        if not isinstance(patch, list):
            raise Refused(400, "json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        return json_patched(thing, patch)
    if not isinstance(patch, dict):
        raise Refused(400, "json: cannot unmarshal array into Go value of type map[string]interface {}")
    if kind == "application/merge-patch+json":
        return merge_patched(thing, patch)
    if kind == "application/strategic-merge-patch+json":
        return strategic_patched(thing, patch)
    known = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
    raise Refused(415, f"the body of the request was in an unknown format - accepted media types include: {known}")


def merge_patched(thing: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    made = dict(thing) if isinstance(thing, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merge_patched(made.get(key), value)
    return made


def strategic_patched(thing: Any, patch: dict[str, Any]) -> dict[str, Any]:
    """Mappings by key, the lists of `MERGE_KEYS` by theirs, all else replaced."""
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    made = dict(thing) if isinstance(thing, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            made.pop(key, None)
        elif isinstance(value, dict):
            made[key] = strategic_patched(made.get(key), value)
        elif isinstance(value, list) and key in MERGE_KEYS:
            made[key] = _merged_lists(made.get(key) or [], value, MERGE_KEYS[key])
        else:
            made[key] = copy.deepcopy(value)
    return made


def _merged_lists(old: list[Any], patch: list[Any], by: str) -> list[Any]:
    items = {item.get(by): item for item in old}
    for item in patch:
        if by not in item:
            raise Refused(400, f"map: {item} does not contain declared merge key: {by}")
        if item.get("$patch") == "delete":
            items.pop(item[by], None)
        else:
            items[item[by]] = strategic_patched(items.get(item[by]), item)
    return list(items.values())


def json_patched(thing: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """RFC 6902: add, remove, replace and test."""
    made = copy.deepcopy(thing)
    for step in steps:
        path = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        place: Any = made
        try:
            for part in path[:-1]:
                place = place[int(part)] if isinstance(place, list) else place[part]
            _step(place, path[-1], step)
        except (KeyError, IndexError, ValueError, TypeError):
            why = f"the server rejected our request due to an error in our request: {step['path']} is not there"
            raise Refused(422, why, reason="Invalid") from None
    return made


def _step(place: Any, key: str, step: dict[str, Any]) -> None:
    what = step.get("op")
    if what == "add" and isinstance(place, list):
        place.insert(len(place) if key == "-" else int(key), step["value"])
    elif what == "add":
        place[key] = step["value"]
    elif what == "replace":
        index = int(key) if isinstance(place, list) else key
        place[index]
        place[index] = step["value"]
    elif what == "remove":
        del place[int(key) if isinstance(place, list) else key]
    elif what == "test":
        if (place[int(key)] if isinstance(place, list) else place[key]) != step["value"]:
            raise KeyError(key)
    else:
        raise Refused(400, f"unexpected operation {what!r}")
