"""Reading a five-field cron: one spelling, and errors that name the field.

The grammar is the part of croniter's (with which Airflow reads crons) that means the same in every run and every
version of croniter: no seconds, no random or hashed fields (`R`, `H`), no names like `@yearly`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from croniter import CroniterBadDateError, CroniterError, croniter

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]

#: A list of sixty minutes has 170 characters; what is longer is no schedule.
_LONGEST = 500
_LONGEST_SLUG = 60
#: Where the search for the first tick begins. Any date does; croniter looks 50 years ahead.
_EPOCH = datetime(2026, 1, 1)  # noqa: DTZ001 - a cron is read in local time without a zone

_ITEM = re.compile(r"(?:(?P<star>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)


class CronError(ValueError):
    """What is wrong with a cron, in one sentence. `never_fires` tells a cron that is well written but has no date."""

    def __init__(self, message: str, *, never_fires: bool = False) -> None:
        super().__init__(message)
        self.never_fires = never_fires


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five fields: its name, its numbers, and the words that stand for numbers."""

    name: str
    low: int
    high: int
    words: Mapping[str, int] = field(default_factory=dict)
    #: Forms beyond numbers, ranges, lists and steps that croniter knows in this field.
    special: re.Pattern[str] | None = None

    @property
    def last(self) -> int:
        """The largest number that is not another's second name: 7 is Sunday, as 0 is."""
        return 6 if self.high == 7 else self.high


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31, special=re.compile(r"\?|L", re.ASCII)),
    _Field("month", 1, 12, {word: number for number, word in enumerate(_MONTHS, start=1)}),
    _Field(
        "day of week",
        0,
        7,
        {word: number for number, word in enumerate(_WEEKDAYS)},
        special=re.compile(rf"\?|(?:[0-7]|{'|'.join(_WEEKDAYS)})#[1-5]|L[0-7]", re.ASCII),
    ),
)


def read_cron(text: str) -> str:
    """The one spelling of a cron: single spaces, capital letters. `CronError` says which field is wrong, and why."""
    if len(text) > _LONGEST:
        raise CronError(f"the cron has {len(text)} characters; {_LONGEST} is the most.")
    if not text.isascii():
        raise CronError(f"the cron {text.strip()!a} has characters that no cron has.")
    parts = text.upper().split()
    if len(parts) != len(_FIELDS):
        seconds = " Seconds and years are not supported." if len(parts) in (6, 7) else ""
        raise CronError(
            f"the cron `{text.strip()}` has {_counted(len(parts), 'field')} and needs five: "
            f"minute, hour, day of month, month, day of week.{seconds}"
        )
    for each, part in zip(_FIELDS, parts, strict=True):
        for item in part.split(","):
            _check_item(each, item, part)
    cron = " ".join(parts)
    try:
        croniter(cron, _EPOCH).get_next(datetime)
    except CroniterBadDateError:
        raise CronError(f"the cron `{cron}` never fires: it names a day that no year has.", never_fires=True) from None
    except CroniterError as fault:
        raise CronError(f"the cron `{cron}` cannot be read: {fault}") from None
    return cron


def cron_key(cron: str) -> str:
    """The part of a DAG id for a cron as `read_cron` spells it: `5 4 * * *` is `cron_5_4_any_any_any_` and a hash.

    Legal in an Airflow id. The hash keeps apart what the words do not, and crons too long to be written out.
    """
    slug = "_".join(_spelled(part) for part in cron.split())
    digest = hashlib.sha256(cron.encode()).hexdigest()[:6]
    return f"cron_{slug[:_LONGEST_SLUG].rstrip('_')}_{digest}"


_SPELLING: Sequence[tuple[str, str]] = (
    ("*/", "every"),
    ("*", "any"),
    ("?", "any"),
    ("/", "by"),
    (",", "and"),
    ("-", "to"),
    ("#", "nth"),
)


def _spelled(part: str) -> str:
    for sign, word in _SPELLING:
        part = part.replace(sign, word)
    return part


def _check_item(each: _Field, item: str, part: str) -> None:
    if each.special is not None and each.special.fullmatch(item):
        if item == "?" and part != "?":
            raise CronError(f"{each.name} `{part}`: `?` stands alone or not at all.")
        return
    match = _ITEM.fullmatch(item)
    if match is None:
        raise CronError(f"{each.name} `{part}`: `{item}` is no number, range, step or list.")
    if match["step"] is not None and int(match["step"]) == 0:
        raise CronError(f"{each.name} `{part}`: a step of 0 never gets on.")
    if match["star"]:
        return
    low = _number(each, match["low"], part)
    if match["high"] is not None:
        high = _number(each, match["high"], part)
        if low == high or (low, high) == (7, 0):
            raise CronError(
                f"{each.name} `{part}`: croniter reads `{item}` as the whole range; write `{match['low']}` for the one."
            )
    elif match["step"] is not None and low >= each.last:
        raise CronError(f"{each.name} `{part}`: nothing comes after {low}; write `{match['low']}` without the step.")


def _number(each: _Field, text: str, part: str) -> int:
    number = each.words.get(text)
    if number is None:
        if not text.isdecimal():
            known = f" or {', '.join(each.words)}" if each.words else ""
            raise CronError(f"{each.name} `{part}`: `{text}` is not a number from {each.low} to {each.high}{known}.")
        number = int(text)
    if not each.low <= number <= each.high:
        raise CronError(f"{each.name} `{part}`: {text} is not from {each.low} to {each.high}.")
    return number


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
