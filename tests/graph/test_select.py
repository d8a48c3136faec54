"""dbt's selection syntax."""

import pytest
from building import model, project, seed, source, test

from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.graph.select import select_nodes

MANIFEST = project(
    seed("raw_orders"),
    source("web", "events"),
    model("stg_orders", "seed.shop.raw_orders", folder="sales/staging", tags=("staging", "nightly")),
    model("stg_events", "source:web.events", folder="web/staging", tags=("staging",)),
    model("orders", "stg_orders", "stg_events", folder="sales", group="core", config={"snowflake_warehouse": "XL"}),
    model("orders_wide", "orders", folder="sales", materialized="view", meta={"tier": "gold"}),
    model("kpi", "orders_wide", "model.shop.side.v2", folder="finance"),
    model("side", folder="finance", version="2"),
    model("helper", package="lib", folder="lib"),
    test("t_orders", "orders", tags=("nightly",)),
)
DOMAINS = {key: node.path.split("/")[0] for key, node in MANIFEST.nodes.items()}


def names(*definition: str) -> list[str]:
    found = select_nodes(MANIFEST, ProjectGraph(MANIFEST), DOMAINS, definition, key="select")
    assert not found.issues, found.issues
    return sorted(key.split(".", 2)[2] for key in found.chosen)


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("orders", ["orders"]),
        ("orders*", ["orders", "orders_wide"]),
        ("fqn:shop.sales.staging.stg_orders", ["stg_orders"]),
        ("sales.staging", ["stg_orders"]),
        ("side.v2", ["side.v2"]),
        ("tag:staging", ["stg_events", "stg_orders"]),
        ("tag:staging,tag:nightly", ["stg_orders"]),
        ("tag:nightly kpi", ["kpi", "stg_orders", "t_orders"]),
        ("path:models/sales", ["orders", "orders_wide", "stg_orders"]),
        ("path:models/sales/orders.sql", ["orders"]),
        ("path:models/*/staging", ["stg_events", "stg_orders"]),
        ("package:lib", ["helper"]),
        ("domain:finance", ["kpi", "side.v2"]),
        ("resource_type:seed", ["raw_orders"]),
        ("group:core", ["orders"]),
        ("config.materialized:view", ["orders_wide"]),
        ("config.snowflake_warehouse:XL", ["orders"]),
        ("config.meta.tier:gold", ["orders_wide"]),
        ("source:web", ["web.events"]),
        ("+orders", ["orders", "raw_orders", "stg_events", "stg_orders"]),
        ("1+orders", ["orders", "stg_events", "stg_orders"]),
        ("stg_orders+1", ["orders", "stg_orders"]),
        ("stg_orders+", ["kpi", "orders", "orders_wide", "stg_orders"]),
        ("1+orders+1", ["orders", "orders_wide", "stg_events", "stg_orders"]),
        ("@orders_wide", ["kpi", "orders", "orders_wide", "raw_orders", "side.v2", "stg_events", "stg_orders"]),
    ],
)
def test_the_grammar(definition: str, expected: list[str]) -> None:
    assert names(definition) == expected


def test_a_list_is_a_union() -> None:
    assert names("kpi", "orders") == ["kpi", "orders"]


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        ("tags:x", "unknown-selection-method"),
        ("nobody", "selection-matches-nothing"),
        ("@+orders", "bad-selection"),
        ("+", "bad-selection"),
        ("orders,", "bad-selection"),
        ("tag:staging,kpi", "selection-matches-nothing"),
    ],
)
def test_what_is_wrong_is_told(definition: str, code: str) -> None:
    found = select_nodes(MANIFEST, ProjectGraph(MANIFEST), DOMAINS, (definition,), key="exclude")
    assert [issue.code for issue in found.issues] == [code]
    assert found.issues[0].key == "exclude"


def test_a_close_method_is_named() -> None:
    found = select_nodes(MANIFEST, ProjectGraph(MANIFEST), DOMAINS, ("tags:x",), key="select")
    assert found.issues[0].fix == "Did you mean `tag:`?"
