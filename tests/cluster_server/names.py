"""The rules of names, labels and annotations.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

import re
from collections.abc import Mapping
from typing import Any

from cluster_server.kinds import Kind

Problems = list[tuple[str, str]]

SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_QUALIFIED = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
_VARIABLE = re.compile(r"^[^=]+$")
_WRONG_NAME = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
_WRONG_LABEL = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"
_WRONG_VALUE = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
#: Most bytes of all annotations of an object.
_ANNOTATIONS = 256 * 1024
#: Kinds of RBAC have looser names.
_LOOSE = "rbac.authorization.k8s.io"


def metadata_problems(kind: Kind, metadata: Mapping[str, Any]) -> Problems:
    """What is wrong with an object's metadata, as pairs of field and message."""
    found: Problems = []
    name = metadata.get("name") or ""
    if not name and not metadata.get("generateName"):
        found.append(("metadata.name", "Required value: name or generateName is required"))
    elif kind.group == _LOOSE:
        if "/" in name or "%" in name:
            found.append(("metadata.name", f"Invalid value: \"{name}\": may not contain '/'"))
    elif name:
        longest, rule, why = (63, LABEL, _WRONG_LABEL) if kind.name == "Namespace" else (253, SUBDOMAIN, _WRONG_NAME)
        if len(name) > longest or not rule.match(name):
            told = f"must be no more than {longest} bytes" if len(name) > longest else why
            found.append(("metadata.name", f'Invalid value: "{name}": {told}'))
    elif not SUBDOMAIN.match(f"{metadata['generateName'][:58]}a"):
        found.append(("metadata.generateName", f'Invalid value: "{metadata["generateName"]}": {_WRONG_NAME}'))
    for key, value in (metadata.get("labels") or {}).items():
        found.extend(_key_problems("metadata.labels", key))
        if len(value) > 63 or (value and not _QUALIFIED.match(value)):
            told = "must be no more than 63 bytes" if len(value) > 63 else _WRONG_VALUE
            found.append(("metadata.labels", f'Invalid value: "{value}": {told}'))
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        found.extend(_key_problems("metadata.annotations", key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS:
        found.append(("metadata.annotations", f"Too long: may not be more than {_ANNOTATIONS} bytes"))
    for number, owner in enumerate(metadata.get("ownerReferences") or ()):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                found.append((f"metadata.ownerReferences[{number}].{field}", "Required value: must not be empty"))
    return found


def _key_problems(field: str, key: str) -> Problems:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not SUBDOMAIN.match(prefix)):
        return [(field, f'Invalid value: "{key}": prefix part {_WRONG_NAME}')]
    if len(name) > 63 or not _QUALIFIED.match(name):
        return [(field, f"Invalid value: \"{key}\": name part must be at most 63 alphanumerics, '-', '_' or '.'")]
    return []


def variable_problems(field: str, name: str) -> Problems:
    """What is wrong with the name of an environment variable; relaxed since Kubernetes 1.30."""
    if not name:
        return [(field, "Required value")]
    if not _VARIABLE.match(name) or not name.isprintable() or not name.isascii():
        return [
            (field, f'Invalid value: "{name}": a valid environment variable name must be printable ASCII but no "="')
        ]
    return []
