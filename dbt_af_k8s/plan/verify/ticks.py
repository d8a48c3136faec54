"""The proof's own calendar: the ticks of a cron as numbers, and Airflow's intervals between them.

Everything is in seconds since 1970. A *reading* is what a clock on the wall shows, counted as if it were UTC; a
*moment* is UTC. Shares nothing with `schedule.calendar` but its model, Airflow's `CronDataIntervalTimetable`.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

MINUTE, HOUR, DAY = 60, 3600, 86400
#: A clock change is felt for so long at most, on either side.
_SHAKEN = 12 * HOUR
_PLAIN = re.compile(r"(?:\*|\d+(?:-\d+)?)(?:/\d+)?", re.ASCII)
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
#: 29 February in years after a century without one: the largest gap between two ticks, with some to spare.
_YEARS_BACK = (1, 30)

Span = tuple[int, int]


class Ticks:
    """The ticks of one cron in one time zone around a span of moments, and the row of intervals between them."""

    def __init__(self, cron: str, timezone: str, begin: int, end: int) -> None:
        fields = cron.upper().replace("?", "*").split()
        self._times = _times_of_day(fields[0], fields[1])
        self._covers_every_hour = len({time // 60 for time in self._times}) == 24
        for years in _YEARS_BACK:
            first = begin // DAY - years * 366
            self._days = _days(fields, first, end // DAY + 40)
            if bisect_left(self._days, begin // DAY) * len(self._times) > 8:
                break
        self._offsets = _offsets(ZoneInfo(timezone), (first - 2) * DAY, end + 40 * DAY)
        self._changes = [start for start, _ in self._offsets]

    def row(self, after: int, until: int) -> list[Span]:
        """The intervals that end after one moment and not after another."""
        found = []
        for start, end in self._walk(after):
            if end > until:
                break
            if end > after:
                found.append((start, end))
        return found

    def last(self, moment: int) -> Span | None:
        """The latest interval that ends at or before a moment."""
        found: Span | None = None
        for each in self._walk(moment):
            if each[1] > moment:
                break
            found = each
        return found

    def changes(self) -> list[int]:
        """The moments at which the zone changes its offset."""
        return self._changes[1:]

    def _walk(self, moment: int) -> Iterator[Span]:
        """Intervals in the scheduler's order, from some before a moment on."""
        number = self._before(self._reading(moment - _SHAKEN)) - 2
        while number > 0 and self._is_shaken(self._moment(self._tick(number))):
            number -= 1
        start = self._moment(self._tick(max(number, 0)))
        while True:
            end = self._next(start)
            if end is None:
                return
            yield start, end
            aligned = end if self._is_calm(start, end) else self._align(end)
            start = aligned if aligned > start else end

    def _align(self, moment: int) -> int:
        number = self._before(self._reading(moment))
        tick, reading = self._tick(number), self._reading(moment)
        before = moment - (reading - tick) if self._covers_every_hour else self._moment(tick)
        return moment if self._next(before) == moment else before

    def _next(self, moment: int) -> int | None:
        reading = self._reading(moment)
        number = self._after(reading)
        if number >= len(self._days) * len(self._times):
            return None
        tick = self._tick(number)
        return moment + (tick - reading) if self._covers_every_hour else self._moment(tick)

    def _tick(self, number: int) -> int:
        day, time = divmod(number, len(self._times))
        return self._days[day] * DAY + self._times[time] * MINUTE

    def _after(self, reading: int) -> int:
        """Number of the first tick after a reading."""
        day, second = divmod(reading, DAY)
        at = bisect_left(self._days, day)
        if at == len(self._days) or self._days[at] != day:
            return at * len(self._times)
        return at * len(self._times) + bisect_right(self._times, second // MINUTE)

    def _before(self, reading: int) -> int:
        """Number of the last tick before a reading, which is a whole minute."""
        day, second = divmod(reading, DAY)
        at = bisect_left(self._days, day)
        if at == len(self._days) or self._days[at] != day:
            return at * len(self._times) - 1
        return at * len(self._times) + bisect_left(self._times, second // MINUTE) - 1

    def _reading(self, moment: int) -> int:
        return moment + self._offsets[bisect_right(self._changes, moment) - 1][1]

    def _moment(self, reading: int) -> int:
        """The last moment with this reading; for a skipped reading, as long after the change as it reads."""
        number = bisect_right(self._changes, reading + DAY) - 1
        while number > 0 and reading - self._offsets[number][1] < self._changes[number]:
            number -= 1
        return reading - self._offsets[number][1]

    def _is_calm(self, start: int, end: int) -> bool:
        return bisect_right(self._changes, start - _SHAKEN) == bisect_right(self._changes, end + _SHAKEN)

    def _is_shaken(self, moment: int) -> bool:
        return not self._is_calm(moment, moment)


def seconds(moment: datetime) -> int:
    """A moment as the proof counts it, cut to the second."""
    return int(moment.timestamp() // 1)


def _offsets(zone: ZoneInfo, begin: int, end: int) -> list[Span]:
    """From which moment on the zone has which offset, each change found to the second."""
    found = [(begin, _offset(zone, begin))]
    if zone.key == "UTC":
        return found
    day = begin
    while day < end:
        low, high = day, day + 7 * DAY
        while _offset(zone, high) != found[-1][1]:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == found[-1][1] else (low, middle)
            found.append((high, _offset(zone, high)))
            low, high = high, day + 7 * DAY
        day += 7 * DAY
    return found


def _offset(zone: ZoneInfo, moment: int) -> int:
    offset = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset() or timedelta()
    return int(offset.total_seconds())


def _times_of_day(minute: str, hour: str) -> list[int]:
    """Minutes of the day at which a cron ticks, in order."""
    minutes, hours = _numbers(minute, *_RANGES[0]), _numbers(hour, *_RANGES[1])
    if minutes is not None and hours is not None:
        return [at_hour * 60 + at_minute for at_hour in sorted(hours) for at_minute in sorted(minutes)]
    return [each % DAY // MINUTE for each in _stepped(f"{minute} {hour} * * *", 0, 1)]


def _days(fields: list[str], first: int, last: int) -> list[int]:
    """Days since 1970 on which a cron ticks, in order."""
    day_of_month, month, weekday = fields[2:]
    days, months, weekdays = (
        _numbers(text, *limits) for text, limits in zip((day_of_month, month, weekday), _RANGES[2:], strict=True)
    )
    if days is None or months is None or weekdays is None:
        return [each // DAY for each in _stepped(f"0 0 {day_of_month} {month} {weekday}", first, last)]
    # As croniter has it: a field that is written with a star, or comes to all and stands by one, asks for nothing.
    free_day = day_of_month == "*" or (len(days) == 31 and "*" in weekday)
    free_weekday = weekday == "*" or (len(weekdays) == 7 and "*" in day_of_month)
    found = []
    for number in range(first, last):
        date = datetime.fromtimestamp(number * DAY, UTC)
        if date.month in months:
            by_day, by_weekday = date.day in days, date.isoweekday() % 7 in weekdays
            wanted = by_weekday if free_day else by_day
            if not free_day and not free_weekday:
                wanted = by_day or by_weekday
            if wanted or (free_day and free_weekday):
                found.append(number)
    return found


def _numbers(text: str, low: int, high: int) -> frozenset[int] | None:
    """The numbers of a field written in digits, ranges, lists and steps; None where it has other forms."""
    found: set[int] = set()
    for item in text.split(","):
        if not _PLAIN.fullmatch(item):
            return None
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        start = low if first == "*" else int(first)
        stop = int(last) if last else high if step or first == "*" else start
        if not low <= start <= stop <= high:
            return None
        found.update(range(start, stop + 1, int(step or 1)))
    return frozenset(found)


def _stepped(cron: str, first: int, last: int) -> list[int]:
    """The ticks of a cron of rare forms (`L`, `#`, names, ranges that turn over), one by one."""
    start = datetime(1970, 1, 1) + timedelta(days=first)  # noqa: DTZ001 - readings of a clock have no zone
    steps = croniter(cron, start - timedelta(minutes=1))
    found: list[int] = []
    while True:
        tick: datetime = steps.get_next(datetime)
        number = int(tick.replace(tzinfo=UTC).timestamp())
        if number >= last * DAY:
            return found
        found.append(number)
