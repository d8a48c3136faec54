"""Spans of time as people write them: a number of seconds, or `90s`, `30m`, `24h`, `7d`, `2w`, `1h30m`."""

import re
from typing import Any

from dbt_af_k8s.config.wording import shown

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d{1,12})\s*([smhdw])\s*")
#: Longest span that makes sense for a task, in seconds: ten years.
LONGEST = 3650 * 86_400
#: What a duration looks like, for messages and the reference.
DURATION_FORM = "seconds as a number, or text like `90s`, `30m`, `24h`, `7d`"


def parse_duration(value: Any) -> int:
    """Whole seconds. Raises ValueError, in words for the user, for anything that is no span of 0 s to ten years."""
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError(f"must be {DURATION_FORM}, found {shown(value)}")
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"must be between 0 seconds and ten years, found {shown(value)}")
    return seconds


def _seconds(value: Any) -> int | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float():
            return int(value) if value.is_integer() else None
        case str():
            return _seconds_of_text(value.strip().lower())
        case _:
            return None


def _seconds_of_text(text: str) -> int | None:
    if len(text) > 60 or not text.isascii():
        return None
    if text.isdecimal():
        return int(text)
    total, end = 0, 0
    for part in _PART.finditer(text):
        if part.start() != end:
            return None
        total += int(part[1]) * _SECONDS[part[2]]
        end = part.end()
    return total if text and end == len(text) else None
