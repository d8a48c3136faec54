"""What the server tells of itself: its version, groups and resources, and as much of OpenAPI as kubectl asks for."""

from typing import Any

from cluster_server.answers import Refused
from cluster_server.kinds import KINDS, Kind, resource_list
from kubernetes_schemas import NEWEST

_MAJOR, _MINOR = NEWEST.split(".")
VERSION = {
    "major": _MAJOR,
    "minor": _MINOR,
    "gitVersion": f"v{NEWEST}.0+stand-in",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}
_GROUPS = tuple(sorted({kind.group for kind in KINDS if kind.group}))


def described(path: str) -> Any:
    """What stands at a path that describes the server; None for a path of objects. 404 for a group that is not here."""
    parts = tuple(part for part in path.split("/") if part)
    if parts[:2] == ("openapi", "v3"):
        return _openapi("/".join(parts[2:]))
    if parts[:1] not in (("api",), ("apis",)) or len(parts) > (2 if parts[0] == "api" else 3):
        return None
    if parts == ("api",):
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ("apis",):
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _GROUPS]}
    if parts[0] == "apis" and len(parts) == 2:
        found: Any = {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])} if parts[1] in _GROUPS else None
    else:
        found = resource_list("", parts[1]) if parts[0] == "api" else resource_list(parts[1], parts[2])
    if found is None:
        raise Refused(404, "the server could not find the requested resource")
    return found


def _group(name: str) -> dict[str, Any]:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _openapi(place: str) -> Any:
    """kubectl asks whether the server itself checks fields, and then leaves that to it."""
    places = {(f"apis/{kind.api_version}" if kind.group else "api/v1"): kind.api_version for kind in KINDS}
    if not place:
        return {"paths": {where: {"serverRelativeURL": f"/openapi/v3/{where}"} for where in places}}
    if place not in places:
        raise Refused(404, "the server could not find the requested resource")
    here = [kind for kind in KINDS if kind.api_version == places[place]]
    paths = {
        f"/{place}/{'namespaces/{namespace}/' * kind.namespaced}{kind.plural}/{{name}}": _operation(kind)
        for kind in here
    }
    return {"openapi": "3.0.0", "info": {"title": "stand-in", "version": NEWEST}, "paths": paths}


def _operation(kind: Kind) -> dict[str, Any]:
    parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    action = {"group": kind.group, "version": kind.version, "kind": kind.name}
    return {"patch": {"parameters": [parameter], "x-kubernetes-group-version-kind": action, "responses": {}}}
