"""What is computed in a configuration is rendered again for each task: a slice runs where it comes to the same."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from sliced_projects import Sliced, clean_environment, slice_again

from dbt_af_k8s.dbt.run import DbtRun
from dbt_af_k8s.dbt.values import DbtProject

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

FILES = {
    "dbt_project.yml": """
name: shop
version: "1.0"
profile: shop
vars: {kind: table, suffix: one}
models:
  shop:
    by_project: {+materialized: "{{ 'table' if target.name == 'dev' else 'view' }}"}
data_tests: {shop: {+severity: "{{ env_var('SHOP_SEVERITY', 'error') }}"}}
""",
    "profiles.yml": """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: shop.duckdb}
    other: {type: duckdb, path: shop.duckdb}
""",
    "macros/named.sql": "{% macro named() %}{{ return('named_' ~ env_var('SHOP_SUFFIX', 'one')) }}{% endmacro %}",
    "models/by_sql.sql": "{{ config(materialized=env_var('SHOP_KIND', 'table'), alias=named()) }} select 1 as id",
    "models/child.sql": "select * from {{ ref('by_sql') }}",
    "models/by_project/by_target.sql": "select 1 as id",
    "models/by_yaml.sql": "{{ config(alias='fixed') }} select 1 as id",
    "models/_all.yml": """
models:
  - name: by_yaml
    config:
      enabled: "{{ env_var('SHOP_ON', 'True') | as_bool }}"
      alias: "{{ env_var('SHOP_SUFFIX', 'fixed') }}"
    columns:
      - name: id
        data_tests:
          - accepted_values: {name: late, arguments: {values: ["{{ env_var('SHOP_VALUE', '1') }}"], quote: false}}
          - not_null: {config: {limit: "{{ env_var('SHOP_LIMIT', '5') | as_number }}"}}
""",
}


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory, slice_project) -> Sliced:
    return slice_project(tmp_path_factory.mktemp("rechecks") / "shop", FILES)


def run(shop: Sliced, node: str, *, target: str | None = None, **environment: str) -> tuple[bool, list[str]]:
    lines: list[str] = []
    project = DbtProject(shop.root, shop.root, shop.store)
    done = DbtRun.here(
        replace(shop.invocation(node), target=target), project, environment=shop.environment | environment
    ).run(
        start=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2026, 1, 2, tzinfo=UTC),
        on_line=lambda line: lines.append(line.message),
    )
    head = "No slice of the manifest, so dbt parses the whole project: "
    return done.ok, [line.removeprefix(head) for line in lines if line.startswith(head)]


def relations(shop: Sliced) -> set[tuple[str, str]]:
    with duckdb.connect(str(shop.root / "shop.duckdb"), read_only=True) as opened:
        return set(opened.execute("select table_name, table_type from information_schema.tables").fetchall())


def test_computed_configuration(parsed: Sliced, tmp_path: Path) -> None:
    root = Path(shutil.copytree(parsed.root, tmp_path / "shop"))
    shop = slice_again(root, clean_environment())
    assert shop.summary.refused == 0, shop.summary.reasons
    test, late = (
        next(key for key in shop.manifest["nodes"] if key.startswith(f"test.shop.{name}")) for name in ("not", "late")
    )
    # As it was parsed: all of them from their slices.
    for node in ("model.shop.by_sql", "model.shop.child", "model.shop.by_target", "model.shop.by_yaml", test, late):
        assert run(shop, node) == (True, []), node
    assert relations(shop) == {
        ("named_one", "BASE TABLE"),
        ("child", "VIEW"),
        ("by_target", "BASE TABLE"),
        ("fixed", "VIEW"),
    }
    # With another environment or target: on the whole project, as it says there.
    said = "of model.shop.by_sql is"
    end = "with the vars and target of the task."
    assert run(shop, "model.shop.by_sql", SHOP_KIND="view", SHOP_SUFFIX="two") == (
        True,
        [f'`alias` {said} "named_one" in it and "named_two" {end}'],
    )
    assert ("named_two", "VIEW") in relations(shop)
    assert run(shop, "model.shop.child", SHOP_SUFFIX="two") == (
        True,
        [f'`alias` {said} "named_one" in it and "named_two" {end}'],
    )
    # What is not its own concern does not cost it the slice.
    assert run(shop, "model.shop.by_target", SHOP_KIND="view") == (True, [])
    assert run(shop, "model.shop.by_target", target="other") == (
        True,
        [f'`materialized` of model.shop.by_target is "table" in it and "view" {end}'],
    )
    # The SQL's own alias goes before that of the YAML file, but that it does nobody asks.
    assert run(shop, "model.shop.by_yaml", SHOP_SUFFIX="two")[1] == [
        f'`alias` of model.shop.by_yaml is "fixed" in it and "two" {end}'
    ]
    assert run(shop, test, SHOP_LIMIT="6")[1] == [f"`limit` of {test} is 5 in it and 6 {end}"]
    assert len(run(shop, test, SHOP_SEVERITY="warn")[1]) == 1
    # dbt renders the arguments of a test when it runs, so they are no configuration.
    assert run(shop, late, SHOP_VALUE="2") == (False, [])
