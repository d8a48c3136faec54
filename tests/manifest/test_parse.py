"""The bytes of a manifest become values, whatever dbt version wrote them."""

import hashlib
import json
import time
from typing import Any

import pytest

from dbt_af_k8s.errors import ProjectError, Severity
from dbt_af_k8s.manifest.parse import parse_manifest
from dbt_af_k8s.manifest.problems import MOST_TOLD


@pytest.mark.parametrize("version", [10, 11, 12, 20])
def test_every_known_schema_is_read_without_a_word(manifest_of_schema: Any, version: int) -> None:
    data = manifest_of_schema(version).node("model.shop.orders").bytes()
    manifest = parse_manifest(data, file="m.json")
    assert manifest.schema_version == version
    assert manifest.issues == ()
    assert list(manifest.nodes) == ["model.shop.orders"]
    assert manifest.sha256 == hashlib.sha256(data).hexdigest()
    assert (manifest.project_name, manifest.adapter_type, manifest.dbt_version) == ("shop", "duckdb", "1.11.16")


def test_a_newer_schema_is_read_with_a_warning(manifest_of_schema: Any) -> None:
    manifest = parse_manifest(manifest_of_schema(21).node("model.shop.orders").bytes(), file="m.json")
    assert [(i.severity, i.code) for i in manifest.issues] == [(Severity.WARNING, "manifest-unknown-version")]
    assert list(manifest.nodes) == ["model.shop.orders"]


@pytest.mark.parametrize(
    ("macros", "found"),
    [
        (None, None),
        ({}, ()),
        ({"macro.dbt.statement": {"macro_sql": "{% macro statement() %}"}, "macro.shop.ttl": {}}, ()),
        ({"macro.dbt_af_k8s.vacuum": None, "macro.dbt_af_k8s.ttl": {"name": 3}, "macro.dbt.x": {}}, ("ttl", "vacuum")),
    ],
)
def test_of_all_macros_only_the_names_of_our_own_are_kept(
    manifest_json: Any, macros: dict[str, Any] | None, found: tuple[str, ...] | None
) -> None:
    document = json.loads(manifest_json.node("model.shop.orders").bytes()) | {"macros": macros}
    assert parse_manifest(json.dumps(document).encode(), file="m.json").own_macros == found
    del document["macros"]
    assert parse_manifest(json.dumps(document).encode(), file="m.json").own_macros is None


def test_an_older_schema_is_refused(manifest_of_schema: Any) -> None:
    with pytest.raises(ProjectError, match="manifest-too-old"):
        parse_manifest(manifest_of_schema(9).bytes(), file="m.json")


def test_a_node_with_everything(manifest_json: Any) -> None:
    manifest_json.node(
        "model.shop.orders.v2",
        name="orders",
        version=2,
        language="python",
        group="sales",
        tags=["nightly", "big"],
        meta={"owner": "ann", "schedule": "@daily"},
        config={"materialized": "incremental", "meta": {"schedule": "@hourly"}, "pre-hook": [{"sql": "x"}]},
        depends_on={"nodes": ["source.shop.raw.o", "model.shop.a", "source.shop.raw.o"]},
        relation_name='"db"."main"."orders_v2"',
        patch_path="shop://models/sales/_sales.yml",
        attached_node="model.shop.x",
    )
    node = parse_manifest(manifest_json.bytes(), file="m.json").nodes["model.shop.orders.v2"]
    assert (node.name, node.version, node.language, node.group) == ("orders", "2", "python", "sales")
    assert node.tags == ("nightly", "big")
    assert node.meta == {"owner": "ann", "schedule": "@hourly"}, "config.meta is over meta"
    assert node.parents == ("source.shop.raw.o", "model.shop.a")
    assert node.patch_path == "models/sales/_sales.yml"
    assert node.has_pre_hook
    assert node.attached_node == "model.shop.x"


def test_absent_and_null_fields_fall_back(manifest_json: Any) -> None:
    manifest_json.data["nodes"] = {
        "model.shop.orders": {},
        "seed.shop.countries": dict.fromkeys(
            ["resource_type", "name", "package_name", "path", "fqn", "config", "meta", "tags", "depends_on", "version"]
        ),
    }
    for part in ("sources", "exposures", "disabled"):
        manifest_json.data[part] = None
    manifest = parse_manifest(manifest_json.bytes(), file="m.json")
    orders, countries = manifest.nodes.values()
    assert (orders.resource_type, orders.package, orders.name) == ("model", "shop", "orders")
    assert (countries.resource_type, countries.fqn, countries.parents) == ("seed", ("shop", "countries"), ())
    assert (countries.config, countries.tags) == ({}, ())


def test_order_of_the_file_does_not_matter(manifest_json: Any, manifest_of_schema: Any) -> None:
    for name in ("b", "a", "c"):
        manifest_json.node(f"model.shop.{name}")
    backwards = manifest_of_schema(12)
    for name in ("c", "a", "b"):
        backwards.node(f"model.shop.{name}")
    first = parse_manifest(manifest_json.bytes(), file="m.json").nodes
    assert list(first) == ["model.shop.a", "model.shop.b", "model.shop.c"]
    assert list(first.items()) == list(parse_manifest(backwards.bytes(), file="m.json").nodes.items())


@pytest.mark.parametrize(
    ("unique_id", "fields", "path"),
    [
        ("model.shop.a", {}, "sales/eu/a.sql"),
        ("model.shop.a.v2", {"version": 2, "fqn": ["shop", "sales", "eu", "a", "v2"]}, "sales/eu/a.sql"),
        ("model.shop.a", {"fqn": ["shop", "eu", "a"]}, "eu/a.sql"),
        ("model.shop.a", {"fqn": ["shop", "a"], "path": "models/a.sql", "original_file_path": "models/a.sql"}, "a.sql"),
        ("snapshot.shop.a", {"fqn": ["shop", "eu", "file", "a"]}, "sales/eu/a.sql"),
        (
            "model.shop.a",
            {"path": "sales\\eu\\a.sql", "original_file_path": "models\\sales\\eu\\a.sql"},
            "sales/eu/a.sql",
        ),
    ],
)
def test_paths_of_fusion_and_of_windows_are_those_of_dbt_core(
    manifest_json: Any, unique_id: str, fields: dict[str, Any], path: str
) -> None:
    whole = "models/sales/eu/a.sql"
    base = {"fqn": ["shop", "sales", "eu", "a"], "path": whole, "original_file_path": whole}
    manifest_json.node(unique_id, **{**base, **fields})
    node = parse_manifest(manifest_json.bytes(), file="m.json").nodes[unique_id]
    assert node.path == path
    assert "\\" not in node.file


def test_everything_that_gets_no_task_is_among_the_others(manifest_json: Any) -> None:
    manifest_json.node("model.shop.orders").node("rpc.shop.call")
    manifest_json.data |= {
        "unit_tests": {"unit_test.shop.orders.u": {"resource_type": "unit_test", "original_file_path": "models/u.yml"}},
        "metrics": {"metric.shop.m": {}},
        "semantic_models": {"semantic_model.shop.s": {"resource_type": 7}},
        "saved_queries": {"saved_query.shop.q": {}},
        "functions": {"function.shop.f": {"original_file_path": "functions\\f.sql"}},
        "disabled": {
            "model.shop.old": [{"resource_type": "model", "original_file_path": "models/old.sql"}],
            "model.shop.orders": [{"resource_type": "model", "original_file_path": "models/twin.sql"}],
            "model.shop.empty": [],
        },
    }
    others = parse_manifest(manifest_json.bytes(), file="m.json").others
    assert {o.unique_id: (o.resource_type, o.file, o.disabled) for o in others.values()} == {
        "function.shop.f": ("function", "functions/f.sql", False),
        "metric.shop.m": ("metric", "", False),
        "model.shop.old": ("model", "models/old.sql", True),
        "rpc.shop.call": ("rpc", "rpc/sales/call.sql", False),
        "saved_query.shop.q": ("saved_query", "", False),
        "semantic_model.shop.s": ("semantic_model", "", False),
        "unit_test.shop.orders.u": ("unit_test", "models/u.yml", False),
    }
    assert list(others) == sorted(others)


@pytest.mark.parametrize("written", [False, True, None, "false", "absent"])
@pytest.mark.parametrize("kind", ["model", "test", "seed", "snapshot", "source", "exposure", "analysis"])
def test_an_entry_is_enabled_by_its_own_word(manifest_json: Any, kind: str, written: object) -> None:
    key = f"{kind}.shop.raw.x"
    entry = manifest_json.node(key).data["nodes"].pop(key)
    entry["config"] = {} if written == "absent" else {"enabled": written}
    part = {"source": "sources", "exposure": "exposures"}.get(kind, "nodes")
    manifest_json.data[part] = {key: entry}
    manifest = parse_manifest(manifest_json.bytes(), file="m.json")
    runs = {*manifest.nodes, *manifest.sources, *manifest.exposures}
    off = {other.unique_id for other in manifest.others.values() if other.disabled}
    assert (runs, off) == (set(), {key}) if written is False else ({key}, set())


def test_sources_exposures_and_groups(manifest_json: Any) -> None:
    after = {"warn_after": {"count": 1, "period": "day"}}
    manifest_json.data |= {
        "sources": {
            "source.shop.raw.orders": {"name": "orders", "source_name": "raw", "freshness": after, "meta": {"a": 1}},
            "source.shop.raw.users": {"name": "users", "config": {"freshness": after, "loaded_at_field": "at"}},
        },
        "exposures": {
            "exposure.shop.board": {"name": "board", "type": "dashboard", "depends_on": {"nodes": ["model.shop.a"]}}
        },
        "groups": {
            "group.shop.sales": {"name": "sales", "owner": {"name": "Ann", "email": "ann@shop.example"}},
            "group.shop.web": {"name": "web", "owner": {"email": ["web@shop.example"]}},
            "group.shop.none": {"name": "none", "owner": None},
        },
    }
    manifest = parse_manifest(manifest_json.bytes(), file="m.json")
    orders, users = manifest.sources.values()
    assert (orders.freshness, orders.meta, users.freshness, users.loaded_at_field) == (after, {"a": 1}, after, "at")
    assert (orders.source_name, users.source_name) == ("raw", "raw")
    assert manifest.exposures["exposure.shop.board"].parents == ("model.shop.a",)
    assert manifest.group_owners == {"sales": "Ann", "web": "web@shop.example"}


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"project_id": hashlib.md5(b"shop", usedforsecurity=False).hexdigest()}, "shop"),
        ({"project_id": "0"}, ""),
        ({"project_name": "other"}, "other"),
    ],
)
def test_the_project_is_named_even_by_old_versions(manifest_json: Any, metadata: dict[str, str], name: str) -> None:
    manifest_json.node("model.shop.orders").node("model.package.thing")
    del manifest_json.data["metadata"]["project_name"]
    manifest_json.data["metadata"] |= metadata
    assert parse_manifest(manifest_json.bytes(), file="m.json").project_name == name


def test_numbers_that_json_does_not_know_are_read(manifest_json: Any) -> None:
    text = manifest_json.node("model.shop.orders").bytes().replace(b'"meta": {}', b'"meta": {"a": NaN, "b": Infinity}')
    meta = parse_manifest(text, file="m.json").nodes["model.shop.orders"].meta
    assert meta["a"] != meta["a"]
    assert meta["b"] == float("inf")


def test_a_byte_order_mark_is_passed_over(manifest_json: Any) -> None:
    assert parse_manifest(b"\xef\xbb\xbf" + manifest_json.bytes(), file="m.json").nodes == {}


def test_all_wrong_fields_are_told_at_once_up_to_a_limit(manifest_json: Any) -> None:
    for number in range(MOST_TOLD + 7):
        manifest_json.node(f"model.shop.m{number}", depends_on="nothing")
    with pytest.raises(ProjectError) as caught:
        parse_manifest(manifest_json.bytes(), file="m.json")
    assert len(caught.value.issues) == MOST_TOLD + 1
    assert "And 7 more" in str(caught.value)
    assert {(i.node, i.key) for i in caught.value.issues if i.node} >= {("model.shop.m0", "depends_on")}


@pytest.mark.slow
def test_five_thousand_models_and_ten_thousand_tests_take_little_time(manifest_json: Any) -> None:
    columns = {f"column_{i}": {"name": f"column_{i}", "meta": {}, "config": {"tags": []}} for i in range(10)}
    for number in range(5_000):
        parents = [f"model.shop.m{p}" for p in range(max(0, number - 3), number)]
        manifest_json.node(
            f"model.shop.m{number}", depends_on={"nodes": parents}, columns=columns, raw_code="select 1\n" * 50
        )
        manifest_json.node(f"test.shop.t{number}", depends_on={"nodes": [f"model.shop.m{number}"]}, columns=columns)
        manifest_json.node(f"test.shop.u{number}", depends_on={"nodes": [f"model.shop.m{number}"]}, columns=columns)
    data = json.dumps(manifest_json.data).encode()
    started = time.process_time()
    manifest = parse_manifest(data, file="m.json")
    took = time.process_time() - started
    assert len(manifest.nodes) == 15_000
    assert took < 3.0, "CPU seconds; about 0.7 on the machine it was written on"
