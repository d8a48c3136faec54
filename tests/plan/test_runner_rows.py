"""Rows of `runners` that change nothing are told."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from building import PROFILE, model, plan_of

TARGETS = replace(PROFILE, target_types={"dev": "duckdb", "prod": "postgres", "prod_big": "postgres"})


def told(runners: Mapping[str, Any], **meta: Any) -> list[tuple[str, str | None, str]]:
    issues = plan_of(model("a", meta=meta), settings={"runners": runners}, profile=TARGETS).issues
    return [(issue.code, issue.key, issue.fix) for issue in issues]


@pytest.mark.parametrize(
    ("runners", "key", "fix"),
    [
        ({"*": "local", "prod": "dbt_api"}, "runners.prod", "Put `prod` before `*`, or remove it."),
        ({"prod*": "local", "prod_*": "dbt_api"}, "runners.prod_*", "Put `prod_*` before `prod*`, or remove it."),
        ({"*": "local", "elsewhere": "dbt_api"}, "runners.elsewhere", "Put `elsewhere` before `*`, or remove it."),
        (
            {"dve": "dbt_api"},
            "runners.dve",
            "Did you mean `dev`? The profile has `dev`, `prod`, `prod_big`.",
        ),
    ],
)
def test_a_row_that_no_target_comes_to(runners: Mapping[str, Any], key: str, fix: str) -> None:
    assert told(runners) == [("idle-setting", key, fix)]


@pytest.mark.parametrize(
    "runners",
    [
        {"prod": "dbt_api", "*": "local"},
        {"prod": "dbt_api", "prod_*": "local", "*": "local"},
        # For targets to come.
        {"d*": "local", "p*": "dbt_api", "*": "local"},
        {"prod?": "local", "prod*": "dbt_api"},
        # It may be a target on another machine.
        {"staging": "dbt_api"},
        {"stag*": "dbt_api"},
    ],
)
def test_rows_that_do_something_or_may_elsewhere(runners: Mapping[str, Any]) -> None:
    assert told(runners) == []


def test_a_row_that_lends_its_options_to_a_node() -> None:
    assert told({"*": "local", "served": {"type": "dbt_api", "conn_id": "x"}}, runner="dbt_api") == []


def test_variables_that_a_server_does_not_get_are_told_at_the_file_of_the_node() -> None:
    (issue,) = plan_of(model("a", meta={"env": {"LEVEL": 3}}), settings={"runners": {"*": "dbt_api"}}).issues
    assert (issue.code, issue.file) == ("env-not-sent", "models/sales/a.sql")
