"""Objects against the published schemas, strictly: an unknown field is refused, as with `fieldValidation=Strict`."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from cluster_server.answers import Refused
from cluster_server.kinds import Kind
from jsonschema import Draft202012Validator
from kubernetes_schemas import NEWEST, definitions
from referencing import Registry, Resource

_PACKAGES = {
    "": "core",
    "batch": "batch",
    "rbac.authorization.k8s.io": "rbac",
    "storage.k8s.io": "storage",
    "scheduling.k8s.io": "scheduling",
    "node.k8s.io": "node",
}


@cache
def _registry(version: str) -> Registry[Any]:
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": definitions(version)}
    return Registry().with_resource("/api/_definitions.json", Resource.from_contents(whole))


@cache
def _validator(version: str, name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"/api/_definitions.json#/$defs/{name}"}, registry=_registry(version))


def without_nulls(value: Any) -> Any:
    """The same without keys that are null, which the server takes as not given."""
    if isinstance(value, Mapping):
        return {key: without_nulls(below) for key, below in value.items() if below is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def check_schema(kind: Kind, thing: Mapping[str, Any], version: str = NEWEST) -> None:
    """400 with every field that the schema does not know or that has another type."""
    name = f"io.k8s.api.{_PACKAGES[kind.group]}.{kind.version}.{kind.name}"
    problems = []
    for error in _validator(version, name).iter_errors(thing):
        place = error.json_path.removeprefix("$").removeprefix(".")
        if error.validator == "additionalProperties":
            unknown = re.findall(r"'([^']+)'", error.message)[:-1] or re.findall(r"'([^']+)'", error.message)
            problems.extend(f'unknown field "{f"{place}.{key}" if place else key}"' for key in unknown)
        else:
            problems.append(f"{place}: {error.message[:200]}")
    if problems:
        told = ", ".join(problems)
        raise Refused(400, f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: {told}')
