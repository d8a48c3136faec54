"""Settings of one node, from their places; the texts of problems are among `broken/`."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from dbt_af_k8s.config.node_settings import read_node_settings
from dbt_af_k8s.config.settings import Dependency, NodeSettings, NodeSettingsPlaces
from dbt_af_k8s.errors import Issue

EVERYWHERE = NodeSettingsPlaces()


def read(
    meta: dict[str, Any], config: dict[str, Any] | None = None, places: NodeSettingsPlaces = EVERYWHERE
) -> tuple[NodeSettings, tuple[Issue, ...]]:
    return read_node_settings(config or {}, meta, places, node="model.shop.orders", file="models/_orders.yml")


def fine(meta: dict[str, Any], config: dict[str, Any] | None = None) -> NodeSettings:
    settings, issues = read(meta, config)
    assert issues == ()
    return settings


TABLEAU = {"resource_name": "r", "project_name": "p", "resource_type": "workbook"}
DBT_AF = {
    "schedule": "@hourly",
    "schedule_shift": 30,
    "schedule_shift_unit": "minute",
    "dependencies": {"b": {"wait_policy": "all"}, "a": {"skip": True}, "c": None},
    "enable_from_dttm": "2026-01-01T00:00:00",
    "disable_from_dttm": "2026-02-01T00:00:00+01:00",
    "domain_start_date": "2025-06-01",
    "dbt_target": "kubernetes",
    "env": {"KEY": {"test": 1, "prod": None}, "OTHER": "x", "FLAG": True},
    "py_cluster": "py",
    "sql_cluster": "sql",
    "daily_sql_cluster": "daily",
    "bf_cluster": "bf",
    "maintenance": {"ttl": {"key": "at"}},
    "airflow_parallelism": 2,
    "tableau_refresh_tasks": [TABLEAU],
}


@pytest.mark.parametrize("place", ["own", "meta", "config"])
def test_dbt_af_projects_open_unchanged(place: str) -> None:
    meta, config = {"own": ({"dbt_af_k8s": DBT_AF}, {}), "meta": (DBT_AF, {}), "config": ({}, DBT_AF)}[place]
    assert fine(meta, config) == NodeSettings(
        schedule="@hourly",
        schedule_shift=30,
        dependencies=(Dependency("a", skip=True), Dependency("b", wait_policy="all"), Dependency("c")),
        enable_from=datetime(2026, 1, 1, tzinfo=UTC),
        disable_from=datetime(2026, 1, 31, 23, tzinfo=UTC),
        domain_start_date=datetime(2025, 6, 1, tzinfo=UTC),
        dbt_target="kubernetes",
        env={"KEY": {"test": 1, "prod": None}, "OTHER": "x", "FLAG": True},
        env_place={"own": "meta.dbt_af_k8s"}.get(place, place),
        py_cluster="py",
        sql_cluster="sql",
        daily_sql_cluster="daily",
        bf_cluster="bf",
        maintenance={"ttl": {"key": "at"}},
        airflow_parallelism=2,
        tableau_refresh_tasks=(TABLEAU,),
    )


def test_our_own_names() -> None:
    own = {"domain": "sales", "owner": "ann", "pool": "p", "queue": "q", "executor": "e", "executor_config": {"a": 1}}
    assert fine({"dbt_af_k8s": {**own, "priority_weight": -3, "retries": 0}}) == NodeSettings(
        domain="sales",
        owner="ann",
        pool="p",
        queue="q",
        executor="e",
        executor_config={"a": 1},
        priority_weight=-3,
        retries=0,
    )


def test_the_first_place_wins_key_by_key() -> None:
    meta = {"dbt_af_k8s": {"schedule": "@weekly", "pool": None}, "schedule": "@daily", "pool": "", "queue": "meta"}
    config = {"schedule": "@hourly", "pool": "config", "queue": "config", "retries": 1}
    settings = fine(meta, config)
    assert (settings.schedule, settings.queue, settings.pool, settings.retries) == ("@weekly", "meta", "config", 1)


def test_a_wrong_value_behind_a_right_one_is_nobodys_business() -> None:
    assert fine({"dbt_af_k8s": {"schedule": "@weekly"}}, {"schedule": {"cron": "x"}}).schedule == "@weekly"


def test_a_wrong_value_before_a_right_one_is_told_and_the_next_place_counts() -> None:
    settings, issues = read({"schedule": ["@daily"]}, {"schedule": "@hourly"})
    assert settings.schedule == "@hourly"
    assert [(issue.code, issue.key) for issue in issues] == [("foreign-meta", "meta.schedule")]


def test_places_can_be_narrowed() -> None:
    meta, config = {"schedule": "@daily", "dbt_af_k8s": {"pool": "p"}}, {"schedule": "@hourly", "queue": "q"}
    settings, _ = read(meta, config, NodeSettingsPlaces(("meta.dbt_af_k8s",)))
    assert settings == NodeSettings(pool="p")
    settings, _ = read(meta, config, NodeSettingsPlaces(("config", "meta")))
    assert settings == NodeSettings(schedule="@hourly", queue="q")


def test_ignored_names_still_count_in_our_own_place() -> None:
    places = NodeSettingsPlaces(ignore=("schedule", "env"))
    settings, issues = read({"schedule": ["x"], "env": "prod", "dbt_af_k8s": {"schedule": "@daily"}}, {}, places)
    assert (settings, issues) == (NodeSettings(schedule="@daily"), ())


@pytest.mark.parametrize(
    "schedule",
    ["@daily", "daily", "nightly", "0 5 * * *", "*/15 0-6,22 1 1 MON-FRI", "0 0 5 * * *", "0 0 * * 5#2", "0 0 L * *"],
)
def test_schedules_are_kept_as_they_are_written(schedule: str) -> None:
    assert fine({"schedule": schedule}).schedule == schedule


@pytest.mark.parametrize("schedule", ["every day", "at noon, every day please", "1 2", "every monday at nine am"])
def test_prose_is_no_schedule(schedule: str) -> None:
    settings, issues = read({"schedule": schedule})
    assert settings.schedule is None
    assert [(issue.code, issue.is_error) for issue in issues] == [("foreign-meta", False)]
    _, issues = read({"dbt_af_k8s": {"schedule": schedule}})
    assert [(issue.code, issue.is_error) for issue in issues] == [("bad-node-setting", True)]


@pytest.mark.parametrize(
    ("written", "unit"), [("hours", "hour"), ("Minute", "minute"), (" days ", "day"), ("week", "week")]
)
def test_units_in_both_numbers(written: str, unit: str) -> None:
    settings = fine({"schedule_shift": "2", "schedule_shift_unit": written})
    assert (settings.schedule_shift, settings.schedule_shift_unit) == (2, unit)


@pytest.mark.parametrize("owner", [{"name": "ann"}, ["ann"], 5])
def test_owners_of_other_shapes_are_passed_over_in_silence(owner: Any) -> None:
    assert fine({"owner": owner}).owner is None
    assert [issue.code for issue in read({"dbt_af_k8s": {"owner": owner}})[1]] == ["bad-node-setting"]


def test_dbts_own_keys_are_never_ours() -> None:
    config = {"group": "g", "tags": ["a"], "schema": "s", "alias": "x", "database": "d", "meta": {"schedule": "@daily"}}
    assert fine({}, config) == NodeSettings()


def test_issues_name_the_node_and_its_file() -> None:
    _, (issue,) = read({"dbt_af_k8s": {"schedul": "@daily"}})
    assert (issue.code, issue.key) == ("unknown-node-setting", "meta.dbt_af_k8s.schedul")
    assert (issue.node, issue.file) == ("model.shop.orders", "models/_orders.yml")
    assert "`schedule`" in issue.fix


def test_nodes_without_settings_cost_nothing() -> None:
    config = {f"key_{number}": number for number in range(30)}
    meta = {"team": "a", "slack": "b"}
    started = time.process_time()
    settings = [read_node_settings(config, meta, EVERYWHERE, node="n", file="f")[0] for _ in range(15_000)]
    assert time.process_time() - started < 0.5, "CPU seconds; about 0.01 on the machine it was written on"
    assert all(one is settings[0] for one in settings)
