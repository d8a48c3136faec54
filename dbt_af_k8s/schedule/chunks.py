"""A range of time cut into chunks, where the presets of the same name have their ticks."""

from collections.abc import Iterator
from types import MappingProxyType

from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval

#: How a range may be cut; `none`: not at all. The crons are those of `@hourly`, `@daily`, `@weekly` and `@monthly`.
_CRONS = MappingProxyType({"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 0", "month": "0 0 1 * *"})
CHUNKS = ("none", *_CRONS)


def cut_range(whole: Interval, chunk: str, timezone: str = "UTC") -> Iterator[Interval]:
    """The chunks of a range, in order: together they are the range, and none is empty.

    A cut is wherever an hour, day, week (from Sunday) or month of `timezone` (an IANA name) begins, as
    `CronDataIntervalTimetable` has it over clock changes; the first and the last chunk may be shorter. So the chunks of
    what remains after the first one are the remaining chunks.
    """
    calendar = None if chunk == "none" else Calendar(_CRONS[chunk], timezone)
    start = whole.start
    while start < whole.end:
        end = min(calendar.next_after(start), whole.end) if calendar else whole.end
        yield Interval(start, end)
        start = end


def first_chunk(whole: Interval, chunk: str, timezone: str = "UTC") -> Interval:
    """The first chunk of a range that is not empty."""
    return next(cut_range(whole, chunk, timezone))
