"""A project hook that walks `graph` sees all nodes of the project, though its task starts from a slice."""

from datetime import UTC, datetime

import duckdb
import pytest

from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.values import DbtProject

FILES = {
    "dbt_project.yml": """
name: shop
version: "1.0"
profile: shop
on-run-end: "create or replace table seen as {{ all_nodes() or 'select 0' }}"
""",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
    "macros/all_nodes.sql": """
{% macro all_nodes() %}
  {%- set nodes = (graph.nodes.values() | list) + (graph['sources'].values() | list) if execute else [] -%}
  {%- for node in nodes -%}
    select '{{ node.unique_id }}' as node, {{ node.depends_on.nodes | length if node.depends_on else 0 }} as parents
    {{- ' union all ' if not loop.last }}
  {%- endfor -%}
{% endmacro %}
""",
    "models/a.sql": "select 1 as id",
    "models/b.sql": "select * from {{ ref('a') }}",
    "models/c.sql": "select * from {{ ref('b') }} join {{ ref('a') }} using (id) -- {{ source('raw', 'x') }}",
    "models/_all.yml": "sources: [{name: raw, tables: [{name: x}]}]\n",
}


@pytest.mark.dbt
@pytest.mark.slow
def test_a_hook_has_the_whole_graph(tmp_path, slice_project) -> None:
    shop = slice_project(tmp_path / "shop", FILES)
    assert shop.summary.refused == 0, shop.summary.reasons
    lines: list[str] = []
    for node in ("a", "b"):
        found: dict[str, list[tuple[str, int]]] = {}
        for way, slices in (("sliced", shop.store), ("whole", None)):
            project = DbtProject(shop.root, shop.root, slices)
            done = DbtRun.here(shop.invocation(f"model.shop.{node}"), project, environment=shop.environment).run(
                start=datetime(2026, 1, 1, tzinfo=UTC),
                end=datetime(2026, 1, 2, tzinfo=UTC),
                on_line=lambda line: lines.append(line.message),
            )
            assert done.ok, done.summary
            with duckdb.connect(str(shop.root / "shop.duckdb"), read_only=True) as opened:
                found[way] = opened.execute("select * from seen order by all").fetchall()
        assert found["sliced"] == found["whole"]
        assert ("model.shop.c", 3) in found["sliced"]
    assert not any(line.startswith("No slice") for line in lines)
