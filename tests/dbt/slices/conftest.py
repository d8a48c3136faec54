"""dbt projects for slices: one with many features, and running nodes both ways."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbt_af_k8s.dbt.command import dbt_argv
from dbt_af_k8s.dbt.slices.make import make_slices
from dbt_af_k8s.dbt.slices.start import refusal_in, start_from_slice
from dbt_af_k8s.dbt.slices.values import NoSlice, SliceSummary
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection

START = datetime(2026, 1, 11, tzinfo=UTC)
END = datetime(2026, 1, 12, tzinfo=UTC)
VERBS = {"model": "run", "seed": "seed", "snapshot": "snapshot", "test": "test"}

PROJECT = """
name: shop
version: "1.0"
profile: shop
flags: {send_anonymous_usage_stats: false}
vars: {flavour: plain, start_dttm: "2020-01-01T00:00:00+00:00", end_dttm: "2020-01-02T00:00:00+00:00"}
on-run-start: ["create table if not exists hook_log (what varchar)", "{{ log_to_hooks('start') }}"]
on-run-end: ["insert into hook_log select 'end of ' || '{{ ref('colours') }}'"]
models:
  shop:
    +materialized: table
    special: {+schema: special}
    hooked: {+post-hook: "insert into hook_log select '{{ this.identifier }} {{ var(\\"flavour\\") }}'"}
seeds: {shop: {+column_types: {id: integer}}}
"""
PROFILES = """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: "{{ env_var('SHOP_DUCKDB', 'shop.duckdb') }}", threads: 1}
    same: {type: duckdb, path: "{{ env_var('SHOP_DUCKDB', 'shop.duckdb') }}", threads: 2}
    other: {type: duckdb, path: "{{ env_var('SHOP_DUCKDB', 'shop.duckdb') }}", schema: elsewhere, threads: 1}
"""
MANY_FEATURES = {
    "dbt_project.yml": PROJECT,
    "profiles.yml": PROFILES,
    "macros/names.sql": (
        "{% macro generate_schema_name(custom, node) %}"
        "{{ target.schema if custom is none else custom ~ '_of_' ~ target.schema }}{% endmacro %}\n"
        "{% macro generate_alias_name(custom=none, node=none) %}"
        "{{ (custom or node.name) ~ ('_v' ~ node.version if node.version else '') }}{% endmacro %}"
    ),
    "macros/log.sql": "{% macro log_to_hooks(what) %}insert into hook_log select '{{ what }}'{% endmacro %}",
    "macros/dispatched.sql": (
        "{% macro cents(x) %}{{ return(adapter.dispatch('cents')(x)) }}{% endmacro %}"
        "{% macro default__cents(x) %}({{ x }} * 100){% endmacro %}"
        "{% macro duckdb__cents(x) %}({{ x }} * 100 + 0){% endmacro %}"
    ),
    "macros/tests.sql": "{% test positive(model, column_name) %}select * from {{ model }} where {{ column_name }} <= 0{% endtest %}",
    "seeds/colours.csv": "id,name\n1,red\n2,green\n3,blue\n",
    "seeds/sizes.csv": "id,size\n1,10\n2,-20\n3,30\n",
    "models/plain.sql": "select id, name, '{{ var(\"start_dttm\") }}' as since from {{ ref('colours') }}",
    "models/view.sql": "{{ config(materialized='view', tags=['a']) }} select * from {{ ref('plain') }}",
    "models/deep.sql": "{{ config(materialized='ephemeral') }} select id, {{ cents('size') }} as size from {{ ref('sizes') }}",
    "models/deeper.sql": "{{ config(materialized='ephemeral') }} select * from {{ ref('deep') }} where id < 3",
    "models/on_ephemerals.sql": "select p.name, d.size from {{ ref('deeper') }} d join {{ ref('plain') }} p using (id)",
    "models/growing.sql": (
        "{{ config(materialized='incremental', unique_key='id') }} select id, size from {{ ref('sizes') }}"
        "{% if is_incremental() %} where id > (select min(id) from {{ this }}){% endif %}"
    ),
    "models/batches.sql": (
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='at', batch_size='day',"
        " begin='2026-01-01') }} select * from {{ ref('events') }}"
    ),
    "models/events.sql": "select 1 as id, timestamp '2026-01-11 05:00' as at union all select 2, timestamp '2026-01-13 05:00'",
    "models/priced_v1.sql": "select id, size as price from {{ ref('sizes') }}",
    "models/priced_v2.sql": "select id, size + 1 as price from {{ ref('sizes') }}",
    "models/of_versions.sql": "select a.price, b.price as old from {{ ref('priced') }} a join {{ ref('priced', v=1) }} b using (id)",
    "models/contracted.sql": "select id, name from {{ ref('colours') }}",
    "models/special/far.sql": "select * from {{ ref('helper', 'lent') }} where '{{ var(\"flavour\") }}' = 'plain'",
    "models/hooked/with_hooks.sql": (
        "{{ config(pre_hook=[\"{{ log_to_hooks('before') }}\"]) }} select count(*) as n from {{ source('outer', 'colours') }}"
    ),
    "models/guarded.sql": "{{ config(group='makers') }} select * from {{ ref('kept') }}",
    "models/kept.sql": "select 1 as id",
    "models/renamed.sql": "{{ config(alias='another_name') }} select * from {{ ref('far') }}",
    "models/broken.sql": "select nothing_of_this from {{ ref('events') }}",
    "models/looped.sql": "{% for t in ['colours', 'sizes'] %}select id from {{ ref(t) }} {{ 'union all' if not loop.last }} {% endfor %}",
    "models/pythonic.py": "def model(dbt, session):\n    dbt.config(materialized='table')\n    return dbt.ref('events')\n",
    "models/_all.yml": """
groups: [{name: makers, owner: {name: me}}]
sources:
  - name: outer
    schema: "{{ target.schema }}"
    tables: [{name: colours, columns: [{name: id, data_tests: [not_null]}]}]
models:
  - name: plain
    description: "{{ doc('of_plain') }}"
    config: {persist_docs: {relation: true, columns: true}}
    columns:
      - name: id
        description: a number
        data_tests: [unique, not_null, {relationships: {arguments: {to: "ref('colours')", field: id}}}]
    data_tests: [{positive: {arguments: {column_name: id}, config: {where: "id > 1"}}}]
  - name: priced
    latest_version: 2
    versions: [{v: 1}, {v: 2}]
  - name: contracted
    config: {contract: {enforced: true}}
    columns:
      - {name: id, data_type: integer, constraints: [{type: not_null}]}
      - {name: name, data_type: varchar}
  - name: kept
    access: private
    config: {group: makers}
  - name: growing
    columns: [{name: size, data_tests: [{positive: {config: {severity: warn, store_failures: true}}}, {positive: {name: hard}}]}]
""",
    "models/docs.md": "{% docs of_plain %}What it is.{% enddocs %}",
    "models/_unit.yml": (
        "unit_tests: [{name: u, model: plain, given: [{input: ref('colours'), rows: [{id: 1, name: x}]}],"
        " expect: {rows: [{id: 1, name: x}]}}]"
    ),
    "snapshots/old_kind.sql": (
        "{% snapshot old_kind %}{{ config(unique_key='id', strategy='check', check_cols=['size'], target_schema='history') }}"
        "select * from {{ ref('sizes') }}{% endsnapshot %}"
    ),
    "snapshots/new_kind.yml": (
        "snapshots: [{name: new_kind, relation: ref('events'), config: {unique_key: id, strategy: timestamp, updated_at: at}}]"
    ),
    "tests/singular.sql": "select * from {{ ref('deeper') }} where size > 5000",
    "dbt_packages/helper/dbt_project.yml": "name: helper\nversion: '1.0'\n",
    "dbt_packages/helper/models/lent.sql": "select {{ helper.ten() }} as ten from {{ ref('helper_seed') }}",
    "dbt_packages/helper/macros/ten.sql": "{% macro ten() %}10{% endmacro %}",
    "dbt_packages/helper/seeds/helper_seed.csv": "id\n7\n",
}


@dataclass(frozen=True)
class Sliced:
    """A parsed project with its slices."""

    root: Path
    manifest: dict[str, Any]
    summary: SliceSummary
    environment: dict[str, str]

    @property
    def store(self) -> Path:
        return self.root / "target" / self.summary.name

    def invocation(self, *unique_ids: str, target: str | None = None) -> DbtInvocation:
        nodes = [self.manifest["nodes"][unique_id] for unique_id in unique_ids]
        return DbtInvocation(
            VERBS[nodes[0]["resource_type"]],
            tuple(
                DbtSelection(node["unique_id"], node["resource_type"], node["package_name"], tuple(node["fqn"]))
                for node in nodes
            ),
            target=target,
            microbatch=nodes[0]["config"].get("incremental_strategy") == "microbatch",
        )


@dataclass(frozen=True)
class Outcome:
    """What one dbt process said and left."""

    code: int
    rows: list[dict[str, Any]]
    lines: list[str]
    refused: str | None


def make_sliced(root: Path, files: dict[str, str]) -> Sliced:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "SHOP_"))}
    dbt = str(Path(sys.executable).with_name("dbt"))
    told = subprocess.run([dbt, "--quiet", "parse"], cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    assert told.returncode == 0, told.stdout
    return slice_again(root, environment)


def slice_again(root: Path, environment: dict[str, str]) -> Sliced:
    data = (root / "target" / "manifest.json").read_bytes()
    return Sliced(root, json.loads(data), make_slices(data, root, root / "target"), environment)


def run_once(project: Sliced, invocation: DbtInvocation, target_path: Path, *, sliced: bool, database: Path) -> Outcome:
    """One dbt process, from slices or on the whole project."""
    environment = {**project.environment, "SHOP_DUCKDB": str(database)}
    target_path.mkdir(parents=True)
    where = DbtProject(project.root, project.root)
    argv: tuple[str, ...] = dbt_argv(
        invocation, where, target_path=target_path, start=START, end=END, variables={"flavour": "plain"}
    )
    if sliced:
        start = start_from_slice(
            invocation,
            project.store,
            argv,
            project_dir=project.root,
            target_path=target_path,
            environment=environment,
        )
        assert not isinstance(start, NoSlice), start.because
        argv = start.argv
    done = subprocess.run(argv, cwd=project.root, env=environment, capture_output=True, text=True, timeout=300)
    results = target_path / "run_results.json"
    rows = json.loads(results.read_bytes())["results"] if results.exists() else []
    return Outcome(done.returncode, rows, (done.stdout + done.stderr).splitlines(), refusal_in(target_path))


@pytest.fixture(scope="session")
def many_features(tmp_path_factory: pytest.TempPathFactory) -> Sliced:
    return make_sliced(tmp_path_factory.mktemp("many") / "shop", MANY_FEATURES)


@pytest.fixture(scope="session")
def shop_sliced(parsed_shop: Path) -> Sliced:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "SHOP_"))}
    return slice_again(parsed_shop, environment)


@pytest.fixture(scope="session")
def run_node():
    return run_once


@pytest.fixture(scope="session")
def slice_project():
    return make_sliced
