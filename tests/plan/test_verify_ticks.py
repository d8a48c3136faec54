"""The proof's own calendar beside the shipped one: two ways to the same intervals, also where clocks change."""

from datetime import UTC, datetime, timedelta

import pytest

from dbt_af_k8s.plan.verify.ticks import DAY, Ticks, seconds
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CRONS = (
    "*/15 * * * *",
    "5-59/15 * * * *",
    "0 * * * *",
    "0 * * * 1-5",
    "30 * 1 * *",
    "0 */2 * * *",
    "30 2 * * *",
    "0,30 2 * * *",
    "*/15 0-6 * * *",
    "*/7 1-3 * * *",
    "0 0 * * 0",
    "0 0 * * 5-7",
    "0 22-4 * * FRI-MON",
    "0 0 1 * *",
    "0 0 1-31 * 1",
    "0 0 1-31 * */2",
    "0 0 */2 * */2",
    "0 0 13 * FRI",
    "0 0 ? * FRI",
    "15 2 L * *",
    "0 9 * * 1#2",
    "0 0 29 2 *",
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago")
#: Around the clock changes of these zones in 2026, and one week in May.
SPANS = ("2026-02-14", "2026-03-07", "2026-03-21", "2026-03-28", "2026-04-04", "2026-05-09", "2026-10-03", "2026-10-24")


def spans(intervals: tuple[Interval, ...]) -> list[tuple[int, int]]:
    return [(seconds(each.start), seconds(each.end)) for each in intervals]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", CRONS)
def test_the_same_intervals_as_the_shipped_calendar(cron: str, zone: str) -> None:
    ticks = Ticks(cron, zone, seconds(BEGIN), seconds(BEGIN) + 400 * DAY)
    calendar = Calendar(cron, zone)
    for text in SPANS:
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
        end = start + timedelta(days=2)
        assert ticks.row(seconds(start), seconds(end)) == spans(calendar.intervals_ending_in(start, end))
        for moment in (start, end, end + timedelta(minutes=40)):
            last = calendar.interval_ending_at_or_before(moment)
            assert ticks.last(seconds(moment)) == spans((last,))[0]


@pytest.mark.airflow
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/15 0-6 * * *", "0 */2 * * *"])
def test_the_same_intervals_as_airflow(cron: str, zone: str) -> None:
    timetables = pytest.importorskip("airflow.timetables.interval")
    restrictions = pytest.importorskip("airflow.timetables.base")
    pendulum = pytest.importorskip("pendulum")
    ticks = Ticks(cron, zone, seconds(BEGIN), seconds(BEGIN) + 400 * DAY)
    timetable = timetables.CronDataIntervalTimetable(cron, zone)
    for text in SPANS:
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
        restriction = restrictions.TimeRestriction(pendulum.instance(start - timedelta(days=2)), None, True)
        last, row = None, []
        while last is None or last.end < start + timedelta(days=2):
            info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
            last = info.data_interval
            row.append((seconds(last.start), seconds(last.end)))
        assert ticks.row(seconds(start), row[-1][1]) == [span for span in row if span[1] > seconds(start)]


def test_clock_changes_are_found_to_the_second() -> None:
    ticks = Ticks("0 0 * * *", "Europe/Berlin", seconds(BEGIN), seconds(BEGIN) + 365 * DAY)
    changes = {datetime.fromtimestamp(each, UTC) for each in ticks.changes()}
    assert {datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)} <= changes
    assert Ticks("0 0 * * *", "UTC", seconds(BEGIN), seconds(BEGIN) + DAY).changes() == []
