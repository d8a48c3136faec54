"""The calendar alone, without Airflow: worked examples and its own laws."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
CRONS = (
    "*/15 * * * *",
    "5-59/15 * * * *",
    "0 * * * *",
    "0 0 * * *",
    "30 2 * * *",
    "0 */2 * * *",
    "*/15 0-6 * * *",
    "0 0 * * 0",
    "0 0 1 * *",
    "0 12 * * 1-5",
    "0 0 L * *",
    "0 9 * * 1#2",
)

calendars = st.builds(Calendar, st.sampled_from(CRONS), st.sampled_from(ZONES))
moments = st.timedeltas(timedelta(), timedelta(days=730)).map(lambda after: datetime(2026, 1, 1, tzinfo=UTC) + after)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ends(calendar: Calendar, start: str, end: str) -> list[str]:
    return [f"{each.end:%m-%d %H:%M}" for each in calendar.intervals_ending_in(at(start), at(end))]


def test_a_tick_in_the_skipped_hour_comes_after_the_change() -> None:
    calendar = Calendar("30 2 * * *", "Europe/Berlin")
    assert ends(calendar, "2026-03-28T00:00", "2026-03-31T00:00") == ["03-28 01:30", "03-29 01:30", "03-30 00:30"]


def test_a_tick_in_the_repeated_hour_comes_once_and_late() -> None:
    calendar = Calendar("30 2 * * *", "Europe/Berlin")
    assert ends(calendar, "2026-10-24T00:00", "2026-10-27T00:00") == ["10-24 00:30", "10-25 01:30", "10-26 01:30"]
    # 02:45 of the first pass: the wall clock shows more than 02:30, but the tick is still to come.
    first_pass = calendar.interval_ending_at_or_before(at("2026-10-25T00:45"))
    assert first_pass == Interval(at("2026-10-23T00:30"), at("2026-10-24T00:30"))


def test_a_cron_of_every_hour_ticks_through_the_changes() -> None:
    calendar = Calendar("0 * * * *", "Europe/Berlin")
    for day in ("2026-03-29", "2026-10-25"):
        runs = calendar.intervals_ending_in(at(f"{day}T00:00"), at(f"{day}T06:00"))
        assert [run.end - run.start for run in runs] == [timedelta(hours=1)] * 6


def test_half_an_hour_on_lord_howe_island() -> None:
    calendar = Calendar("0 0 * * *", "Australia/Lord_Howe")
    runs = calendar.intervals_ending_in(at("2026-04-03T00:00"), at("2026-04-06T00:00"))
    assert [run.end - run.start for run in runs] == [timedelta(hours=24), timedelta(hours=24), timedelta(hours=24.5)]


def test_the_ends_of_a_span_are_open_and_closed() -> None:
    hourly = Calendar("0 * * * *")
    assert ends(hourly, "2026-05-01T01:00", "2026-05-01T03:00") == ["05-01 02:00", "05-01 03:00"]
    assert hourly.intervals_ending_in(at("2026-05-01T03:00"), at("2026-05-01T03:00")) == ()
    assert hourly.intervals_ending_in(at("2026-05-01T03:00"), at("2026-05-01T02:00")) == ()


def test_first_interval_of_a_start_date() -> None:
    daily = Calendar("0 0 * * *")
    assert daily.interval_starting_at_or_after(at("2026-01-01T00:00")).start == at("2026-01-01T00:00")
    assert daily.interval_starting_at_or_after(at("2026-01-01T00:01")).start == at("2026-01-02T00:00")


def test_steps_and_ticks() -> None:
    weekly = Calendar("0 0 * * 0", "America/New_York")
    assert weekly.next_after(at("2026-03-08T05:00")) == at("2026-03-15T04:00")
    assert weekly.previous_before(at("2026-03-15T04:00")) == at("2026-03-08T05:00")
    assert weekly.is_tick(at("2026-03-15T04:00"))
    assert not weekly.is_tick(at("2026-03-15T05:00"))


def test_seconds_do_not_matter() -> None:
    calendar = Calendar("0 0 * * *")
    before = datetime(2026, 5, 1, 23, 59, 59, 999999, tzinfo=UTC)
    assert calendar.interval_ending_at_or_before(before).end == at("2026-05-01T00:00")
    assert calendar.interval_ending_at_or_before(before + timedelta(microseconds=1)).end == at("2026-05-02T00:00")


def test_a_leap_day_calendar() -> None:
    calendar = Calendar("0 0 29 2 *")
    found = calendar.interval_ending_at_or_before(at("2026-06-01T00:00"))
    assert found == Interval(at("2020-02-29T00:00"), at("2024-02-29T00:00"))


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Calendar("0 0 * * *").next_after(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("cron", "zone", "stall"),
    [
        ("*/15 * * * 1-5", "Europe/Berlin", "2026-10-25T23:00"),
        ("0 * * * *", "Australia/Lord_Howe", "2026-04-04T15:30"),
        ("*/15 * * * 1-5", "UTC", None),
        ("*/15 * * * *", "Europe/Berlin", None),
        ("30 2 * * *", "Europe/Berlin", None),
    ],
)
def test_where_airflow_gets_stuck(cron: str, zone: str, stall: str | None) -> None:
    found = Calendar(cron, zone).stall_in(at("2026-01-01T00:00"), at("2027-01-01T00:00"))
    assert found == (None if stall is None else at(stall))


@given(calendars, moments)
def test_the_last_interval_is_the_last(calendar: Calendar, moment: datetime) -> None:
    found = calendar.interval_ending_at_or_before(moment)
    assert found.start < found.end <= moment
    assert calendar.intervals_ending_in(found.end, moment) == ()
    assert found in calendar.intervals_ending_in(found.end - timedelta(days=1), moment)


@settings(max_examples=examples(60))
@given(calendars, moments, st.integers(1, 2000), st.integers(1, 2000))
def test_spans_add_up(calendar: Calendar, moment: datetime, first: int, second: int) -> None:
    middle, end = moment + timedelta(minutes=first), moment + timedelta(minutes=first + second)
    whole = calendar.intervals_ending_in(moment, end)
    assert whole == calendar.intervals_ending_in(moment, middle) + calendar.intervals_ending_in(middle, end)
    assert list(whole) == sorted(whole)
    assert all(each.end.tzinfo is UTC and each.start.tzinfo is UTC for each in whole)


@given(calendars, moments)
def test_a_start_date_begins_the_row(calendar: Calendar, moment: datetime) -> None:
    first = calendar.interval_starting_at_or_after(moment)
    assert first.start >= moment
    row = calendar.intervals_ending_in(moment, first.end)
    assert row[-1] == first
    assert all(each.start < moment for each in row[:-1])
