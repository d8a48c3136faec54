"""The calendar beside Airflow's own timetable, over the clock changes of three zones and UTC."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

pytest.importorskip("airflow.timetables.interval")

from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from pendulum import instance

from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval

pytestmark = pytest.mark.airflow

CRONS = (
    "30 2 * * *",
    "*/15 * * * *",
    "5-59/15 * * * *",
    "0 */2 * * *",
    "0 0 1 * *",
    "0 0 * * 0",
    "0 * * * *",
    "*/15 0-6 * * *",
    "0,30 2 * * *",
    "30 2,3 * * *",
    "*/7 1-3 * * *",
    "0 * * * 1-5",
    "30 * 1 * *",
    "0 12 * * 1-5",
    "15 2 L * *",
    "0 9 * * 1#2",
    "45 1 29 3 *",
)


#: Zone -> the clock changes of 2026, in UTC.
CHANGES = {
    "UTC": (datetime(2026, 3, 1, tzinfo=UTC),),
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
}


@pytest.fixture(
    params=[(zone, change) for zone in CHANGES for change in CHANGES[zone]], ids=lambda p: f"{p[0]}-{p[1]:%b}"
)
def span(request: pytest.FixtureRequest) -> tuple[str, datetime, datetime]:
    """A zone, and five days around one of its clock changes."""
    zone, change = request.param
    return zone, change - timedelta(days=1, hours=3), change + timedelta(days=3)


def plain(moment: datetime) -> datetime:
    """pendulum's datetime as Python's own."""
    return datetime.fromisoformat(moment.isoformat()).astimezone(UTC)


def airflow_row(cron: str, zone: str, start: datetime, end: datetime) -> tuple[list[Interval], datetime | None]:
    """The runs that Airflow's scheduler makes one after the other, and where it gives up, if it does."""
    timetable = CronDataIntervalTimetable(cron, zone)
    restriction = TimeRestriction(instance(start), None, True)
    last: DataInterval | None = None
    row: list[Interval] = []
    while True:
        try:
            info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        except ValueError:
            return row, row[-1].end
        assert info is not None
        last = info.data_interval
        assert last is not None
        if last.end > end:
            return row, None
        row.append(Interval(plain(last.start), plain(last.end)))


def lead(cron: str) -> timedelta:
    """How long before a span the row must begin to have found its way: three ticks."""
    _, _, day, month, weekday = cron.split()
    return timedelta(
        days=1500 if month != "*" else 130 if day != "*" or "#" in weekday else 29 if weekday != "*" else 2
    )


@pytest.mark.parametrize("cron", CRONS)
def test_the_row_of_intervals(cron: str, span: tuple[str, datetime, datetime]) -> None:
    zone, start, end = span
    row, stall = airflow_row(cron, zone, start - lead(cron), end)
    calendar = Calendar(cron, zone)
    if stall is not None:
        assert calendar.stall_in(start - lead(cron), end) == stall
    last = stall or end
    assert list(calendar.intervals_ending_in(start, last)) == [each for each in row if each.end > start]
    change = end - timedelta(days=3)
    moments = [change + timedelta(minutes=30 * step + 2) for step in range(-6, 12)]
    for moment in (*moments, change, change + timedelta(minutes=30), end):
        expected = [each for each in row if each.end <= moment]
        if expected and moment <= last:
            assert calendar.interval_ending_at_or_before(moment) == expected[-1], moment


def test_moments_of_airflow_come_out_as_pythons_own() -> None:
    calendar = Calendar("0 0 * * *", "Europe/Berlin")
    moment = instance(datetime(2026, 5, 1, 12, tzinfo=UTC)).in_timezone("Europe/Berlin")
    found = calendar.interval_ending_at_or_before(moment)
    assert found == calendar.interval_ending_at_or_before(plain(moment))
    assert type(found.end) is datetime
    assert type(calendar.next_after(moment)) is datetime
    assert type(Calendar("0 * * * *").next_after(moment)) is datetime


def test_single_steps(span: tuple[str, datetime, datetime]) -> None:
    zone, _, end = span
    for cron in CRONS:
        timetable, calendar = CronDataIntervalTimetable(cron, zone), Calendar(cron, zone)
        moment = end - timedelta(days=3, hours=4)
        while moment < end - timedelta(days=2, hours=20):
            assert calendar.next_after(moment) == timetable._get_next(instance(moment)), (cron, moment)
            assert calendar.previous_before(moment) == timetable._get_prev(instance(moment)), (cron, moment)
            moment += timedelta(minutes=37)


def lists(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.lists(st.integers(low, high), min_size=1, max_size=3, unique=True)
    return numbers.map(lambda values: ",".join(str(value) for value in sorted(values)))


def spans(low: int, high: int) -> st.SearchStrategy[str]:
    pairs = st.tuples(st.integers(low, high - 1), st.integers(1, 6))
    return pairs.map(lambda pair: f"{pair[0]}-{min(pair[0] + pair[1], high)}")


minutes = st.one_of(lists(0, 59), st.integers(6, 40).map(lambda step: f"*/{step}"))
hours = st.one_of(st.just("*"), lists(0, 23), spans(0, 23), st.integers(2, 12).map(lambda step: f"*/{step}"))
days = st.sampled_from(("* * *", "* * 1-5", "* * 0,3,6"))
changes = st.sampled_from([(zone, change) for zone in CHANGES for change in CHANGES[zone]])


@settings(max_examples=examples(25))
@given(changes, minutes, hours, days)
def test_random_crons(place: tuple[str, datetime], minute: str, hour: str, day: str) -> None:
    zone, change = place
    cron = f"{minute} {hour} {day}"
    start, end = change - timedelta(hours=6), change + timedelta(hours=20)
    lead = timedelta(days=4 if day == "* * *" else 12)
    row, stall = airflow_row(cron, zone, start - lead, end)
    calendar = Calendar(cron, zone)
    if stall is None:
        assert list(calendar.intervals_ending_in(start, end)) == [each for each in row if each.end > start]
    else:
        assert calendar.stall_in(start - lead, end) == stall
