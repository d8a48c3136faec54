"""One `dbt build` for several nodes, on DuckDB: from slices and on the whole project it does and says the same."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pytest

from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.slices.make import make_slices
from dbt_af_k8s.dbt.values import DbtInvocation, DbtSelection

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
FILES = {
    "seeds/raw.csv": "id\n1\n2\n",
    "models/kept.sql": "{{ config(materialized='ephemeral') }} select * from {{ ref('raw') }} where id > 0",
    "models/a.sql": "select id, '{{ var(\"end_dttm\") }}' as e from {{ ref('kept') }}",
    "models/b.sql": "select * from {{ ref('a') }}",
    "models/c.sql": "select b.* from {{ ref('b') }} as b join {{ ref('raw') }} using (id)",
    "models/beside.sql": "select * from {{ ref('raw') }}",
    "models/not_asked_for.sql": "select * from {{ ref('a') }}",
    "models/schema.yml": """
models:
  - name: a
    columns:
      - name: id
        data_tests:
          - not_null: {name: a_is_there}
          - relationships: {name: a_is_raw, arguments: {to: ref('raw'), field: id}}
          - accepted_values: {name: a_is_one, arguments: {values: [1]}, config: {severity: warn}}
  - name: b
    columns:
      - name: id
        data_tests:
          - accepted_values: {name: b_is_known, arguments: {values: [1, 2]}}
""",
}


@pytest.fixture(scope="module")
def shop(make_project):
    return make_project(FILES)


@pytest.fixture(scope="module")
def nodes(shop):
    """By name; ephemeral models and hooks have no task."""
    return {
        node["name"]: DbtSelection(unique_id, node["resource_type"], node["package_name"], tuple(node["fqn"]))
        for unique_id, node in sorted(shop.parse()["nodes"].items())
        if node["resource_type"] != "operation"
    }


@pytest.fixture(scope="module", params=["slices", "whole project"])
def project(request, shop, nodes, tmp_path_factory):
    if request.param == "whole project":
        return shop.value
    folder = tmp_path_factory.mktemp("slices")
    made = make_slices((shop.folder / "target" / "manifest.json").read_bytes(), shop.folder, folder)
    return replace(shop.value, slices=folder / made.name)


def built(shop, project, nodes, *, only=None, without=()):
    wanted = [node for name, node in nodes.items() if name not in ("kept", "not_asked_for", *without)]
    invocation = DbtInvocation("build", tuple(sorted(wanted, key=lambda node: node.unique_id)))
    lines: list[str] = []
    chosen = None if only is None else frozenset(nodes[name].unique_id for name in only)
    run = DbtRun.here(invocation, project, environment=shop.environment)
    found = run.build(start=START, end=END, on_line=lambda line: lines.append(line.message), only=chosen)
    assert any("No slice" in line for line in lines) is False
    return found, {result.unique_id.split(".")[2]: result.status for result in found.results}


def test_all_is_built_in_order_and_every_node_has_a_row(shop, project, nodes):
    found, statuses = built(shop, project, nodes)
    assert found.ok, found.summary
    assert statuses == {
        "raw": "success",
        "a": "success",
        "b": "success",
        "c": "success",
        "beside": "success",
        "a_is_there": "pass",
        "a_is_raw": "pass",
        "a_is_one": "warn",
        "b_is_known": "pass",
    }
    with duckdb.connect(str(shop.folder / "shop.duckdb"), read_only=True) as connection:
        assert connection.execute("select distinct e from c").fetchall() == [("2026-03-02T00:00:00+00:00",)]
        assert ("not_asked_for",) not in connection.execute("show tables").fetchall()


def test_a_failed_test_holds_back_what_follows_and_nothing_else_also_when_only_some_are_built(shop, project, nodes):
    path = shop.folder / "seeds" / "raw.csv"
    before = path.read_text()
    path.write_text("id\n1\n3\n")
    try:
        found, statuses = built(shop, project, nodes)
        again, then = built(shop, project, nodes, only=["b_is_known", "c"])
    finally:
        path.write_text(before)
    assert not found.ok
    assert (statuses["b_is_known"], statuses["c"], statuses["beside"], statuses["a"]) == (
        "fail",
        "skipped",
        "success",
        "success",
    )
    assert found.summary.splitlines()[-1] == "dbt left out what is downstream of a failure: model.shop.c"
    assert not found.retryable
    # `c` waits for the test as before, though `b`, on which both depend, is not built again.
    assert (again.ok, then) == (False, {"b_is_known": "fail", "c": "skipped"})


def test_a_node_without_a_result_is_red(shop, project, nodes):
    stray = replace(nodes["a"], unique_id="model.shop.stray", fqn=("shop", "stray"))
    invocation = DbtInvocation("build", (nodes["raw"], stray))
    found = DbtRun.here(invocation, shop.value, environment=shop.environment).build(
        start=START, end=END, on_line=lambda line: None
    )
    assert not found.ok
    assert "has no result for model.shop.stray" in found.summary
    assert json.dumps([result.status for result in found.results]) == '["success"]'
