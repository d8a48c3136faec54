"""What a backfill would do, and the windows that other domains would have to cover first."""

from datetime import UTC, datetime
from typing import Any

import pytest
from building import build_of, model, seed, test

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.backfill.form import read_backfill_form
from dbt_af_k8s.plan.backfill.preview import Preview, backfill_dag, preview
from dbt_af_k8s.schedule.values import Interval


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def previewed(*entries: Any, domain: str = "sales", settings: Any = None, **form: Any) -> Preview:
    built = build_of(*entries, settings=settings or {})
    values = {"start_dttm": "2026-01-05", "end_dttm": "2026-01-08", "chunk": "day"} | form
    return preview(built, backfill_dag(built, domain), read_backfill_form(values))


def first(found: Preview) -> list[tuple[str, list[str], str, str]]:
    return [
        (
            each.domain,
            [node.split(".")[2] for node in each.nodes],
            f"{each.window.start:%m-%dT%H}",
            f"{each.window.end:%m-%dT%H}",
        )
        for each in found.first
    ]


def test_chunks_and_tasks_in_order() -> None:
    found = previewed(
        seed("raw", folder="sales"),
        model("b", "seed.shop.raw", meta={"schedule": "@hourly"}),
        model("a", "b"),
        test("t", "b"),
        models="b a",
        with_tests=True,
        settings={"targets": {"backfill": "prod"}},
    )
    assert found.chunks == tuple(Interval(at(f"2026-01-0{day}"), at(f"2026-01-0{day + 1}")) for day in (5, 6, 7))
    assert [(task.task_id, nodes, task.target) for task, nodes in found.steps] == [
        ("b", ("model.shop.b",), "prod"),
        ("b__tests", ("test.shop.t",), "prod"),
        ("a", ("model.shop.a",), "prod"),
    ]
    assert found.first == ()


@pytest.mark.parametrize(
    ("own", "other", "policy", "start", "end"),
    [
        ("@daily", "@daily", "last", "01-05T00", "01-08T00"),
        # The hour before each midnight is enough for a wait; the data is that of the days.
        ("@daily", "@hourly", "last", "01-05T00", "01-08T00"),
        ("@daily", "@hourly", "all", "01-05T00", "01-08T00"),
        # An hour of Monday waits for the run of Sunday, and the last full day is Wednesday.
        ("@hourly", "@daily", "last", "01-04T00", "01-08T00"),
        # The last week before Wednesday ended on Sunday, 4 January.
        ("@daily", "@weekly", "last", "12-28T00", "01-04T00"),
        ("@daily", "@monthly", "last", "12-01T00", "01-01T00"),
        # A month that begins before the range.
        ("@monthly", "@daily", "last", "01-05T00", "01-08T00"),
        ("@manual", "@weekly", "last", "01-05T00", "01-08T00"),
        ("@daily", "@manual", "last", "01-05T00", "01-08T00"),
    ],
)
def test_the_window_of_an_upstream_domain(own: str, other: str, policy: str, start: str, end: str) -> None:
    found = previewed(
        model("w", folder="web", meta={"schedule": other}),
        model("a", "w", meta={"schedule": own, "dependencies": {"w": {"wait_policy": policy}}}),
    )
    assert first(found) == [("web", ["w"], start, end)]


def test_what_is_behind_the_other_domain_goes_first_too_with_its_own_window() -> None:
    found = previewed(
        model("r", folder="raw", meta={"schedule": "@weekly"}),
        model("unread", folder="raw"),
        model("w1", "r", folder="web"),
        model("w2", "w1", folder="web"),
        model("a", "w2"),
    )
    assert first(found) == [("raw", ["r"], "12-28T00", "01-04T00"), ("web", ["w1", "w2"], "01-05T00", "01-08T00")]


def test_domains_that_read_each_other() -> None:
    found = previewed(
        model("z", folder="sales"), model("w", "z", folder="web"), model("a", "w", folder="sales"), models="a"
    )
    assert first(found) == [("sales", ["z"], "01-05T00", "01-08T00"), ("web", ["w"], "01-05T00", "01-08T00")]


def test_only_what_is_selected_counts_and_what_is_skipped_does_not() -> None:
    entries = (
        model("w", folder="web"),
        model("x", folder="extra"),
        model("a", "w"),
        model("b", "a", "x", meta={"dependencies": {"x": {"skip": True}}}),
    )
    assert [domain for domain, *_ in first(previewed(*entries))] == ["web"]
    assert first(previewed(*entries, models="b")) == []


@pytest.mark.parametrize(
    ("domain", "settings", "said"),
    [
        ("slaes", {}, "Did you mean `sales`?"),
        ("sales", {"dags": {"kinds": ["freshness"]}}, "The plan has no backfill DAG"),
        ("broken", {}, "Domain `broken` has errors"),
    ],
)
def test_a_domain_that_cannot_be_backfilled(domain: str, settings: dict[str, Any], said: str) -> None:
    entries = (model("a"), model("b", folder="broken", meta={"schedule": "@dayly"}))
    with pytest.raises(UsageError, match=said):
        previewed(*entries, domain=domain, settings=settings)
