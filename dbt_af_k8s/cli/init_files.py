"""The texts that `dbt-af-k8s init` writes."""

from collections.abc import Mapping

from dbt_af_k8s.config.settings_runners import DBT_API, LOCAL

#: What each runner is, for the question of `init`.
MEANINGS: Mapping[str, str] = {
    LOCAL: "in the Airflow worker itself",
    DBT_API: "behind an HTTP server with the API of dbt's own",
}
#: The row of `runners` for each.
_ROWS: Mapping[str, str] = {
    LOCAL: """\
  "*": local
""",
    DBT_API: """\
  "*":
    type: dbt_api
    # The Airflow connection (type HTTP) with the server's address and credentials.
    conn_id: dbt_api_default
""",
}


def settings_file(runner: str, domains: str = "") -> str:
    """`dbt_af_k8s.yml` with what most projects set first; the rest has defaults. `domains` is a line of settings."""
    chosen = f"\n{domains}\n" if domains else ""
    return f"""\
# Settings of dbt_af_k8s, read beside dbt_project.yml. Every key has a default; see the reference of settings.
{chosen}
schedules:
  # For nodes that name no schedule of their own in their meta.
  default: "@daily"

runners:
  # Where dbt runs, by dbt target (a name or a pattern). The first row that fits counts, so write others above this one.
  # {runner}: {MEANINGS[runner]}.
{_ROWS[runner].rstrip()}

dags:
  timezone: UTC
  # The first data interval begins here; runs before today are made up for only with catchup.
  start_date: 2026-01-01
  catchup: false
"""


def dag_file(project: str) -> str:
    """The one-line DAG file of a project; the path is relative to the file itself."""
    return f'from dbt_af_k8s.airflow import dbt_dags; globals().update(dbt_dags("{project}"))\n'


#: A project of two domains that runs on DuckDB without any set-up: path -> text.
EXAMPLE: Mapping[str, str] = {
    "dbt_project.yml": """\
name: example
version: "1.0"
config-version: 2
profile: example

seeds:
  example:
    +meta: {schedule: "@daily"}
models:
  example:
    +materialized: table
""",
    "profiles.yml": """\
example:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: example.duckdb
""",
    "seeds/sales/raw_orders.csv": """\
order_id,customer,ordered_at,amount
1,Ada,2026-01-01,20.00
2,Ben,2026-01-01,35.50
3,Ada,2026-01-02,12.25
""",
    "models/sales/orders.sql": """\
select order_id, customer, cast(ordered_at as date) as ordered_on, cast(amount as decimal(12, 2)) as amount
from {{ ref('raw_orders') }}
""",
    "models/sales/_sales.yml": """\
models:
  - name: orders
    description: One row for each order. The folder `sales` is its domain, and so its DAG.
    columns:
      - name: order_id
        data_tests: [unique, not_null]
""",
    "models/finance/revenue.sql": """\
-- Another domain: its DAG waits for the one of sales.
select ordered_on, sum(amount) as revenue
from {{ ref('orders') }}
group by ordered_on
""",
    "models/finance/_finance.yml": """\
models:
  - name: revenue
    description: Revenue by day.
    config:
      meta: {schedule: "@weekly", dependencies: {orders: {wait_policy: all}}}
    columns:
      - name: ordered_on
        data_tests: [unique]
""",
    ".gitignore": """\
target/
logs/
*.duckdb
""",
}
