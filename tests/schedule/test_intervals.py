"""Intervals of runs that a person starts."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.intervals import interval_from_form, interval_of_manual_run
from dbt_af_k8s.schedule.values import Interval

HINT = "Write ISO 8601, for example 2026-03-29T00:00:00+00:00 or 2026-03-29."


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_logical_date_comes_before_the_moment_of_the_run() -> None:
    daily = Calendar("0 0 * * *")
    found = interval_of_manual_run(daily, logical_date=at("2026-03-05T10:00"), run_after=at("2026-06-01T10:00"))
    assert found == Interval(at("2026-03-04"), at("2026-03-05"))


def test_without_a_logical_date_the_run_decides() -> None:
    hourly = Calendar("0 * * * *")
    found = interval_of_manual_run(hourly, logical_date=None, run_after=at("2026-06-01T10:00"))
    assert found == Interval(at("2026-06-01T09:00"), at("2026-06-01T10:00"))


def test_without_a_calendar_it_is_the_day_before() -> None:
    run_after = at("2026-06-01T10:00")
    assert interval_of_manual_run(None, logical_date=None, run_after=run_after) == Interval(
        at("2026-05-31"), at("2026-06-01")
    )
    found = interval_of_manual_run(None, logical_date=None, run_after=run_after, timezone="Asia/Tokyo")
    assert found == Interval(at("2026-05-30T15:00"), at("2026-05-31T15:00"))


def test_the_day_before_a_clock_change_is_a_whole_day() -> None:
    found = interval_of_manual_run(None, logical_date=None, run_after=at("2026-03-30T05:00"), timezone="Europe/Berlin")
    assert found == Interval(at("2026-03-28T23:00"), at("2026-03-29T22:00"))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, None),
        ("", "  ", None),
        ("2026-01-01", "2026-01-02", Interval(at("2026-01-01"), at("2026-01-02"))),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01+00:00", Interval(at("2026-01-01"), at("2026-01-01T00:00:01"))),
        ("2026-01-01T02:00+02:00", "2026-01-02", Interval(at("2026-01-01"), at("2026-01-02"))),
    ],
)
def test_forms(start: str | None, end: str | None, expected: Interval | None) -> None:
    assert interval_from_form(start, end, "UTC") == expected


def test_a_form_without_offset_is_read_in_the_time_zone() -> None:
    found = interval_from_form("2026-07-01", "2026-07-02", "Europe/Berlin")
    assert found == Interval(at("2026-06-30T22:00"), at("2026-07-01T22:00"))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2026-01-01", None, "start_dttm is given and end_dttm is not: give both, or leave both empty."),
        ("", "2026-01-01", "end_dttm is given and start_dttm is not: give both, or leave both empty."),
        ("2026-01-02", "2026-01-01", "end_dttm (2026-01-01) is not after start_dttm (2026-01-02)."),
        ("2026-01-01", "2026-01-01", "end_dttm (2026-01-01) is not after start_dttm (2026-01-01)."),
        (
            "yesterday",
            "2026-01-01",
            f"start_dttm is no date and time that can be read: 'yesterday'. {HINT}",
        ),
        (
            "2026-01-01",
            "9999-12-31T23:00-10:00",
            "end_dttm (9999-12-31T23:00-10:00) lies in the year 9999: the years 1970 to 2199 can be run.",
        ),
        (
            "0206-01-01",
            "2026-01-01",
            "start_dttm (0206-01-01) lies in the year 0206: the years 1970 to 2199 can be run.",
        ),
        ("2026-01-01", "20260-01-01", f"end_dttm is no date and time that can be read: '20260-01-01'. {HINT}"),
        (
            "2026-01-01",
            "2160-01-01",
            "From start_dttm (2026-01-01) to end_dttm (2160-01-01) it is more than 100 years: check the years.",
        ),
    ],
)
def test_forms_that_cannot_be(start: str | None, end: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        interval_from_form(start, end, "UTC")
    assert str(caught.value) == message


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()), st.timezones())
def test_a_form_of_any_years_is_an_interval_or_refused(start: datetime, end: datetime, zone: ZoneInfo) -> None:
    try:
        found = interval_from_form(start.isoformat(), end.isoformat(), zone.key)
    except UsageError:
        return
    assert found is not None
    assert found.start < found.end <= found.start + timedelta(days=36525)


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(["0 * * * *", "30 2 29 2 *", "0 0 1 * *"]))
def test_a_run_of_any_year_has_an_interval_or_is_refused(date: datetime, cron: str) -> None:
    if 1970 <= date.year < 2200:
        assert interval_of_manual_run(Calendar(cron), logical_date=date, run_after=date).end <= date
    else:
        with pytest.raises(UsageError, match="the years 1970 to 2199 can be run"):
            interval_of_manual_run(Calendar(cron), logical_date=date, run_after=date)
