"""A dbt project with everything that misleads who judges a node by where it stands in the manifest."""

import subprocess
from pathlib import Path

FILES = {
    "apps/shop/dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodel-paths: [models, ../../common]\n",
    "apps/shop/profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
    "apps/shop/packages.yml": "packages: [{local: ../lib}]\n",
    "apps/shop/models/sales/orders.sql": "select 1 as id, 'DE' as country",
    "apps/shop/models/sales/retired.sql": "{{ config(enabled=false) }} select 1 as id",
    # One test is switched off itself; one is of a disabled and one of a missing model.
    "apps/shop/models/sales/sales.yml": """
models:
  - name: orders
    columns:
      - name: id
        data_tests:
          - unique
          - not_null: {config: {enabled: false}}
  - name: retired
    columns: [{name: id, data_tests: [unique]}]
  - name: ghost
    columns: [{name: id, data_tests: [unique]}]
""",
    "apps/shop/tests/none_retired.sql": "{{ config(enabled=false) }} select 1 as id where 1 = 0",
    "apps/shop/models/web/visits.sql": "select id, country from {{ source('raw', 'events') }}",
    # The test is of `visits`, and compares with a seed that is as deep, and whose id is larger.
    "apps/shop/models/web/web.yml": """
models:
  - name: visits
    columns:
      - name: country
        data_tests: [{relationships: {arguments: {to: "ref('countries')", field: code}}}]
""",
    "apps/shop/seeds/raw/countries.csv": "code\nDE\n",
    # A folder of the repository that holds YAML alone, outside the project.
    "common/sources.yml": """
sources:
  - name: raw
    config: {loaded_at_field: at, freshness: {error_after: {count: 1, period: day}}}
    tables: [{name: events}, {name: gone, config: {enabled: false}}]
""",
    "apps/lib/dbt_project.yml": "name: lib\nversion: '1.0'\nmodel-paths: [sql]\n",
    "apps/lib/sql/sales/lib_orders.sql": "select 1 as id",
}


def write_odd_project(folder: Path) -> Path:
    """Write its files, those beside the project included, and tell the project's folder."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "apps" / "shop"


def dbt(programs: Path, project: Path, *argv: str) -> str:
    """Run dbt on a project and give what it prints."""
    command = [str(programs / "dbt"), *argv, "--quiet", "--profiles-dir", "."]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
