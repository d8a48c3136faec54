"""The published Kubernetes schemas, from the package that ships them."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

FOLDER = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
#: Oldest version that is supported, and the newest that is published.
OLDEST = "1.30"
NEWEST = "1.37"
VERSIONS = (OLDEST, NEWEST)
#: Names of schema files that hold the API group, too.
_FILES = {"job": "job-batch", "role": "role-rbac", "rolebinding": "rolebinding-rbac", "clusterrole": "clusterrole-rbac"}


@cache
def _read(version: str, name: str) -> Mapping[str, Any]:
    return json.loads((FOLDER / f"v{version}.0-local-strict" / name).read_text(encoding="utf-8"))


def definitions(version: str) -> Mapping[str, Any]:
    """Every type of that version by its full name."""
    return _read(version, "_definitions.json")["$defs"]


@cache
def _validator(version: str, kind: str) -> Draft202012Validator:
    schema = _read(version, f"{_FILES.get(kind, kind)}-v1.json")
    registry = Resource.from_contents(_read(version, "_definitions.json")) @ Registry()
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ registry)


def schema_errors(thing: Mapping[str, Any], version: str = NEWEST) -> list[str]:
    """What the strict schema of its kind has against it; unknown fields are errors. No null passes, as in our YAML."""
    kind = str(thing["kind"]).lower()
    found = [f"{error.json_path}: {error.message[:200]}" for error in _validator(version, kind).iter_errors(thing)]
    stack: list[tuple[str, Any]] = [("$", thing)]
    while stack:
        place, value = stack.pop()
        if value is None:
            found.append(f"{place}: null")
        elif isinstance(value, dict):
            stack.extend((f"{place}.{key}", below) for key, below in value.items())
        elif isinstance(value, list):
            stack.extend((f"{place}[{number}]", below) for number, below in enumerate(value))
    return found
