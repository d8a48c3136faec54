"""Dates and time zones as people write them."""

from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from dbt_af_k8s.config.wording import closest, quoted, shown
from dbt_af_k8s.errors import Issue, error

#: How a date looks, for fixes.
WRONG_DATE_FIX = "Write a date like 2026-01-31, or a time like 2026-01-31T06:00:00+01:00."
#: A date or a time in the JSON schema; `unit` is for the reference.
DATE_SCHEMA = {"type": "string", "unit": "date or time, ISO 8601"}
#: Years for which a calendar of runs makes sense.
YEARS = range(1970, 2200)
#: Names in time zone databases that mean another zone on every machine, or none.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})


def read_moment(written: Any, *, default_zone: tzinfo = UTC) -> datetime:
    """A moment in UTC of an ISO 8601 text or a YAML date; without an offset in `default_zone`.

    Raises ValueError, in words for the user, for anything else and for years outside 1970 to 2199.
    """
    moment = _as_written(written)
    if moment.year not in YEARS:
        raise ValueError(f"must lie in the years {YEARS[0]} to {YEARS[-1]}, found {shown(written)}")
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=default_zone)).astimezone(UTC)


def _as_written(written: Any) -> datetime:
    match written:
        case datetime():
            return written
        case date():
            return datetime(written.year, written.month, written.day)  # noqa: DTZ001 - the caller gives the zone
        case str():
            try:
                return datetime.fromisoformat(written.strip())
            except ValueError:
                raise ValueError(f"must be a date of the calendar in ISO 8601, found {shown(written)}") from None
        case _:
            raise ValueError(f"must be a date, found {shown(written)}")


def timezone_issue(name: str, *, file: str, key: str) -> Issue | None:
    """An error where the time zone database does not have the name, with the one that looks most like it."""
    try:
        if name not in _NO_ZONES:
            ZoneInfo(name)
            return None
    except (LookupError, ValueError, OSError):
        pass
    known = available_timezones() - _NO_ZONES
    close = closest(name, known) or next((zone for zone in sorted(known) if zone.endswith(f"/{name.title()}")), None)
    fix = f"Did you mean `{close}`?" if close else "Use an IANA name such as `Europe/Berlin` or `UTC`."
    return error("unknown-timezone", f"There is no time zone {quoted(name)}.", fix, file=file, key=key)
