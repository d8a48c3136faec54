"""Read part by part or at once: the same manifest."""

from typing import Any

import pytest

from dbt_af_k8s.manifest import parse
from dbt_af_k8s.manifest.parts import read_parts


def test_both_ways_give_the_same(manifest_json: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest_json.node("model.shop.orders", raw_code="select 1", config={"meta": {"a": [1, {"b": None}]}})
    manifest_json.node("model.shop.python", language="python", raw_code="def model(): pass", version=2)
    manifest_json.node("model.shop.bare", config=None)
    manifest_json.node("strange.shop.kind")
    manifest_json.data["macros"] = {"macro.dbt_af_k8s.ttl": {"macro_sql": "x"}, "macro.dbt.other": None}
    manifest_json.data["groups"] = {"group.shop.g": {"name": "g", "owner": {"name": "ann"}}}
    data = manifest_json.bytes()
    assert read_parts(data) is not None
    in_parts = parse.parse_manifest(data, file="manifest.json")
    monkeypatch.setattr(parse, "read_parts", lambda _: None)
    assert parse.parse_manifest(data, file="manifest.json") == in_parts


def test_configurations_that_are_written_alike_are_one_value(manifest_json: Any) -> None:
    for name in ("a", "b"):
        manifest_json.node(f"model.shop.{name}", config={"tags": ["x"], "meta": {"k": 1}})
    manifest_json.node("model.shop.c", config={"tags": ["y"]})
    nodes = parse.parse_manifest(manifest_json.bytes(), file="manifest.json").nodes
    assert nodes["model.shop.a"].config is nodes["model.shop.b"].config
    assert nodes["model.shop.c"].config == {"tags": ["y"]}


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b'{"nodes": {"a": 1}}', b'{"metadata": []}', b'{"nodes": {"a": {"fqn": 1}}}']
)
def test_what_is_not_as_it_should_be_is_left_to_the_other_way(data: bytes) -> None:
    assert read_parts(data) is None
