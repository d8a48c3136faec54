"""A small dbt project on PostgreSQL for the tests of the server."""

from pathlib import Path

from postgres import PostgresServer

from dbt_af_k8s.dbt.selection import select_argument
from dbt_af_k8s.dbt.values import DbtSelection
from dbt_af_k8s.server.secrets_hashed import token_hash

PROJECT = {
    "dbt_project.yml": 'name: desk\nversion: "1.0"\nprofile: desk\n',
    "models/counted.sql": (
        "{{ config(materialized='incremental') }}\n"
        "select '{{ var('id', 'none') }}'::text as id{% if not is_incremental() %} where false{% endif %}"
    ),
    "models/broken.sql": "select * from nowhere",
    "models/grün.sql": "{{ config(materialized='view') }}\n{{ log('Größe 😀', info=true) }} select 1 as a",
    "models/sleeper.sql": "{{ config(materialized='table') }} select 1 as a from pg_sleep({{ var('seconds', 0) }})",
    "tests/never.sql": "select 1 as a where {{ var('fails', 'false') }}",
    "macros/shout.sql": (
        "{% macro shout(lines) %}{% for n in range(lines) %}{{ log('x' * 200 ~ ' line ' ~ n, info=true) }}{% endfor %}"
        "{% endmacro %}"
    ),
}
PROFILES = """
desk:
  target: main
  outputs:
    main: {{type: postgres, host: 127.0.0.1, port: {port}, user: {user}, password: "s3cret-pass", dbname: postgres,
      schema: {schema}, threads: 1}}
"""
#: A token for each scope, named after it.
TOKENS = {scope: f"dbt_af_k8s_test_{scope}" for scope in ("read", "run", "admin")}


def write_project(folder: Path, server: PostgresServer, schema: str) -> Path:
    for name, text in {
        **PROJECT,
        "profiles.yml": PROFILES.format(port=server.port, user=server.user, schema=schema),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def term(name: str) -> str:
    """The `--select` argument that names one model, as our Airflow tasks write it."""
    return select_argument(DbtSelection(f"model.desk.{name}", "model", "desk", ("desk", name)))


def tokens() -> dict[str, object]:
    return {
        "tokens": [
            {"name": f"{scope}er", "sha256": token_hash(token), "scopes": [scope]} for scope, token in TOKENS.items()
        ]
    }
