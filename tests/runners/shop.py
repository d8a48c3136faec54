"""The dbt project that every runner is tried with, on DuckDB; parsed and compiled once for all of them."""

import hashlib
import os
import subprocess
from pathlib import Path

from dbt_af_k8s.dbt.maintenance_package import install_package
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.store import compile_project

SECRET = "s3cret-Wert"
LINES = 5000
FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodels: {+materialized: table}\n",
    "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      path: shop.duckdb\n"
    f"      config_options: {{custom_user_agent: {SECRET}}}\n",
    "seeds/raw.csv": "id\n1\n2\n",
    "models/orders.sql": "select id, '{{ var(\"start_dttm\") }}' as s from (select 1 as id union all select 2)",
    "models/grün.sql": "{% if execute %}{% do log('Größe 😀 {\"a\": 1}', info=true) %}{% endif %}"
    'select \'{{ var("note", "-") }}\' as note',
    "models/talkative.sql": f"{{% if execute %}}{{% for i in range({LINES}) %}}"
    "{% do log('Zeile ' ~ i ~ ' ' ~ 'x' * 200, info=true) %}{% endfor %}{% endif %}select 1 as id",
    "models/moments.sql": "select timestamp '2026-01-01' as moment union all select timestamp '2026-03-01'",
    "models/broken.sql": "select {{ no_such_macro() }}",
    "models/syntax.sql": "selec 1",
    "models/flaky.sql": "select * from not_there_yet",
    "models/after_flaky.sql": "select * from {{ ref('flaky') }}",
    # Leaves a file when it begins, and then needs ten minutes without any work.
    "models/waits.sql": "{{ config(pre_hook=\"copy (select 1 as n) to 'BEGAN/{{ invocation_id }}.csv'\") }}"
    "select sleep_ms({{ var('ms', 600000) }}) as slept",
    "tests/id_is_there.sql": "select id from {{ ref('orders') }} where id is null",
    "tests/warns.sql": "{{ config(severity='warn') }} select id from {{ ref('orders') }} where id > 1",
    "tests/fails.sql": "select id from {{ ref('orders') }} where id > 1",
    "models/schema.yml": """
sources:
  - name: main
    tables:
      - name: raw
        loaded_at_field: "timestamp '2026-01-01' + to_days(id)"
        freshness: {warn_after: {count: 1, period: day}}
""",
}


def write_project(folder: Path, dbt: Path) -> Path:
    """Write the project with its manifest and its compiled plan, made by this dbt."""
    began_folder(folder).mkdir(parents=True)
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("BEGAN", str(began_folder(folder))), encoding="utf-8")
    install_package(folder)
    subprocess.run([dbt, "--quiet", "parse", "--profiles-dir", "."], cwd=folder, check=True)
    assert compile_project(PlanRequest(folder), os.environ).slices
    return folder


def began_folder(project: Path) -> Path:
    """Holds one file for each run of the model `waits` that has begun."""
    return project / "began"


def manifest_sha256(project: Path) -> str:
    """What the plan was made from."""
    return hashlib.sha256((project / "target" / "manifest.json").read_bytes()).hexdigest()
