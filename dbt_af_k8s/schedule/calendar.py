"""A cron in a time zone as a row of data intervals, the very ones that Airflow's scheduler makes.

Source of every rule: `CronDataIntervalTimetable` of Airflow 3 (`airflow/timetables/_cron.py` and `interval.py`), which
steps the cron in local time without a zone and then makes the result aware. croniter given an aware moment differs in
the hours that a clock change skips or repeats.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from croniter import croniter

from dbt_af_k8s.schedule.values import Interval

#: How far before a moment the walk over intervals begins, besides `_WARM_UP_TICKS`. Airflow's steps can miss a tick in
#: the hours around a clock change and find the row again right after; no zone changes its clock by more than 3 hours.
_WARM_UP = timedelta(hours=6)
_WARM_UP_TICKS = 3
#: No zone changes its offset and changes it back within so short a time.
_OFFSET_PROBE = timedelta(days=7)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """A five-field cron and the IANA time zone in which it is read.

    Every moment that goes in or comes out is aware; what comes out is in UTC. A naive moment is a `ValueError`.
    """

    cron: str
    timezone: str = "UTC"

    def next_after(self, moment: datetime) -> datetime:
        """The first tick after a moment, by one step of Airflow's `_get_next`."""
        return _Clock(self).next_after(_utc(moment))

    def previous_before(self, moment: datetime) -> datetime:
        """The last tick before a moment, by one step of Airflow's `_get_prev`.

        Like Airflow's, the answer lies *after* the moment in the hour that a clock change skips, for crons with ticks
        in that hour; `interval_ending_at_or_before` never does that.
        """
        return _Clock(self).previous_before(_utc(moment))

    def is_tick(self, moment: datetime) -> bool:
        """Whether an interval ends at this moment."""
        return self.interval_ending_at_or_before(moment).end == moment

    def interval_ending_at_or_before(self, moment: datetime) -> Interval:
        """The latest interval that ends at or before a moment."""
        moment = _utc(moment)
        clock = _Clock(self)
        end, start, before = clock.local_ticks_back(moment, 3)
        if clock.is_steady(min(before, start - _WARM_UP), moment + _WARM_UP):
            return Interval(start, end)
        found: Interval | None = None
        for interval in clock.intervals_from(clock.anchor(moment)):
            if interval.end > moment:
                break
            found = interval
        if found is None:
            raise AssertionError(f"no interval of {self} ends at or before {moment}")
        return found

    def intervals_ending_in(self, start: datetime, end: datetime) -> tuple[Interval, ...]:
        """Every interval that ends after `start` and at or before `end`, in order."""
        start, end = _utc(start), _utc(end)
        if end <= start:
            return ()
        clock = _Clock(self)
        found = []
        for interval in clock.intervals_from(clock.anchor(start), steady_until=end):
            if interval.end > end:
                break
            if interval.end > start:
                found.append(interval)
        return tuple(found)

    def interval_starting_at_or_after(self, moment: datetime) -> Interval:
        """The first interval that begins at or after a moment: the first run of a DAG with this start date."""
        moment = _utc(moment)
        clock = _Clock(self)
        return next(each for each in clock.intervals_from(clock.anchor(moment)) if each.start >= moment)

    def stall_in(self, start: datetime, end: datetime) -> datetime | None:
        """The first moment in a span at which Airflow's scheduler makes no more runs of a DAG that catches up.

        Seen in Airflow 3.3: after a clock change, `CronDataIntervalTimetable` cannot get past an interval of some crons
        that tick in every hour (`*/15 * * * 1-5` in Berlin, `0 * * * *` on Lord Howe Island). A DAG that does not catch
        up goes on a few ticks later. None where nothing of the kind happens.
        """
        clock = _Clock(self)
        for day in clock.days_of_change(_utc(start), _utc(end)):
            for interval in clock.intervals_from(clock.anchor(day)):
                if clock.is_stuck_after(interval):
                    return interval.end
                if interval.start > day + _DAY + _WARM_UP:
                    break
        return None


class _Clock:
    """The steps of one calendar: a croniter and a time zone, made for one question and then dropped."""

    def __init__(self, calendar: Calendar) -> None:
        self._zone = ZoneInfo(calendar.timezone)
        self._cron = croniter(calendar.cron)
        self._covers_every_hour = self._cron.expanded[1] == ["*"]

    def next_after(self, moment: datetime) -> datetime:
        local = _local(moment, self._zone)
        tick: datetime = self._cron.get_next(datetime, start_time=local)
        return moment + (tick - local) if self._covers_every_hour else _aware(tick, self._zone)

    def previous_before(self, moment: datetime) -> datetime:
        local = _local(moment, self._zone)
        tick: datetime = self._cron.get_prev(datetime, start_time=local)
        return moment - (local - tick) if self._covers_every_hour else _aware(tick, self._zone)

    def local_ticks_back(self, moment: datetime, count: int) -> list[datetime]:
        """The last ticks at or before a moment as the wall clock counts them, latest first."""
        local = _local(moment, self._zone).replace(second=0, microsecond=0) + _MINUTE
        ticks = []
        for _ in range(count):
            local = self._cron.get_prev(datetime, start_time=local)
            ticks.append(_aware(local, self._zone))
        return ticks

    def anchor(self, moment: datetime) -> datetime:
        """A tick so far before a moment that the row of intervals from there is the scheduler's own at the moment."""
        tick = self.local_ticks_back(moment - _WARM_UP, _WARM_UP_TICKS)[-1]
        while self._is_moved(tick):
            tick = self.local_ticks_back(tick - _WARM_UP, 1)[-1]
        return tick

    def is_steady(self, start: datetime, end: datetime) -> bool:
        """Whether the zone has one offset over the whole span: then local time and UTC tick alike."""
        if self._zone.key == "UTC":
            return True
        offset = start.astimezone(self._zone).utcoffset()
        probe = start
        while probe < end:
            probe = min(probe + _OFFSET_PROBE, end)
            if probe.astimezone(self._zone).utcoffset() != offset:
                return False
        return True

    def intervals_from(self, anchor: datetime, steady_until: datetime | None = None) -> Iterator[Interval]:
        """The scheduler's row of intervals, the first one beginning at a tick.

        As Airflow's `next_dagrun_info` with catchup: the next interval begins where the last one ended, aligned.
        `steady_until` is only a hint: the way is shorter where the zone keeps its offset until then.
        """
        steady = steady_until is not None and self.is_steady(anchor, steady_until)
        start = anchor
        while True:
            end = self.next_after(start)
            yield Interval(start, end)
            if steady and steady_until is not None and end <= steady_until:
                start = end
                continue
            aligned = self._align_back(end)
            start = aligned if aligned > start else end

    def is_stuck_after(self, interval: Interval) -> bool:
        """Whether Airflow's step from this interval to the next one would not get on."""
        aligned = self._align_back(interval.end)
        return aligned <= interval.start and self.next_after(aligned) <= interval.start

    def days_of_change(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The beginnings of those days (24 hours counted from `start`) in which the zone changes its offset."""
        while start < end:
            if not self.is_steady(start, start + _DAY):
                yield start
            start += _DAY

    def _is_moved(self, tick: datetime) -> bool:
        """Whether a clock change lies in the hours before a tick, which may then stand where it is by accident."""
        return not self.is_steady(tick - _WARM_UP, tick)

    def _align_back(self, moment: datetime) -> datetime:
        """Airflow's `_align_to_prev`: the moment itself when it is a tick, else the tick before."""
        before = self.previous_before(moment)
        return before if self.next_after(before) != moment else moment


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"a moment needs a time zone: {moment.isoformat()}")
    plain = moment.astimezone(UTC)
    # Airflow hands out pendulum's datetimes, which lose a standard UTC when something is added to them.
    return datetime.combine(plain.date(), plain.time(), UTC)


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """What a clock on the wall shows; the second pass through a repeated hour looks like the first."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _aware(local: datetime, zone: tzinfo) -> datetime:
    """A reading of the wall clock as a moment in UTC, by the rule of Airflow's `make_aware`.

    A reading that comes twice means the second time. One that is skipped means as long after the change as it reads
    (02:30 becomes 03:30), which is what the standard library calls fold 0.
    """
    first = local.replace(tzinfo=zone, fold=0)
    second = local.replace(tzinfo=zone, fold=1)
    is_skipped = (second.utcoffset() or timedelta()) > (first.utcoffset() or timedelta())
    return (first if is_skipped else second).astimezone(UTC)
