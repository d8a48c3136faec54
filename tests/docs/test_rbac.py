"""The files with permissions are what Kubernetes takes, and give what the library needs and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes_schemas import VERSIONS, schema_errors
from pages import DOCS

FILES = sorted((DOCS / "how-to" / "rbac").glob("*.yaml"))


def objects(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCS / "how-to" / "rbac" / name).read_text(encoding="utf-8")))


def granted(name: str) -> Iterator[tuple[str, str, str]]:
    for thing in objects(name):
        for rule in thing.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    yield from ((verb, group, resource) for verb in rule["verbs"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_published_schemas_take_them(file: Any, version: str) -> None:
    assert [schema_errors(thing, version) for thing in objects(file.name)] == [[]] * len(objects(file.name))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_bindings_name_roles_that_are_there(file: Any) -> None:
    roles = {
        (thing["metadata"]["namespace"], thing["metadata"]["name"])
        for thing in objects(file.name)
        if thing["kind"] == "Role"
    }
    bound = {
        (thing["metadata"]["namespace"], thing["roleRef"]["name"])
        for thing in objects(file.name)
        if thing["kind"] == "RoleBinding"
    }
    assert roles == bound


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_none_gives_more_than_is_needed(file: Any) -> None:
    for verb, group, resource in granted(file.name):
        assert "*" not in (verb, group, resource)
        assert resource not in ("secrets", "nodes", "namespaces", "roles", "rolebindings", "serviceaccounts")
        assert verb not in ("deletecollection", "escalate", "bind", "impersonate")
    assert not [thing for thing in objects(file.name) if thing["kind"].startswith("Cluster")]
