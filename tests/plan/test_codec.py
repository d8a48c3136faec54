"""The plan's JSON: exact both ways, the same bytes each time, and friendly to broken text."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.errors import DbtAfK8sError
from dbt_af_k8s.plan.codec import PlanFormatError, from_json, plan_to_dict, to_json
from dbt_af_k8s.plan.values import (
    DagKind,
    DagPlan,
    LeftOut,
    Plan,
    TaskKind,
    TaskPlan,
    WaitsFor,
)

TEXT = st.text(max_size=8)
MOMENT = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001
    max_value=datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=3))]),
)
COUNT = st.integers(0, 10**6)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def strategy_of(hint: Any) -> st.SearchStrategy:
    """Values of a type, by its hint: a field that is added to the plan is tried without a change here."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        return st.one_of(*(st.none() if each is NoneType else strategy_of(each) for each in arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(strategy_of(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*(strategy_of(each) for each in arguments))
    if origin is Mapping:
        return st.dictionaries(TEXT, PLAIN if arguments[1] is Any else strategy_of(arguments[1]), max_size=2)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{each.name: strategy_of(hints[each.name]) for each in fields(hint)})
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(hint)
    return {str: TEXT, int: COUNT, bool: st.booleans(), datetime: MOMENT}[hint]


PLANS = strategy_of(Plan).map(lambda plan: replace(plan, version=1))

WAIT = TaskPlan(
    task_id="wait__orders",
    kind=TaskKind.WAIT,
    waits_for=WaitsFor(
        "sales__hourly",
        "orders",
        "model.shop.orders",
        "last",
        "0 * * * *",
        "UTC",
        datetime(2026, 1, 1, tzinfo=UTC),
        False,
    ),
)
RUN = TaskPlan(
    task_id="revenue",
    kind=TaskKind.RUN,
    nodes=("model.shop.revenue",),
    upstream=("wait__orders",),
    target="warehouse",
    runner="local",
    because="the default target",
)
DAG = DagPlan(
    dag_id="finance__daily",
    kind=DagKind.SCHEDULED,
    domain="finance",
    schedule="0 0 * * *",
    schedule_name="@daily",
    timezone="UTC",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tasks=(WAIT, RUN),
)
PLAN = Plan("shop", "abc", "1.11.16", (DAG,), (LeftOut("analysis.shop.a", "an analysis"),))


@given(PLANS)
def test_reading_gives_back_what_was_written(plan: Plan) -> None:
    text = to_json(plan)
    again = from_json(text)
    assert again == plan
    assert to_json(again) == text


@given(PLANS)
def test_one_line_form_is_the_same_plan(plan: Plan) -> None:
    text = to_json(plan, indent=None)
    assert text.count("\n") == 1
    assert from_json(text) == plan


def test_contract_keys_always_stand() -> None:
    data = json.loads(to_json(PLAN))
    assert list(data) == ["version", "project", "manifest", "dags", "left_out", "issues"]
    assert data["manifest"] == {"sha256": "abc", "dbt_version": "1.11.16"}
    wait, run = data["dags"][0]["tasks"]
    assert run == {
        "task_id": "revenue",
        "kind": "run",
        "nodes": ["model.shop.revenue"],
        "group": None,
        "upstream": ["wait__orders"],
        "target": "warehouse",
        "runner": "local",
        "because": "the default target",
        "pool": None,
    }
    assert wait["nodes"] == []
    assert wait["upstream"] == []
    assert wait["waits_for"] == {
        "dag_id": "sales__hourly",
        "task_id": "orders",
        "node": "model.shop.orders",
        "policy": "last",
        "cron": "0 * * * *",
        "timezone": "UTC",
        "start_date": "2026-01-01T00:00:00+00:00",
        "catchup": False,
    }
    assert data["dags"][0]["start_date"] == "2026-01-01T00:00:00+00:00"


def test_times_of_other_zones_are_written_in_utc() -> None:
    berlin = datetime(2026, 7, 1, 2, tzinfo=ZoneInfo("Europe/Berlin"))
    text = to_json(replace(PLAN, dags=(replace(DAG, start_date=berlin),)))
    assert '"start_date": "2026-07-01T00:00:00+00:00"' in text
    assert from_json(text).dags[0].start_date == berlin


def test_order_of_free_mappings_does_not_change_the_bytes() -> None:
    def text(config: dict[str, object], pools: dict[str, tuple[int, str]]) -> str:
        dag = replace(DAG, tasks=(replace(RUN, executor_config=config),))
        return to_json(replace(PLAN, dags=(dag,), pools=pools))

    one = text({"a": {"c": 1, "d": 2}, "b": 1}, {"x": (1, ""), "y": (2, "")})
    assert one == text({"b": 1, "a": {"d": 2, "c": 1}}, {"y": (2, ""), "x": (1, "")})


def test_unknown_keys_of_a_later_release_are_passed_over() -> None:
    data = plan_to_dict(PLAN)
    data["new"] = 1
    data["dags"][0]["tasks"][1]["new"] = {"x": []}
    assert from_json(json.dumps(data)) == PLAN


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": (1, 2)}, "lists instead of tuples"),
        ({1: "a"}, "texts as keys"),
        ({"a": object()}, "cannot be written as JSON"),
        ({"a": float("nan")}, "cannot be written as JSON"),
    ],
)
def test_values_that_json_would_change_are_refused(config: dict, message: str) -> None:
    dag = replace(DAG, tasks=(replace(RUN, executor_config=config),))
    with pytest.raises(PlanFormatError, match=message):
        to_json(replace(PLAN, dags=(dag,)))


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(PlanFormatError, match="no time zone"):
        to_json(replace(PLAN, dags=(replace(DAG, start_date=datetime(2026, 1, 1)),)))  # noqa: DTZ001


def test_another_version_is_refused_with_the_way_out() -> None:
    text = to_json(PLAN).replace('"version": 1', '"version": 7')
    with pytest.raises(PlanFormatError, match=r"version 7; this release reads version 1.*plan --format json"):
        from_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON or is cut off"),
        ("{", "line 1, column 2"),
        ("[]", "a JSON object with a `version`"),
        ("{}", "a JSON object with a `version`"),
        ('{"version": "1"}', "`version` must be a whole number, not `1`"),
        ('{"version": true}', "`version` must be a whole number, not true"),
        ('{"version": 1}', "`manifest` is missing"),
        ('{"version": 1, "manifest": null}', "`manifest` must be an object, not null"),
        ('{"version": 1, "manifest": {"sha256": "a"}, "project": "p"}', "`manifest.dbt_version` is missing"),
        ("[" * 100_000, "cannot be read"),
        ("1" * 5000, "cannot be read"),
    ],
)
def test_foreign_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(PlanFormatError, match="This is no plan") as caught:
        from_json(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"kind": "run"', '"kind": "ran"', "`dags[0].tasks[1].kind` must be one of .*did you mean `run`"),
        ('"kind": "run"', '"kinds": "run"', "`dags[0].tasks[1].kind` is missing"),
        ('"2026-01-01T00:00:00+00:00"', '"2026-01-01"', "`dags[0].start_date` must be a time in ISO 8601 with offset"),
        ('"2026-01-01T00:00:00+00:00"', '"2026-13-01T00:00:00Z"', "must be a time in ISO 8601 with offset"),
        ('["model.shop.revenue"]', "[1]", "`dags[0].tasks[1].nodes` must be a list of texts, not a list"),
        ('"catchup": false', '"catchup": 0', "`dags[0].catchup` must be true or false, not 0"),
        ('"group": null', '"group": {}', "`dags[0].tasks[0].group` must be a text, not an object"),
        ('"issues": []', '"issues": [3]', "`issues[0]` must be an object, not 3"),
        ('"issues": []', '"issues": {}', "`issues` must be a list, not an object"),
    ],
)
def test_wrong_values_are_told_with_their_place(old: str, new: str, message: str) -> None:
    text = to_json(PLAN)
    changed = json.dumps(json.loads(text)).replace(old, new, 1)
    assert changed != json.dumps(json.loads(text))
    with pytest.raises(PlanFormatError) as caught:
        from_json(changed)
    assert re.search(re.escape(message).replace(r"\.\*", ".*"), str(caught.value)), caught.value


@given(PLANS, st.data())
def test_cut_or_changed_text_never_gives_another_error(plan: Plan, data: st.DataObject) -> None:
    text = to_json(plan)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    with suppress(DbtAfK8sError):
        from_json(text[:start] + data.draw(TEXT) + text[end:])


def test_a_lone_surrogate_survives() -> None:
    plan = replace(PLAN, project="a\ud800é")
    text = to_json(plan)
    assert "é" in text.encode("utf-8").decode("utf-8")
    assert from_json(text) == plan
