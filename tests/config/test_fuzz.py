"""Whatever is in the files: values, or issues. Never another exception."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from properties import examples

from dbt_af_k8s.config.dbt_project import parse_dbt_project
from dbt_af_k8s.config.jinja_text import TextError, render_text, unset_variables
from dbt_af_k8s.config.node_meta import NODE_SETTING_NAMES
from dbt_af_k8s.config.node_settings import read_node_settings
from dbt_af_k8s.config.parse import parse_config
from dbt_af_k8s.config.profiles import parse_profile
from dbt_af_k8s.config.resolve import resolve_settings
from dbt_af_k8s.config.settings import NodeSettings, NodeSettingsPlaces, Profile, Settings
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.config.yaml_text import load_yaml
from dbt_af_k8s.errors import Issue, ProjectError

FEW = settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])
WORDS = st.text(max_size=12) | st.sampled_from(["{{", "}}", "{{ env_var('A') }}", "{{ env_var('B', 'b') | as_bool }}"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.dates() | st.datetimes()
VALUES = st.recursive(SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(SCALARS | WORDS, below))
GOOD = {
    "select": ["a"],
    "domains": {"from": ["group", "folder"], "folder_depth": 2},
    "targets": {"default": "dev"},
    "runners": {"*": "local", "prod": {"type": "local", "dbt": "/opt/dbt"}},
    "schedules": {"default": "@hourly", "nightly": {"cron": "0 2 * * *", "timezone": "Europe/Berlin"}},
    "tests": {"per": "test"},
    "waits": {"per": "task", "timeout": "24h", "poke": 60, "deferrable": False},
    "retries": {"default": {"retries": 1}, "run": {"delay": "5m", "max_delay": "1h", "exponential_backoff": False}},
    "dags": {"start_date": "2026-01-01", "timezone": "UTC", "tags": ["a"], "prefix": "p_"},
    "pools": {"duckdb": {"slots": 1, "kinds": ["run"], "targets": "dev"}},
    "tasks": [{"when": {"kind": "run", "node": ["o*"]}, "queue": "q", "executor_config": {"a": 1}}],
    "node_settings": {"places": ["meta"], "ignore": ["owner"]},
    "strict": True,
}


def fine(issues: Iterable[Issue]) -> None:
    for issue in issues:
        assert issue.message
        assert issue.fix
        assert "\n" not in issue.message + issue.fix + (issue.key or "")


def read_config(written: dict[Any, Any]) -> None:
    config, issues = parse_config(written, file="dbt_af_k8s.yml")
    assert isinstance(config, Config)
    fine(issues)
    resolved, more = resolve_settings(config, file="dbt_af_k8s.yml")
    assert isinstance(resolved, Settings)
    fine(more)


def read_bytes(data: bytes) -> None:
    try:
        found = load_yaml(data, file="dbt_af_k8s.yml")
    except ProjectError as failed:
        fine(failed.issues)
    else:
        read_config(found.mapping)


def changed(tree: Any, data: st.DataObject) -> Any:
    """The tree with a strange value, or a strange key, somewhere."""
    if not isinstance(tree, dict | list) or not tree or data.draw(st.integers(0, 3)) == 0:
        return data.draw(VALUES)
    if isinstance(tree, list):
        return [changed(item, data) if number == 0 else item for number, item in enumerate(tree)]
    if data.draw(st.integers(0, 4)) == 0:
        return {**tree, data.draw(SCALARS): data.draw(VALUES)}
    key = data.draw(st.sampled_from(sorted(tree)))
    return {**tree, key: changed(tree[key], data)}


@FEW
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_random_bytes(data: bytes) -> None:
    read_bytes(data)


@FEW
@given(st.data())
def test_settings_with_broken_bytes(data: st.DataObject) -> None:
    good = yaml.safe_dump(GOOD).encode()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 20)))
    middle = data.draw(st.binary(max_size=6) | st.text("&*{}[]:,-!|>'\"\t\n %@#<", max_size=6).map(str.encode))
    read_bytes(good[:start] + middle + good[end:])


@FEW
@given(st.data())
def test_settings_with_a_strange_value_somewhere(data: st.DataObject) -> None:
    tree = changed(GOOD, data)
    if isinstance(tree, dict):
        read_config(tree)


@FEW
@given(st.dictionaries(st.sampled_from([*NODE_SETTING_NAMES, "dbt_af_k8s", "else"]), VALUES), st.booleans())
def test_strange_node_settings(meta: dict[str, Any], in_config: bool) -> None:
    places = NodeSettingsPlaces()
    config, meta = (meta, {}) if in_config else ({}, meta)
    read, issues = read_node_settings(config, meta, places, node="model.a.b", file="a.yml")
    assert isinstance(read, NodeSettings)
    fine(issues)


@FEW
@given(st.data())
def test_strange_profiles(data: st.DataObject) -> None:
    good = {
        "shop": {
            "target": "dev",
            "outputs": {
                "dev": {"type": "duckdb", "path": "{{ env_var('A') }}"},
                "pods": {"type": "kubernetes", "a": []},
            },
        }
    }
    tree = changed(good, data)
    if isinstance(tree, dict):
        read, issues = parse_profile(tree, "shop", file="profiles.yml", env={"A": "hidden"}, target=None)
        assert isinstance(read, Profile)
        fine(issues)
        assert not any("hidden" in issue.message + issue.fix for issue in issues)


@FEW
@given(st.text("{}%()[]'\"|.*+-~ aenv_rfo1iln", max_size=30) | st.text(max_size=30))
def test_strange_jinja(text: str) -> None:
    for wrapped in (text, "{{" + text + "}}", "{%" + text + "%}"):
        for work in (render_text, unset_variables):
            with suppress(TextError):
                work(wrapped, {"A": "1"})


@FEW
@given(st.dictionaries(st.sampled_from(["name", "profile", "version", "vars", "target-path", "models"]), VALUES))
def test_strange_projects(written: dict[str, Any]) -> None:
    try:
        fine(parse_dbt_project(written, file="dbt_project.yml", env={}).issues)
    except ProjectError as failed:
        fine(failed.issues)


def test_the_settings_that_are_broken_here_are_good() -> None:
    config, issues = parse_config(GOOD, file="dbt_af_k8s.yml")
    assert issues == ()
    assert resolve_settings(config, file="dbt_af_k8s.yml")[1] == ()
