"""Cutting a range: chunks are the range, end where days end, and are the scheduler's own intervals."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.chunks import CHUNKS, cut_range, first_chunk
from dbt_af_k8s.schedule.values import Interval

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Havana", "America/Sao_Paulo")
CRONS = {"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 0", "month": "0 0 1 * *"}
#: The longest range in which a chunk may be looked for, so that no example has thousands of chunks.
LONGEST = {"none": 4000, "hour": 2, "day": 40, "week": 200, "month": 900}


@st.composite
def ranges(draw: st.DrawFn) -> tuple[Interval, str, str]:
    chunk = draw(st.sampled_from(CHUNKS))
    start = at("2016-01-01") + draw(st.timedeltas(timedelta(), timedelta(days=14 * 365)))
    length = draw(st.timedeltas(timedelta(microseconds=1), timedelta(days=LONGEST[chunk])))
    return Interval(start, start + length), chunk, draw(st.sampled_from(ZONES))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(whole: Interval, chunk: str, timezone: str = "UTC") -> list[str]:
    return [f"{each.start:%m-%dT%H:%M} {each.end:%m-%dT%H:%M}" for each in cut_range(whole, chunk, timezone)]


@given(ranges())
def test_the_chunks_are_the_range(case: tuple[Interval, str, str]) -> None:
    whole = case[0]
    found = list(cut_range(*case))
    assert found[0].start == whole.start
    assert found[-1].end == whole.end
    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(each.start < each.end for each in found)
    assert all(each.start.tzinfo is UTC and each.end.tzinfo is UTC for each in found)


@given(ranges())
def test_the_chunks_of_the_rest_are_the_remaining_chunks(case: tuple[Interval, str, str]) -> None:
    whole, chunk, timezone = case
    first, *others = cut_range(*case)
    assert first_chunk(*case) == first
    assert others == list(cut_range(Interval(first.end, whole.end), chunk, timezone))


@given(ranges().filter(lambda case: case[1] != "none"))
def test_from_tick_to_tick_the_chunks_are_the_schedulers_intervals(case: tuple[Interval, str, str]) -> None:
    whole, chunk, timezone = case
    calendar = Calendar(CRONS[chunk], timezone)
    inside = calendar.intervals_ending_in(whole.start, whole.end)[1:]
    if inside:
        ticks = Interval(inside[0].start, inside[-1].end)
        assert tuple(cut_range(ticks, chunk, timezone)) == inside


@pytest.mark.parametrize(
    ("start", "end", "chunk", "timezone", "cuts"),
    [
        ("2026-01-01", "2026-01-03", "none", "UTC", ["01-01T00:00 01-03T00:00"]),
        ("2026-01-01T22:30", "2026-01-02T00:30", "hour", "UTC", 3),
        ("2026-01-01T22:30", "2026-01-02T00:30", "hour", "Asia/Kolkata", 2),
        (
            "2026-01-01T06:00",
            "2026-01-03",
            "day",
            "UTC",
            ["01-01T06:00 01-02T00:00", "01-02T00:00 01-03T00:00"],
        ),
        # 2026-01-04 is a Sunday.
        ("2026-01-01", "2026-01-06", "week", "UTC", ["01-01T00:00 01-04T00:00", "01-04T00:00 01-06T00:00"]),
        (
            "2026-01-31",
            "2026-03-02",
            "month",
            "UTC",
            ["01-31T00:00 02-01T00:00", "02-01T00:00 03-01T00:00", "03-01T00:00 03-02T00:00"],
        ),
        # The day that has 23 hours, and the day that has 25.
        (
            "2026-03-28T23:00",
            "2026-03-30T22:00",
            "day",
            "Europe/Berlin",
            ["03-28T23:00 03-29T22:00", "03-29T22:00 03-30T22:00"],
        ),
        ("2026-10-24T22:00", "2026-10-25T23:00", "day", "Europe/Berlin", ["10-24T22:00 10-25T23:00"]),
        ("2026-10-24T22:00", "2026-10-25T23:00", "hour", "Europe/Berlin", 25),
    ],
)
def test_where_the_cuts_are(start: str, end: str, chunk: str, timezone: str, cuts: list[str] | int) -> None:
    found = shown(Interval(at(start), at(end)), chunk, timezone)
    assert (len(found) if isinstance(cuts, int) else found) == cuts
