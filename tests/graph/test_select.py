"""dbt's selection syntax. What dbt itself selects is compared in `test_select_as_dbt.py`; here is what needs no dbt."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from building import model, project, seed, source, test

from dbt_af_k8s.errors import Issue
from dbt_af_k8s.graph.select import Selector
from dbt_af_k8s.manifest.values import Exposure, Manifest, Other

SELECTORS: Mapping[str, Mapping[str, Any]] = {
    "nightly": {"definition": {"union": ["tag:nightly", {"exclude": ["resource_type:test"]}]}, "default": True},
    "careful": {"definition": {"method": "fqn", "value": "orders", "indirect_selection": "cautious"}},
    "by_name": {"definition": {"method": "selector", "value": "care*"}},
    "circle": {"definition": {"union": ["kpi", {"method": "selector", "value": "circle_end"}]}},
    "circle_end": {"definition": {"method": "selector", "value": "circle"}},
    "broken": {"definition": {"union": "kpi"}},
    "two_excludes": {"definition": {"union": ["kpi", {"exclude": ["side"]}, {"exclude": ["kpi"]}]}},
    "no_value": {"definition": {"method": "tag", "parents": True}},
    "number": {"definition": {"method": "tag", "value": 3}},
    "without_tests": {"definition": {"method": "fqn", "value": "orders", "exclude": ["resource_type:test"]}},
    "by_reference": {
        "definition": {"union": ["side", {"method": "fqn", "value": "orders", "exclude": ["resource_type:test"]}]}
    },
    "odd": {"definition": {"method": "fqn", "value": "kpi", "indirect_selection": "bold"}},
}
MANIFEST = project(
    seed("raw_orders"),
    source("web", "events"),
    model("stg_orders", "seed.shop.raw_orders", folder="sales/staging", tags=("staging", "nightly")),
    model("stg_events", "source:web.events", folder="web/staging", tags=("staging",)),
    model("orders", "stg_orders", "stg_events", folder="sales", config={"snowflake_warehouse": "XL", "group": "core"}),
    model("orders_wide", "orders", folder="sales", materialized="view", meta={"tier": "gold"}),
    model("kpi", "orders_wide", "model.shop.side.v2", folder="finance"),
    replace(model("side", folder="finance", version="2"), latest_version="3"),
    model("helper", package="lib", folder="lib"),
    test("t_orders", "orders", tags=("nightly",)),
    test("t_both", "orders", "model.shop.side.v2"),
    replace(model("elsewhere", "model.shop.orders", package="platform"), path="", file=""),
    selectors=SELECTORS,
    exposures={
        "exposure.shop.board": Exposure(
            "exposure.shop.board", "board", "shop", "dashboard", "models/e.yml", parents=("model.shop.kpi",)
        )
    },
    others=(Other("model.shop.off", "model", "models/off.sql", disabled=True, name="off", fqn=("shop", "off")),),
)
DOMAINS = {key: node.path.split("/")[0] for key, node in MANIFEST.nodes.items()}


def chosen(*definition: str, manifest: Manifest = MANIFEST) -> list[str]:
    selection = Selector(manifest, DOMAINS).select(definition, key="select")
    assert not selection.issues, selection.issues
    return sorted(key.split(".", 2)[2] for key in selection.chosen)


def issues_of(*definition: str, key: str = "select") -> tuple[Issue, ...]:
    return Selector(MANIFEST, DOMAINS).select(definition, key=key).issues


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("orders*", ["orders", "orders_wide", "t_both", "t_orders"]),
        ("sales.staging", ["stg_orders"]),
        ("side.v2", ["side.v2", "t_both"]),
        ("side_v2", ["side.v2", "t_both"]),
        ("tag:staging,tag:nightly", ["stg_orders"]),
        ("models/sales/staging", ["stg_orders"]),
        ("orders.sql", ["orders", "t_both", "t_orders"]),
        ("path:models/**/staging/*.sql", ["stg_events", "stg_orders"]),
        ("package:this,kpi", ["kpi"]),
        ("domain:finance", ["kpi", "side.v2", "t_both"]),
        ("group:core", ["orders", "t_both", "t_orders"]),
        ("config.meta.tier:gold", ["orders_wide"]),
        ("version:old", ["side.v2", "t_both"]),
        ("source:web+1", ["stg_events", "web.events"]),
        ("1+exposure:board", ["board", "kpi"]),
        (
            "@stg_events",
            ["board", "elsewhere", "kpi", "orders", "orders_wide", "raw_orders", "side.v2", "stg_events", "stg_orders"],
        ),
        ("selector:nightly", ["stg_orders"]),
        ("selector:careful", ["orders", "t_orders"]),
        ("selector:by_reference", ["orders", "side.v2", "t_both"]),
        ("path:models/sales/staging/", ["stg_orders"]),
        ("selector:by_name+1", ["elsewhere", "orders", "orders_wide", "t_both", "t_orders"]),
    ],
)
def test_the_grammar(definition: str, expected: list[str]) -> None:
    more = ["t_both", "t_orders", "web.events"] if definition.startswith("@") else []
    assert chosen(definition) == sorted([*expected, *more])


def test_a_list_and_blanks_are_a_union() -> None:
    assert chosen("kpi", "helper") == chosen("kpi   helper") == ["helper", "kpi"]


def test_the_default_selector_is_known() -> None:
    assert Selector(MANIFEST, {}).default == "nightly"
    assert Selector(replace(MANIFEST, selectors={}), {}).default is None


@pytest.mark.parametrize(
    ("definition", "code", "part"),
    [
        ("tags:x", "unknown-selection-method", "Did you mean `tag:`?"),
        ("nobody", "selection-matches-nothing", "'nobody' selects nothing"),
        ("off", "selection-matches-nothing", "'off' selects nothing"),
        ("path:models/sales/staging/stg_orders.sql/", "selection-matches-nothing", "selects nothing"),
        ("tag:staging,kpi", "selection-matches-nothing", "dbt ls --select"),
        ("+", "bad-selection", "'+' is not a selection"),
        ("orders,", "bad-selection", "'orders,' is not a selection"),
        ("@orders+", "bad-selection", "exclude each other"),
        ("state:modified+", "bad-selection", "'state:modified+' cannot be followed"),
        ("result:error", "bad-selection", "an earlier state of the project"),
        ("source_status:fresher", "bad-selection", "'source_status:fresher'"),
        ("source:shop.web.events.id", "bad-selection", "`package.source.table`"),
        ("exposure:shop.board.x", "bad-selection", "`package.name`"),
        ("version:newest", "bad-selection", "latest, none, old, prerelease"),
        ("path:/models", "bad-selection", "no path below the project"),
        ("path:models**", "bad-selection", "`**` stands for whole folders"),
        ("selector:nightli", "bad-selection", "Did you mean `nightly`?"),
        ("selector:circle", "bad-selection", "circle -> circle_end -> circle"),
        ("selector:broken", "bad-selection", "`union` must be a list"),
        ("selector:two_excludes", "bad-selection", "more than one `exclude`"),
        ("selector:no_value", "bad-selection", "needs `method` and `value`"),
        ("selector:number", "bad-selection", "must be text"),
        ("selector:odd", "bad-selection", "eager, cautious, buildable, empty"),
    ],
)
def test_what_is_wrong_is_told(definition: str, code: str, part: str) -> None:
    (issue,) = issues_of(definition)
    assert (issue.code, issue.key, issue.is_error) == (code, "select", True)
    assert part in f"{issue.message} {issue.fix}"


def test_to_exclude_nothing_is_a_warning_and_to_exclude_wrongly_an_error() -> None:
    assert [(issue.code, issue.is_error) for issue in issues_of("nobody state:new", key="exclude")] == [
        ("selection-matches-nothing", False),
        ("bad-selection", True),
    ]


def test_one_bad_term_costs_no_other() -> None:
    selection = Selector(MANIFEST, DOMAINS).select(("tags:x", "kpi"), key="select")
    assert selection.chosen == {"model.shop.kpi"}


@pytest.mark.parametrize("definition", ["path:models", "file:elsewhere", "models/**", "*.sql"])
def test_a_node_without_a_file_is_found_by_no_path(definition: str) -> None:
    assert "model.platform.elsewhere" not in Selector(MANIFEST, DOMAINS).select((definition,), key="select").chosen


def test_a_folder_of_a_package_is_found_where_the_project_has_it_too() -> None:
    lib = replace(model("kpi_lib", package="lib", folder="finance"), tags=())
    manifest = project(*MANIFEST.nodes.values(), *MANIFEST.sources.values(), lib)
    assert "kpi_lib" in chosen("path:models/finance", manifest=manifest)
    assert "helper" not in chosen(
        "path:models", "orders", manifest=project(model("orders"), seed("helper", package="lib"))
    )


@pytest.mark.parametrize("term", ["package:platform", "elsewhere", "fqn:elsewhere", "elsewhere+"])
def test_a_term_that_selects_only_models_of_another_project_is_told(term: str) -> None:
    (issue,) = issues_of(term)
    assert (issue.code, issue.is_error) == ("selection-matches-nothing", True)
    assert "only models of other dbt projects" in issue.message
    assert [issue.is_error for issue in issues_of(term, key="exclude")] == [False]
    assert not issues_of("+" + term.removesuffix("+"))
    assert not issues_of("orders+")
