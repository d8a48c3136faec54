"""What a person writes becomes what planning reads."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dbt_af_k8s.config.resolve import RESERVED_SCHEDULES, RETRY_KINDS, resolve_settings
from dbt_af_k8s.config.settings import (
    DomainSettings,
    NamedSchedule,
    NodeSettingsPlaces,
    PoolSettings,
    RetrySettings,
    Settings,
    TargetSettings,
    TaskRule,
    WaitSettings,
)
from dbt_af_k8s.config.settings_runners import DbtApiOptions, KubernetesPodOptions, LocalOptions, RunnerRule
from dbt_af_k8s.config.written import Config


def resolved(**written: Any) -> Settings:
    settings, issues = resolve_settings(Config.model_validate(written), file="dbt_af_k8s.yml")
    assert issues == ()
    return settings


def problems(**written: Any) -> list[tuple[str, str | None]]:
    _, issues = resolve_settings(Config.model_validate(written), file="dbt_af_k8s.yml")
    assert all(issue.file == "dbt_af_k8s.yml" for issue in issues)
    return [(issue.code, issue.key) for issue in issues]


def test_nothing_written_is_the_defaults_of_the_values() -> None:
    assert resolved() == Settings(retries=dict.fromkeys(RETRY_KINDS, RetrySettings()))


def test_every_section_arrives() -> None:
    settings = resolved(
        select="tag:nightly",
        exclude=["a", "b"],
        domains={"from": ["group", "meta", "folder"], "folder_depth": 2},
        targets={"default": "dev", "tests": "tests", "maintenance": "m", "backfill": "bf"},
        runners={"prod": "kubernetes_pod", "*": {"type": "local", "dbt": "/opt/dbt/bin/dbt"}},
        tests={"per": "test"},
        waits={"per": "task", "timeout": "12h", "poke": "2m", "deferrable": False},
        pools={"z": {"slots": 2, "kinds": ["run", "test"]}, "a": {"slots": 1, "targets": "dev", "domains": ["s*"]}},
        tasks=[
            {"when": {"target": "dev", "kind": "test", "node": "o*"}, "queue": "q", "priority_weight": 3},
            {"executor": "CeleryExecutor", "executor_config": {"a": 1}},
        ],
        node_settings={"places": ["meta", "meta"], "ignore": "owner"},
        strict=True,
    )
    assert (settings.select, settings.exclude) == (("tag:nightly",), ("a", "b"))
    assert settings.domains == DomainSettings(("group", "meta", "folder"), 2)
    assert settings.targets == TargetSettings("dev", "tests", "m", "bf")
    assert settings.runners == (
        RunnerRule("prod", "kubernetes_pod", KubernetesPodOptions()),
        RunnerRule("*", "local", LocalOptions("/opt/dbt/bin/dbt")),
    )
    assert settings.tests_per == "test"
    assert settings.waits == WaitSettings("task", 12 * 3600, 120, deferrable=False)
    assert settings.pools == (
        PoolSettings("z", 2, kinds=("run", "test")),
        PoolSettings("a", 1, targets=("dev",), domains=("s*",)),
    ), "in the order of the file, for the first that fits wins"
    assert settings.tasks == (
        TaskRule(("dev",), ("test",), ("o*",), queue="q", priority_weight=3),
        TaskRule(executor="CeleryExecutor", executor_config={"a": 1}),
    )
    assert settings.node_settings == NodeSettingsPlaces(("meta",), ("owner",))
    assert settings.strict


def test_retries_come_from_the_kind_then_the_default_then_the_built_in() -> None:
    retries = resolved(
        retries={
            "default": {"retries": 5, "delay": "10s"},
            "run": {"retries": 1},
            "test": {"retries": 0, "delay": "2h", "exponential_backoff": False},
        }
    ).retries
    assert set(retries) == set(RETRY_KINDS)
    assert retries["run"] == RetrySettings(1, 10, True, 1800)
    assert retries["test"] == RetrySettings(0, 7200, False, 7200), "an unwritten max_delay gives way to a longer delay"
    assert retries["wait"] == RetrySettings(5, 10, True, 1800)


def test_named_schedules_are_sorted_and_keep_their_text() -> None:
    schedules = resolved(
        schedules={"default": "nightly", "nightly": {"cron": "no cron"}, "eu": {"cron": "0 6 * * *", "timezone": "CET"}}
    ).schedules
    assert schedules.default == "nightly"
    assert schedules.named == (NamedSchedule("eu", "0 6 * * *", "CET"), NamedSchedule("nightly", "no cron"))


@pytest.mark.parametrize(
    "name", [*RESERVED_SCHEDULES, "cron_x", "Nightly", "a-b", "a b", "a__b", "x_shift_1", "y" * 61]
)
def test_names_that_no_schedule_may_have(name: str) -> None:
    assert problems(schedules={name: {"cron": "0 0 * * *"}}) == [("bad-schedule-name", "schedules")]


def test_a_start_date_without_offset_is_one_of_the_dags_time_zone() -> None:
    berlin = {"timezone": "Europe/Berlin"}
    assert resolved(dags=berlin).dags.start_date == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert resolved(dags={**berlin, "start_date": "2026-07-01"}).dags.start_date == datetime(
        2026, 6, 30, 22, tzinfo=UTC
    )
    with_offset = {**berlin, "start_date": "2026-07-01T00:00:00Z"}
    assert resolved(dags=with_offset).dags.start_date == datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"dags": {"start_date": "soon"}}, [("bad-date", "dags.start_date")]),
        ({"dags": {"timezone": "Mars"}}, [("unknown-timezone", "dags.timezone")]),
        ({"dags": {"prefix": "a/b"}}, [("bad-setting", "dags.prefix")]),
        ({"dags": {"tags": ["a", "t" * 101]}}, [("bad-setting", "dags.tags[1]")]),
        ({"schedules": {"n": {"cron": "x", "timezone": "Mars"}}}, [("unknown-timezone", "schedules.n.timezone")]),
        ({"retries": {"run": {"delay": 60, "max_delay": 30}}}, [("bad-setting", "retries.run.max_delay")]),
        ({"pools": {"p" * 257: {"slots": 1}}}, [("bad-setting", "pools")]),
        ({"tasks": [{"queue": "q"}, {"when": {"node": "a"}}]}, [("idle-setting", "tasks[1]")]),
        ({"node_settings": {"ignore": ["owner", "ownr"]}}, [("bad-setting", "node_settings.ignore[1]")]),
    ],
)
def test_what_only_shows_when_it_is_understood(written: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert problems(**written) == expected


def test_wrong_values_leave_settings_that_still_work() -> None:
    written = {"dags": {"start_date": "soon", "timezone": "Mars", "prefix": "a/b"}, "schedules": {"Bad": {"cron": "x"}}}
    settings, issues = resolve_settings(Config.model_validate(written), file="f")
    assert len(issues) == 4
    assert settings.dags == Settings().dags
    assert settings.schedules == Settings().schedules


def test_options_of_a_runner_are_typed() -> None:
    written = {"type": "dbt_api", "conn_id": "c", "project_dir": "shop", "poke": "1m", "deferrable": False}
    assert resolved(runners={"*": written}).runners == (
        RunnerRule("*", "dbt_api", DbtApiOptions("c", "shop", 60, deferrable=False)),
    )
