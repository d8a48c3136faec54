"""A small dbt project on DuckDB with every situation of the DAG kinds that people start, and its plan."""

import os
import subprocess
from pathlib import Path

import duckdb

from dbt_af_k8s.plan.project import plan_project
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import DagPlan

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb}\n"
    "    other: {type: duckdb, path: other.duckdb}\n",
    "dbt_af_k8s.yml": "retries: {default: {retries: 0}}\nseeds: {run_on: change}\n",
    "seeds/sales/rates.csv": "code,rate\na,1\nb,2\n",
    # Rows of the interval, added to what is there.
    "models/sales/orders.sql": "{{ config(materialized='incremental') }}\n"
    'select id, placed, \'{{ var("region", "none") }}\' as region from raw_orders\n'
    "where placed >= cast('{{ var(\"start_dttm\") }}' as timestamptz)\n"
    "and placed < cast('{{ var(\"end_dttm\") }}' as timestamptz)",
    # Fails on the order 13.
    "models/sales/checked.sql": "{{ config(materialized='table') }}\n"
    "select case when id = 13 then cast(error('unlucky') as integer) else id end as id from {{ ref('orders') }}",
    "models/sales/reader.sql": "select * from {{ source('raw', 'late') }}",
    "models/sales/sales.yml": "models:\n  - name: orders\n    columns:\n      - name: id\n"
    "        data_tests:\n          - unique: {name: each_once}\n",
    "models/sales/sources.yml": """
sources:
  - name: raw
    schema: main
    config:
      loaded_at_field: seen
      freshness: {warn_after: {count: 1, period: hour}, error_after: {count: 2, period: hour}}
    tables:
      - name: fresh
      - name: aging
        config: {loaded_at_query: "select max(seen) from {{ this }}"}
      - name: stale
      - name: missing
      - name: empty
      - name: "odd name.v1"
        identifier: fresh
      - name: late
        config: {loaded_at_query: "select max(seen) from read_csv('late.csv', types={'seen': 'TIMESTAMP'})"}
""",
}
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


def write_project(folder: Path, programs: Path) -> Path:
    """Write the project and its database, and let the dbt of a folder of programs write the manifest."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with duckdb.connect(folder / "shop.duckdb") as database:
        for table, minutes in (("fresh", 0), ("aging", 90), ("stale", 300)):
            database.execute(
                f"create table {table} as select cast(now() at time zone 'UTC' as timestamp) "
                f"- interval {minutes} minute as seen"
            )
        for table in ("empty", "late"):
            database.execute(f"create table {table} (seen timestamp)")
        database.execute("create table raw_orders (id integer, placed timestamptz)")
        for number, day in enumerate(DAYS):
            database.execute(f"insert into raw_orders values ({number}, '{day} 12:00:00+00')")
    parse(folder, programs)
    return folder


def parse(folder: Path, programs: Path) -> None:
    argv = [programs / "dbt", "--quiet", "parse", "--profiles-dir", ".", "--no-send-anonymous-usage-stats"]
    subprocess.run(argv, cwd=folder, check=True, timeout=300)


def plan_of(folder: Path) -> dict[str, DagPlan]:
    plan = plan_project(PlanRequest(folder), os.environ)
    assert [str(issue) for issue in plan.issues if issue.is_error] == []
    return {dag.dag_id: dag for dag in plan.dags}


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(folder / "shop.duckdb", read_only=True) as database:
        return database.execute(query).fetchall()
