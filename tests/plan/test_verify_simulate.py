"""The proof finds rules that make runs wait for the wrong runs, in every kind of pair."""

from datetime import datetime, timedelta

import pytest
from building import inputs_of, model, project

from dbt_af_k8s.plan.build import build_plan
from dbt_af_k8s.plan.verify import violations
from dbt_af_k8s.plan.verify.simulate import WaitedRuns
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval
from dbt_af_k8s.schedule.waits import runs_waited_for

NIGHT = {"schedules": {"night": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}}}
PAIRS = [
    ("@hourly", "@daily"),
    ("@daily", "@hourly"),
    ("@daily", "@daily"),
    ("@weekly", "@daily"),
    ("@every15minutes", "@weekly"),
    ("@daily", "@monthly"),
    ("night", "@daily"),
    ("@hourly", "night"),
]


def found(up: str, down: str, rule: WaitedRuns, policy: str = "last", since: str | None = None) -> tuple[str, ...]:
    manifest = project(
        model("a", folder="up", meta={"schedule": up, "domain_start_date": since}),
        model("b", "a", folder="down", meta={"schedule": down, "dependencies": {"a": {"wait_policy": policy}}}),
    )
    return violations(build_plan(inputs_of(manifest, NIGHT)), manifest, waited_runs=rule)


def one_run_late(upstream: Calendar, policy: str, interval: Interval, start: datetime) -> tuple[Interval, ...]:
    later = upstream.next_after(interval.end)
    return runs_waited_for(upstream, policy, Interval(interval.start, later), start)


def one_run_early(upstream: Calendar, policy: str, interval: Interval, start: datetime) -> tuple[Interval, ...]:
    shifted = Interval(interval.start - timedelta(minutes=1), interval.end - timedelta(minutes=1))
    return runs_waited_for(upstream, policy, shifted, start)


def only_the_last(upstream: Calendar, policy: str, interval: Interval, start: datetime) -> tuple[Interval, ...]:
    return runs_waited_for(upstream, "last", interval, start)


def before_the_start(upstream: Calendar, policy: str, interval: Interval, start: datetime) -> tuple[Interval, ...]:
    return runs_waited_for(upstream, policy, interval, start - timedelta(days=40))


def nothing(upstream: Calendar, policy: str, interval: Interval, start: datetime) -> tuple[Interval, ...]:
    return ()


def twice(upstream: Calendar, policy: str, interval: Interval, start: datetime) -> tuple[Interval, ...]:
    return 2 * runs_waited_for(upstream, policy, interval, start)


def in_utc(upstream: Calendar, policy: str, interval: Interval, start: datetime) -> tuple[Interval, ...]:
    """As a rule would be that forgets time zones: right in winter only where the zone is UTC."""
    return runs_waited_for(Calendar(upstream.cron), policy, interval, start)


def an_hour_off_at_clock_changes(
    upstream: Calendar, policy: str, interval: Interval, start: datetime
) -> tuple[Interval, ...]:
    """Right all year but on the days of a clock change."""
    if interval.end.month in (3, 10) and interval.end.day in (25, 29):
        hour = timedelta(hours=1)
        interval = Interval(interval.start - hour, interval.end - hour)
    return runs_waited_for(upstream, policy, interval, start)


@pytest.mark.parametrize("policy", ["last", "all"])
@pytest.mark.parametrize(("up", "down"), PAIRS)
def test_the_shipped_rule_passes(up: str, down: str, policy: str) -> None:
    assert found(up, down, runs_waited_for, policy) == ()


@pytest.mark.parametrize("policy", ["last", "all"])
@pytest.mark.parametrize(("up", "down"), PAIRS)
@pytest.mark.parametrize("rule", [one_run_late, nothing, twice])
def test_wrong_rules_are_found_in_every_pair(rule: WaitedRuns, up: str, down: str, policy: str) -> None:
    (fault,) = found(up, down, rule, policy)
    assert fault.startswith("`")
    assert "the run of 2026-" in fault


@pytest.mark.parametrize("policy", ["last", "all"])
@pytest.mark.parametrize(("up", "down"), PAIRS)
def test_runs_before_the_start_date_are_found(up: str, down: str, policy: str) -> None:
    assert found(up, down, runs_waited_for, policy, "2026-05-20") == ()
    (fault,) = found(up, down, before_the_start, policy, "2026-05-20")
    assert "which it should not or which never exists" in fault


@pytest.mark.parametrize(("up", "down"), [("@hourly", "@daily"), ("@daily", "@daily"), ("@hourly", "@weekly")])
def test_a_shifted_interval_is_found(up: str, down: str) -> None:
    (fault,) = found(up, down, one_run_early)
    assert "does not wait for the run of" in fault


def test_a_run_that_ends_later_is_told() -> None:
    (fault,) = found("@daily", "@daily", one_run_late)
    assert fault == (
        "`0 0 * * *` (UTC) waiting for `last` of `0 0 * * *` (UTC): the run of 2026-01-01 00:00 to 2026-01-02 00:00 "
        "UTC waits for the run of 2026-01-02 00:00 to 2026-01-03 00:00 UTC, which ends later"
    )


def test_all_that_takes_the_last_only_is_found() -> None:
    (fault,) = found("@hourly", "@daily", only_the_last, "all")
    assert "does not wait for the run of 2026-01-01 00:00 to 2026-01-01 01:00 UTC" in fault


def test_a_rule_that_forgets_time_zones_is_found() -> None:
    assert len(found("night", "@daily", in_utc)) == 1
    assert found("@hourly", "@daily", in_utc) == ()


def test_a_rule_that_is_wrong_on_the_day_of_a_clock_change_only_is_found() -> None:
    assert len(found("@hourly", "night", an_hour_off_at_clock_changes)) == 1
