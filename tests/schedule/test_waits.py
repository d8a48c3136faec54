"""Which runs a run waits for: examples of semantics, and laws over many calendars."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval
from dbt_af_k8s.schedule.waits import FIRST_RUNS, WAIT_POLICIES, runs_waited_for

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURLY = Calendar("0 * * * *")
DAILY = Calendar("0 0 * * *")
WEEKLY = Calendar("0 0 * * 0")
BERLIN_NIGHT = Calendar("30 2 * * *", "Europe/Berlin")

CALENDARS = (
    Calendar("*/15 * * * *"),
    Calendar("5-59/15 * * * *", "Europe/Berlin"),
    HOURLY,
    Calendar("30 * * * *", "Australia/Lord_Howe"),
    Calendar("0 */6 * * *", "America/New_York"),
    DAILY,
    BERLIN_NIGHT,
    WEEKLY,
    Calendar("0 0 1 * *", "Europe/Berlin"),
    Calendar("0 12 * * 1-5"),
)
calendars = st.sampled_from(CALENDARS)
moments = st.timedeltas(timedelta(days=70), timedelta(days=700)).map(lambda after: START + after)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> Interval:
    return Interval(at(text), at(text) + timedelta(days=1))


def test_last_of_an_hourly_dag_for_a_day() -> None:
    found = runs_waited_for(HOURLY, "last", day("2026-05-01"), START)
    assert found == (Interval(at("2026-05-01T23:00"), at("2026-05-02T00:00")),)


def test_all_of_an_hourly_dag_for_a_day() -> None:
    found = runs_waited_for(HOURLY, "all", day("2026-05-01"), START)
    assert len(found) == 24
    assert (found[0].start, found[-1].end) == (at("2026-05-01T00:00"), at("2026-05-02T00:00"))


def test_an_hour_waits_for_yesterday() -> None:
    hour = Interval(at("2026-05-02T10:00"), at("2026-05-02T11:00"))
    for policy in WAIT_POLICIES:
        assert runs_waited_for(DAILY, policy, hour, START) == (day("2026-05-01"),)


def test_a_day_waits_for_the_last_whole_week() -> None:
    week = Interval(at("2026-05-03T00:00"), at("2026-05-10T00:00"))
    assert runs_waited_for(WEEKLY, "last", day("2026-05-12"), START) == (week,)
    assert runs_waited_for(WEEKLY, "last", day("2026-05-09"), START) == (week,)


def test_days_over_both_clock_changes() -> None:
    spring = runs_waited_for(BERLIN_NIGHT, "last", day("2026-03-28"), START)
    assert spring == (Interval(at("2026-03-27T01:30"), at("2026-03-28T01:30")),)
    skipped = runs_waited_for(BERLIN_NIGHT, "last", day("2026-03-29"), START)
    assert skipped == (Interval(at("2026-03-28T01:30"), at("2026-03-29T01:30")),)
    repeated = runs_waited_for(BERLIN_NIGHT, "all", day("2026-10-25"), START)
    assert repeated == (Interval(at("2026-10-24T00:30"), at("2026-10-25T01:30")),)


def test_runs_before_the_start_date_are_not_waited_for() -> None:
    first = day("2026-01-01")
    assert runs_waited_for(WEEKLY, "last", first, START) == ()
    assert len(runs_waited_for(HOURLY, "all", first, START + timedelta(hours=20))) == 4
    assert runs_waited_for(HOURLY, "all", first, START + timedelta(days=2)) == ()


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="last, all"):
        runs_waited_for(HOURLY, "some", day("2026-05-01"), START)


@given(calendars, calendars, moments)
def test_last_is_the_latest_that_ends_in_time(upstream: Calendar, downstream: Calendar, moment: datetime) -> None:
    interval = downstream.interval_ending_at_or_before(moment)
    (run,) = runs_waited_for(upstream, "last", interval, at("2020-01-01"))
    assert run.end <= interval.end
    assert upstream.intervals_ending_in(run.end, interval.end) == ()


@given(calendars, calendars, st.sampled_from(WAIT_POLICIES), moments, moments)
def test_no_run_of_the_future_and_none_before_the_start(
    upstream: Calendar, downstream: Calendar, policy: str, moment: datetime, start_date: datetime
) -> None:
    interval = downstream.interval_ending_at_or_before(moment)
    for run in runs_waited_for(upstream, policy, interval, start_date):
        assert run.end <= interval.end
        assert run.start >= start_date


@given(calendars, calendars, moments)
def test_all_takes_what_ends_inside_or_else_the_last(
    upstream: Calendar, downstream: Calendar, moment: datetime
) -> None:
    interval = downstream.interval_ending_at_or_before(moment)
    found = runs_waited_for(upstream, "all", interval, at("2020-01-01"))
    assert found[-1:] == runs_waited_for(upstream, "last", interval, at("2020-01-01"))
    assert all(run.end > interval.start for run in found) or len(found) == 1
    assert list(found) == sorted(set(found))


@settings(max_examples=examples(40))
@given(
    st.sampled_from(CALENDARS[:4]),
    st.sampled_from(CALENDARS[4:]).filter(lambda calendar: calendar.cron != "0 0 1 * *"),
    moments,
)
def test_all_waits_for_every_frequent_run_once(frequent: Calendar, rare: Calendar, moment: datetime) -> None:
    row = rare.intervals_ending_in(moment, moment + timedelta(days=15))
    waited = [run for interval in row for run in runs_waited_for(frequent, "all", interval, START)]
    assert waited == list(frequent.intervals_ending_in(row[0].start, row[-1].end))


class TestClipping:
    """Runs are looked for from the start date on: with the same answer, and in no time whatever the interval is."""

    @settings(max_examples=examples(60))
    @given(calendars, st.sampled_from(WAIT_POLICIES), moments, moments, moments)
    def test_the_answer_is_that_of_the_whole_way(
        self, upstream: Calendar, policy: str, one: datetime, other: datetime, start_date: datetime
    ) -> None:
        start, end = sorted((one, other))
        interval = Interval(start - timedelta(days=30), end)
        whole = upstream.intervals_ending_in(interval.start, interval.end) if policy == "all" else ()
        whole = whole or (upstream.interval_ending_at_or_before(interval.end),)
        expected = tuple(run for run in whole if run.start >= start_date)
        assert runs_waited_for(upstream, policy, interval, start_date) == expected

    @settings(max_examples=examples(60))
    @given(
        calendars,
        st.sampled_from(WAIT_POLICIES),
        st.sampled_from(FIRST_RUNS),
        st.datetimes(timezones=st.just(UTC)),
        st.timedeltas(timedelta(minutes=1), timedelta(days=40)),
    )
    def test_no_year_is_too_much(
        self, upstream: Calendar, policy: str, first_runs: str, start: datetime, length: timedelta
    ) -> None:
        last = datetime.max.replace(tzinfo=UTC)
        end = start + length if start < last - length else last
        runs = runs_waited_for(upstream, policy, Interval(start, end), START, first_runs)
        assert all(run.start >= START for run in runs)
        if end <= START:
            assert len(runs) == (first_runs == "wait")

    def test_two_thousand_years_of_quarters_of_an_hour(self) -> None:
        since_the_year_1 = Interval(datetime.min.replace(tzinfo=UTC), at("2026-01-02T00:00"))
        assert len(runs_waited_for(Calendar("*/15 * * * *"), "all", since_the_year_1, START)) == 96
