"""Which file has a setting, and where in it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.config.setting_places import NodeFiles, config_call_mark, key_path, place_issues
from dbt_af_k8s.errors import Issue, error

ORDERS = NodeFiles("models", "orders", ("shop", "sales", "orders"), "models/sales/orders.sql", "models/_m.yml")
RAW = NodeFiles("sources", "orders", ("shop", "raw", "orders"), None, "models/_m.yml", source_name="raw")
SQL = "{{ config(materialized='table') }}\nselect 1\n"
YAML = """\
version: 2
models:
  - name: other
    config: {meta: {schedule: "@weekly"}}
  - name: orders
    config:
      meta:
        schedule: "@hurly"
        kubernetes:
          resources: {cpu: 1}
    versions:
      - v: 2
        config: {meta: {schedule: "@wekly"}}
sources:
  - name: raw
    tables:
      - {name: visits, config: {meta: {owner: 1}}}
      - name: orders
        meta: {owner: [2]}
"""
PROJECT = """\
name: shop
models:
  +meta: {pool: everywhere}
  shop:
    sales:
      +meta:
        pool: here
      +dbt_target: nowhere
"""
SETTINGS = "targets:\n  default: x\ntasks:\n  - when: {}\n    retries: no\n"
FILES = {"models/_m.yml": YAML, "models/sales/orders.sql": SQL, "dbt_project.yml": PROJECT, "dbt_af_k8s.yml": SETTINGS}


def placed(issue: Issue, node: NodeFiles = ORDERS, files: dict[str, str] = FILES) -> str | None:
    def read(name: str) -> bytes | None:
        return files[name].encode() if name in files else None

    (found,) = place_issues((issue,), {"it": node}, read, settings_file="dbt_af_k8s.yml")
    assert replace(found, file=issue.file, line=None, column=None) == issue
    return found.file_mark


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("meta.schedule", "models/_m.yml:8:9"),
        ("config.schedule", "models/_m.yml:8:9"),
        ("meta.dbt_af_k8s.schedule", "models/_m.yml:8:9"),
        ("schedule", "models/_m.yml:8:9"),
        ("meta.kubernetes.resources.memory", "models/_m.yml:10:11"),
        ("meta.kubernetes.tolerations[0]", "models/_m.yml:9:9"),
        ("meta.pool", "dbt_project.yml:7:9"),
        ("config.dbt_target", "dbt_project.yml:8:7"),
        ("config.materialized", "models/sales/orders.sql:1:11"),
        ("meta.nothing", "models/sales/orders.sql"),
    ],
)
def test_a_setting_of_a_model(key: str, expected: str) -> None:
    assert placed(error("c", "m", "f", file=ORDERS.file, node="it", key=key)) == expected


def test_a_version_has_its_own_settings() -> None:
    issue = error("c", "m", "f", file="x.sql", node="it", key="meta.schedule")
    assert placed(issue, replace(ORDERS, version="2")) == "models/_m.yml:13:25"
    assert placed(issue, replace(ORDERS, version="1")) == "models/_m.yml:8:9"


def test_a_table_of_a_source() -> None:
    assert placed(error("c", "m", "f", file="models/_m.yml", node="it", key="meta.owner"), RAW) == "models/_m.yml:19:16"


def test_a_key_of_the_settings_file() -> None:
    issue = error("c", "m", "f", file="dbt_af_k8s.yml", key="tasks[0].retries")
    assert placed(issue) == "dbt_af_k8s.yml:5:5"
    assert placed(replace(issue, key="tasks[7].x")) == "dbt_af_k8s.yml:3:1"
    assert placed(replace(issue, key="runners")) == "dbt_af_k8s.yml"


@pytest.mark.parametrize("broken", ["models: [", "models: 7", "- a", "models:\n  - 7\n  - name: [orders]\n", "\0", ""])
def test_a_file_that_is_broken_or_gone_places_nothing(broken: str) -> None:
    issue = error("c", "m", "f", file="models/sales/orders.sql", node="it", key="meta.schedule")
    assert placed(issue, files={"models/_m.yml": broken, "dbt_project.yml": broken}) == "models/sales/orders.sql"


def test_the_call_of_config_is_read_by_jinjas_own_lexer() -> None:
    sql = "{# config(schedule='no') #}\n-- schedule\n{% raw %}{{ config(schedule=1) }}{% endraw %}\n"
    assert config_call_mark(sql, "schedule") is None
    assert config_call_mark(sql + "{{-  config(\n    meta={'schedule': '}}'})  -}}", "schedule") == (5, 11)
    assert config_call_mark("{{ schedule }} {{ config(a=schedule_of(x)) }}", "schedule") is None
    assert config_call_mark("{{ config(", "schedule") is None
    assert config_call_mark("{% endblock %}", "schedule") is None


@given(st.text(max_size=60), st.text(min_size=1, max_size=8))
def test_whatever_the_files_hold_nothing_is_raised(text: str, key: str) -> None:
    issue = error("c", "m", "f", file="x.sql", node="it", key=key)
    placed(issue, files=dict.fromkeys(FILES, text))
    assert isinstance(key_path(key), tuple)
