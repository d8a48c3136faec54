"""Whatever the bytes are: a manifest, or issues. Never another exception."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from properties import examples

from dbt_af_k8s.errors import Issue, ProjectError
from dbt_af_k8s.manifest.parse import parse_manifest
from dbt_af_k8s.manifest.values import Manifest

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below))
FEW = settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])


def whole() -> dict[str, Any]:
    entry = {
        "unique_id": "model.shop.orders",
        "resource_type": "model",
        "name": "orders",
        "package_name": "shop",
        "path": "sales/orders.sql",
        "original_file_path": "models/sales/orders.sql",
        "fqn": ["shop", "sales", "orders"],
        "version": 2,
        "tags": ["a"],
        "meta": {"a": 1},
        "config": {"meta": {"b": [1, {}]}, "enabled": True, "materialized": "table", "freshness": {"a": 1}},
        "depends_on": {"nodes": ["model.shop.a"]},
        "patch_path": "shop://models/a.yml",
        "owner": {"name": "ann", "email": ["a@b.example"]},
    }
    return {
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.0",
            "project_name": "shop",
            "project_id": "x",
        },
        "nodes": {"model.shop.orders": dict(entry)},
        "sources": {"source.shop.raw.o": {**entry, "unique_id": "source.shop.raw.o"}},
        "exposures": {"exposure.shop.e": {**entry, "unique_id": "exposure.shop.e"}},
        "groups": {"group.shop.g": dict(entry)},
        "metrics": {"metric.shop.m": dict(entry)},
        "disabled": {"model.shop.off": [dict(entry)]},
    }


def read(data: bytes) -> None:
    try:
        issues = parsed(data)
    except ProjectError as failed:
        issues = failed.issues or ()
        found = len(issues)
    else:
        found = 1
    assert found > 0, "an error without an issue"
    assert all(issue.fix and issue.message and "\n" not in issue.message for issue in issues)


def parsed(data: bytes) -> tuple[Issue, ...]:
    manifest = parse_manifest(data, file="manifest.json")
    assert isinstance(manifest, Manifest)
    assert list(manifest.nodes) == sorted(manifest.nodes)
    return manifest.issues


@FEW
@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    read(data)


@FEW
@given(st.data())
def test_a_manifest_with_broken_bytes(data: st.DataObject) -> None:
    good = json.dumps(whole()).encode()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    read(good[:start] + data.draw(st.binary(max_size=10)) + good[end:])


@FEW
@given(st.data())
def test_a_manifest_with_a_strange_value_somewhere(data: st.DataObject) -> None:
    tree = whole()
    here: Any = tree
    while True:
        key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        below = here[key]
        if not below or not isinstance(below, dict | list) or data.draw(st.booleans()):
            break
        here = below
    here[key] = data.draw(VALUES)
    read(json.dumps(tree).encode())


def test_the_manifest_that_is_broken_here_is_a_good_one() -> None:
    assert len(parse_manifest(json.dumps(whole()).encode(), file="m.json").nodes) == 1
