"""Which lines of a container's log are new: a log is read again and again, and no line is told twice or lost.

Lines come with the time stamps that Kubernetes puts before them (`timestamps=true`), in the order of time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dbt_af_k8s.errors import UsageError

#: Seconds between two looks, where nothing else is asked.
DEFAULT_EVERY = 10


@dataclass(frozen=True, slots=True)
class TailSettings:
    """What of the pods' output comes into the task's log."""

    is_on: bool = False
    #: Seconds between two looks; None: not asked for.
    every: int | None = None
    #: At most so many lines of a container at one look, the last ones; None: all.
    line_count: int | None = None
    only_at_end: bool = False

    @property
    def seconds(self) -> int:
        """Seconds between two looks."""
        return DEFAULT_EVERY if self.every is None else self.every


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a log has been read: the last time stamp, and how many lines have it."""

    stamp: str = ""
    count: int = 0


def tail_settings(
    tail_logs: bool | None, every: int | None, line_count: int | None, only_at_end: bool | None
) -> TailSettings:
    """The settings out of the four keys; any of the last three implies the first. Raises `UsageError`."""
    asked = {"tail_logs_every": every, "tail_logs_line_count": line_count, "tail_logs_only_at_end": only_at_end or None}
    given = [key for key, value in asked.items() if value is not None]
    if tail_logs is False and given:
        raise UsageError(f"`tail_logs: false` and `{given[0]}` contradict each other. Remove one of the two.")
    if only_at_end and every is not None:
        raise UsageError("`tail_logs_only_at_end` and `tail_logs_every` contradict each other. Remove one of the two.")
    for key, value in (("tail_logs_every", every), ("tail_logs_line_count", line_count)):
        if value is not None and value < 1:
            raise UsageError(f"`{key}` must be at least 1, found {value}.")
    return TailSettings(bool(tail_logs or given), every, line_count, bool(only_at_end))


def new_lines(text: str, position: LogPosition, most: int | None = None) -> tuple[tuple[str, ...], LogPosition]:
    """The lines of a log that come after a position, without their stamps, and the new position.

    With `most` only the last ones, and before them how many were left out.
    """
    fresh, at_stamp, stamp, last, current = [], 0, position.stamp, position.count, ""
    for line in text.splitlines():
        found, _, words = line.partition(" ")
        if not _is_stamp(found):
            # The rest of a line that Kubernetes broke, or a message of its own.
            found, words = current, line
        current = found
        if found < position.stamp:
            continue
        at_stamp = at_stamp + 1 if found == stamp else 1
        stamp, last = found, max(at_stamp, position.count) if found == position.stamp else at_stamp
        if found == position.stamp and at_stamp <= position.count:
            continue
        fresh.append(words)
    return _cut(fresh, most), LogPosition(stamp, last)


def _cut(lines: Sequence[str], most: int | None) -> tuple[str, ...]:
    if most is None or len(lines) <= most:
        return tuple(lines)
    return (f"... {len(lines) - most} lines before are left out", *lines[-most:])


def _is_stamp(word: str) -> bool:
    return len(word) >= 20 and word[4:5] == "-" and word[10:11] == "T" and word[:4].isdigit()
