"""The data interval of a run that a person starts."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dbt_af_k8s.config.calendar_words import YEARS
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval

#: What a DAG without a schedule counts in: the days of its time zone.
_DAYS = "0 0 * * *"
#: A longer range in a form is a slip of the keys, and the hours of it are more than anything could walk over.
_LONGEST = timedelta(days=36525)


def interval_of_manual_run(
    calendar: Calendar | None, *, logical_date: datetime | None, run_after: datetime, timezone: str = "UTC"
) -> Interval:
    """The interval of a run whose form was left empty.

    The last full interval of the DAG's calendar that ends at or before the logical date if the run has one, else
    before the moment from which it may run. Without a calendar: the last full day of `timezone` (an IANA name), from
    midnight to midnight. `UsageError` where the moment lies outside the years 1970 to 2199.
    """
    moment = run_after if logical_date is None else logical_date
    if moment.year not in YEARS:
        raise UsageError(_wrong_year("The date of the run", moment))
    return (calendar or Calendar(_DAYS, timezone)).interval_ending_at_or_before(moment)


def interval_from_form(start_text: str | None, end_text: str | None, timezone: str = "UTC") -> Interval | None:
    """The interval that a person wrote into `start_dttm` and `end_dttm`, or None where both are empty.

    ISO 8601; a text without an offset is read in `timezone` (an IANA name). `UsageError` where only one is given, one
    cannot be read or lies outside the years 1970 to 2199, the end is not after the start, or is over a century later.
    """
    start_text, end_text = (start_text or "").strip(), (end_text or "").strip()
    if not start_text and not end_text:
        return None
    if not start_text or not end_text:
        given, missing = ("start_dttm", "end_dttm") if start_text else ("end_dttm", "start_dttm")
        raise UsageError(f"{given} is given and {missing} is not: give both, or leave both empty.")
    start = moment_from_form("start_dttm", start_text, timezone)
    end = moment_from_form("end_dttm", end_text, timezone)
    problem = range_problem(start, end, start_text, end_text)
    if problem is not None:
        raise UsageError(problem)
    return Interval(start, end)


def range_problem(start: datetime, end: datetime, start_text: str, end_text: str) -> str | None:
    """What is wrong with a range of time that a person wrote, in a sentence; None where it can be one."""
    if end <= start:
        return f"end_dttm ({end_text}) is not after start_dttm ({start_text})."
    if end - start > _LONGEST:
        return f"From start_dttm ({start_text}) to end_dttm ({end_text}) it is more than 100 years: check the years."
    return None


def moment_from_form(name: str, text: str, timezone: str = "UTC") -> datetime:
    """The moment that a person wrote into the field `name`, in UTC; read in `timezone` where it has no offset.

    `UsageError` where it cannot be read, or lies outside the years 1970 to 2199.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.year not in YEARS:
            raise UsageError(_wrong_year(f"{name} ({text[:60]})", moment))
        if moment.utcoffset() is None:
            moment = moment.replace(tzinfo=ZoneInfo(timezone))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{name} is no date and time that can be read: {text[:60]!r}. Write ISO 8601, for example "
            "2026-03-29T00:00:00+00:00 or 2026-03-29."
        ) from None


def _wrong_year(what: str, moment: datetime) -> str:
    return f"{what} lies in the year {moment.year:04}: the years {YEARS[0]} to {YEARS[-1]} can be run."
