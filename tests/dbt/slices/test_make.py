"""Which nodes get a slice: one project with a node for every reason against one."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbt_af_k8s.dbt.slices.macros import LookingMacros, MacroGraph
from dbt_af_k8s.dbt.slices.make import UnsliceableError, make_slices
from dbt_af_k8s.dbt.slices.manifest_json import MacroEntry

pytestmark = pytest.mark.dbt

UNSAFE = {
    "dbt_project.yml": """
name: shop
version: "1.0"
profile: shop
vars: {kind: table, other: x}
models:
  shop:
    by_project: {+meta: {kind: "{{ var('kind', 'table') }}"}}
    by_project_too: {+materialized: "{{ var('kind', 'table') }}"}
""",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}",
    "macros/all.sql": (
        "{% macro count_nodes() %}{{ graph.nodes | length }}{% endmacro %}"
        "{% macro through() %}{{ count_nodes() }}{% endmacro %}"
        "{% macro set_up() %}{{ config(tags=[var('kind')]) }}{% endmacro %}"
        "{% macro set_up_alike() %}{{ config(tags=['x']) }}{% endmacro %}"
        "{% macro chosen() %}{{ ref('safe' if var('other') == 'x' else 'safe_too') }}{% endmacro %}"
        "{% macro maybe() %}{% if var('other') == 'y' %}{{ ref('safe') }}{% endif %}{% endmacro %}"
        "{% macro passes_on(name) %}{{ ref(name) }}{% endmacro %}"
        "{% macro compares(count_nodes, x) %}{{ count_nodes }}{% endmacro %}"
        "{% macro get_incremental_counted_sql(arg_dict) %}{{ count_nodes() }}{% endmacro %}"
        "{% macro finds(name) %}{{ load_relation(ref('safe')) }}{% endmacro %}"
        "{% materialization counted, default %}{{ count_nodes() }}{% endmaterialization %}"
    ),
    "models/safe.sql": "select 1 as id",
    "models/safe_too.sql": "{{ config(alias='b') }} select 1 as id",
    "models/constant.sql": "{% set chain = 'x' %}{{ config(schema='s_' ~ chain) }} select 1 as id",
    "models/shadows.sql": "{% set count_nodes = 1 %}select {{ count_nodes }} as n, {{ compares(1, 2) }} as m",
    "models/says_graph.sql": "{% raw %}{{ graph }}{% endraw %}{# {{ graph }} #} {{ config(enabled=true) }} select 1",
    "models/set_up_alike.sql": "{{ set_up_alike() }} select 1 as n",
    "models/passes.sql": "select * from {{ passes_on('safe') }}",
    "models/walks_in_braces.sql": "select {{ {'a': {'b': 0}}['a']['b'] + (graph.nodes | length) }} as n",
    "models/by_strategy.sql": (
        "{{ config(materialized='incremental', incremental_strategy='counted') }} select 1 as n"
    ),
    "models/not_seen_by_macro.sql": "{{ maybe() }} select 1 as n",
    "models/passes_computed.sql": "select * from {{ passes_on('safe_too' if var('other') == 'y' else 'safe') }}",
    "models/of_safe.sql": "select id, '{{ var('other') }}' as x, '{{ target.name }}' as t from {{ ref('safe') }}",
    "models/finds.sql": "select '{{ finds('a') }}' as n",
    "models/finds_itself.sql": "{{ config(post_hook='{{ adapter.get_relation(none, none, none) }}') }} select 1 as n",
    "models/walks.sql": "select {{ graph.nodes | length }} as n",
    "models/walks_by_macro.sql": "select {{ through() }} as n",
    "models/hook_walks.sql": "{{ config(post_hook='{{ through() }}') }} select 1 as n",
    "models/materialized_so.sql": "{{ config(materialized='counted') }} select 1 as n",
    "models/configured.sql": "{{ config(materialized=var('kind')) }} select 1 as n",
    "models/configured_by_macro.sql": "{{ set_up() }} select 1 as n",
    "models/reads_configured.sql": "select * from {{ ref('configured') }}",
    "models/tagged.sql": "{{ config(tags=[var('kind')]) }} select 1 as n",
    "models/in_condition.sql": "{% if var('kind') == 'x' %}{{ config(alias='x') }}{% endif %} select 1 as n",
    "models/reads_tagged.sql": "select * from {{ ref('tagged') }}",
    "models/by_project/early.sql": "select 1 as n",
    "models/by_project_too/checked.sql": "select 1 as n",
    "models/switched.sql": "select 1 as n",
    "models/in_yaml.sql": "select 1 as n",
    "models/chooses.sql": "select * from {{ chosen() }}",
    "models/not_seen.sql": "{% if var('other') == 'y' %}select * from {{ ref('safe') }}{% endif %} select 1 as n",
    "models/computed.sql": "select * from {{ ref('safe' if env_var('WHICH', '') == '' else 'safe_too') }}",
    "models/edited.sql": "select 1 as n",
    "models/removed.sql": "select 1 as n",
    "models/inlined.sql": "{{ config(materialized='ephemeral') }} select {{ graph.nodes | length }} as n",
    "models/reads_inlined.sql": "select * from {{ ref('inlined') }}",
    "models/_all.yml": """
models:
  - name: switched
    config: {enabled: "{{ var('on', true) | as_bool }}"}
  - name: in_yaml
    config: {tags: ["{{ var('other', 'x') }}"]}
  - name: safe
    description: "{{ doc('of_safe') }}"
    columns:
      - name: id
        data_tests:
          - not_null: {name: early_test, config: {tags: ["{{ var('other', 'x') }}"]}}
  - name: safe_too
    columns:
      - name: id
        data_tests:
          - not_null
          - accepted_values: {name: late_test, arguments: {values: ["{{ var('other', 'x') }}"]}}
          - accepted_values: {name: walking_test, arguments: {values: ["{{ through() }}"]}}
""",
    "models/of_safe.md": "{% docs of_safe %}Words.{% enddocs %}",
}
LOOKING = {"model.shop.finds", "model.shop.finds_itself"}
SAFE = LOOKING | {
    *("model.shop.safe", "model.shop.safe_too", "model.shop.of_safe", "test.shop.not_null_safe_too_id"),
    *("model.shop.constant", "model.shop.shadows", "model.shop.says_graph", "model.shop.set_up_alike"),
    *("model.shop.passes", "model.shop.configured", "model.shop.reads_configured", "model.shop.checked"),
    *("model.shop.switched", "test.shop.late_test"),
}
BECAUSE = {
    "model.shop.walks": "its Jinja walks `graph`",
    "model.shop.walks_in_braces": "its Jinja walks `graph`",
    "model.shop.walks_by_macro": "the macro `shop.through` uses `shop.count_nodes`, which walks `graph`",
    "model.shop.hook_walks": "the macro `shop.through` uses `shop.count_nodes`, which walks `graph`",
    "model.shop.materialized_so": (
        "the macro `shop.materialization_counted_default` uses `shop.count_nodes`, which walks `graph`"
    ),
    "model.shop.by_strategy": (
        "the macro `shop.get_incremental_counted_sql` uses `shop.count_nodes`, which walks `graph`"
    ),
    "model.shop.tagged": "`var('kind')` in `config(tags=)`",
    "model.shop.in_condition": "`config()` stands in a condition on `var('kind')`",
    "model.shop.configured_by_macro": (
        "the macro `shop.set_up` calls `config()`, and of that `var('kind')` in `config(tags=)`"
    ),
    "model.shop.reads_tagged": "it reads model.shop.tagged, and of that `var('kind')` in `config(tags=)`",
    "model.shop.early": "`var('kind')` in `dbt_project.yml` (shop.by_project.+meta.kind)",
    "model.shop.in_yaml": "`var('other')` in its entry in `models/_all.yml`",
    "test.shop.early_test": "`var('other')` in its entry in `models/_all.yml`",
    "test.shop.walking_test": "the macro `shop.through` uses `shop.count_nodes`, which walks `graph`",
    "model.shop.chooses": "the macro `shop.chosen` calls a `ref()` that depends on `var('other')`",
    "model.shop.not_seen": "parsing did not see its ref(safe)",
    "model.shop.not_seen_by_macro": "parsing did not see its ref(safe)",
    "model.shop.computed": "it calls a `ref()` that depends on `env_var('WHICH')`",
    "model.shop.passes_computed": "it names the `ref()` of `passes_on()` by something that may change",
    "model.shop.edited": "its file has changed since the manifest was made",
    "model.shop.removed": "its file is not where the manifest says",
    "model.shop.reads_inlined": "it reads model.shop.inlined, and of that its Jinja walks `graph`",
}


@pytest.fixture(scope="module")
def unsafe(tmp_path_factory, slice_project):
    project = slice_project(tmp_path_factory.mktemp("unsafe") / "shop", UNSAFE)
    (project.root / "models" / "edited.sql").write_text("select 2 as n")
    (project.root / "models" / "removed.sql").unlink()
    return project


def made(project) -> tuple[set[str], dict[str, str]]:
    """The nodes with a slice, and the reasons of the others."""
    return sliced_of((project.root / "target" / "manifest.json").read_bytes(), project.root, project.root / "target")


def sliced_of(data: bytes, root: Path, folder: Path) -> tuple[set[str], dict[str, str]]:
    summary = make_slices(data, root, folder)
    with sqlite3.connect(folder / summary.name) as store:
        rows = store.execute("SELECT unique_id, because FROM slice").fetchall()
    return {key for key, because in rows if because is None}, {key: why for key, why in rows if why is not None}


def without_hash(unique_id: str) -> str:
    return unique_id.rpartition(".")[0] if unique_id.startswith("test.") else unique_id


def test_each_reason_is_found_and_nothing_else(unsafe) -> None:
    sliced, refused = made(unsafe)
    assert {without_hash(key): why for key, why in refused.items()} == BECAUSE
    assert set(map(without_hash, sliced)) == SAFE


def test_nodes_that_look_for_relations_of_others_are_marked(unsafe) -> None:
    summary = unsafe.summary
    with sqlite3.connect(unsafe.root / "target" / summary.name) as store:
        rows = store.execute("SELECT unique_id FROM slice WHERE looks = 1").fetchall()
    assert {key for (key,) in rows} == LOOKING


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("default__make_temp_relation", "{% macro default__make_temp_relation(base, suffix) %}{% endmacro %}"),
        ("is_incremental", "{% macro is_incremental() %}{{ load_relation(this) }}{% endmacro %}"),
    ],
)
def test_a_macro_in_the_place_of_one_of_dbts_own_lets_all_nodes_look(name: str, sql: str) -> None:
    dbts = [MacroEntry(f"macro.dbt.{name}", name, "dbt", "x.sql", "{{ load_cached_relation(this) }}")]
    own = MacroEntry(f"macro.shop.{name}", name, "shop", "macros/x.sql", sql)
    assert not LookingMacros(MacroGraph(dbts, root="shop", adapter="duckdb")).is_everywhere("shop")
    assert LookingMacros(MacroGraph([*dbts, own], root="shop", adapter="duckdb")).is_everywhere("shop")


def test_a_changed_macro_stops_all(unsafe, tmp_path: Path) -> None:
    root = Path(shutil.copytree(unsafe.root, tmp_path / "shop"))
    file = root / "macros" / "all.sql"
    file.write_text(file.read_text().replace("length", "list | length"))
    summary = make_slices((root / "target" / "manifest.json").read_bytes(), root, tmp_path)
    assert summary.sliced == 0
    assert any("count_nodes` has changed" in because for because, _ in summary.reasons)


def test_another_version_of_dbt(unsafe, tmp_path: Path) -> None:
    data = (
        (unsafe.root / "target" / "manifest.json").read_bytes().replace(b'"dbt_version": "1.11', b'"dbt_version": "1.9')
    )
    with pytest.raises(UnsliceableError, match=r"made by dbt 1\.9"):
        make_slices(data, unsafe.root, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"metadata": {"dbt_version": "1.11.0"}}'])
def test_no_manifest(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnsliceableError):
        make_slices(data, tmp_path, tmp_path)


def test_a_parent_that_is_nothing_known(unsafe, tmp_path: Path) -> None:
    manifest = json.loads((unsafe.root / "target" / "manifest.json").read_bytes())
    manifest["nodes"]["model.shop.of_safe"]["depends_on"]["nodes"].append("semantic_model.shop.x")
    summary = make_slices(json.dumps(manifest).encode(), unsafe.root, tmp_path)
    assert ("it reads semantic_model.shop.x, and of that it is no node, source or function", 1) in summary.reasons


@pytest.mark.parametrize("nowhere", ["", None])
def test_a_model_of_another_project_is_not_counted(unsafe, tmp_path: Path, nowhere: str | None) -> None:
    data = (unsafe.root / "target" / "manifest.json").read_bytes()
    before = make_slices(data, unsafe.root, tmp_path)
    manifest = json.loads(data)
    foreign = manifest["nodes"]["model.shop.safe"] | {"unique_id": "model.platform.accounts", "raw_code": ""}
    foreign |= {"package_name": "platform", "name": "accounts", "fqn": ["platform", "accounts"]}
    foreign |= {"path": nowhere, "original_file_path": nowhere, "patch_path": None}
    manifest["nodes"]["model.platform.accounts"] = foreign
    after = make_slices(json.dumps(manifest).encode(), unsafe.root, tmp_path)
    assert (after.sliced, after.reasons) == (before.sliced, before.reasons)


def test_hooks_are_judged_one_by_one(unsafe, tmp_path: Path) -> None:
    """One that walks `graph` is given all of it; one whose parents may change stops all."""
    for code, refused in (("{{ through() }}", False), ("{{ chosen() }}", True)):
        manifest = json.loads((unsafe.root / "target" / "manifest.json").read_bytes())
        hook = manifest["nodes"]["model.shop.safe"] | {
            "unique_id": "operation.shop.shop-on-run-end-0",
            "resource_type": "operation",
            "raw_code": code,
        }
        manifest["nodes"][hook["unique_id"]] = hook
        summary = make_slices(json.dumps(manifest).encode(), unsafe.root, tmp_path)
        assert (summary.sliced == 0) is refused
        told = [because for because, _ in summary.reasons if "shop-on-run-end-0 runs with every task" in because]
        assert bool(told) is refused


OF_SAFE_TOO = {"model.shop.safe_too", "test.shop.not_null_safe_too_id", "test.shop.late_test"}


def odd(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest["nodes"]["model.shop.safe_too"].update({name: value})


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (odd("depends_on", {"macros": [None], "nodes": []}), set()),
        (odd("depends_on", {"macros": [], "nodes": [None]}), OF_SAFE_TOO),
        (odd("fqn", "shop.safe_too"), OF_SAFE_TOO),
        (odd("refs", [{"name": 5}]), OF_SAFE_TOO),
        (
            lambda manifest: manifest["macros"]["macro.shop.passes_on"].update({"macro_sql": None}),
            {"model.shop.passes"},
        ),
    ],
    ids=["a macro that is null", "a parent that is null", "fqn is a text", "a ref that is a number", "a macro"],
)
def test_what_is_written_oddly_costs_itself_and_its_children(unsafe, tmp_path, change, lost) -> None:
    data = (unsafe.root / "target" / "manifest.json").read_bytes()
    before, _ = sliced_of(data, unsafe.root, tmp_path)
    manifest = json.loads(data)
    change(manifest)
    after, reasons = sliced_of(json.dumps(manifest).encode(), unsafe.root, tmp_path)
    assert set(map(without_hash, before - after)) == lost
    assert all(reasons[key] for key in before - after)


def test_the_same_project_gives_the_same_file(unsafe, tmp_path: Path) -> None:
    data = (unsafe.root / "target" / "manifest.json").read_bytes()
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        os.utime(unsafe.root / "target" / "manifest.json")
        make_slices(data, unsafe.root, folder)
    (first,), (second,) = (list(folder.iterdir()) for folder in folders)
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
