"""From what a project writes (`@daily`, a shift, a named schedule, a cron) to a `Schedule`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from dbt_af_k8s.config.settings import NamedSchedule
from dbt_af_k8s.errors import DbtAfK8sError
from dbt_af_k8s.schedule.cron import CronError, cron_key, read_cron
from dbt_af_k8s.schedule.values import MANUAL, Schedule

_UNITS = {"minute": 1, "hour": 60, "day": 24 * 60, "week": 7 * 24 * 60}
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Preset:
    """A schedule that everyone knows by name."""

    name: str
    #: A shift must be smaller, in minutes. A month is as long as its shortest.
    period: int
    #: The cron for a shift in minutes.
    cron: Callable[[int], str]

    @property
    def key(self) -> str:
        """Its part of a DAG id."""
        return self.name.removeprefix("@")


def _every_15_minutes(shift: int) -> str:
    return f"{shift}-59/15 * * * *" if shift else "*/15 * * * *"


def _hourly(shift: int) -> str:
    return f"{shift} * * * *"


def _daily(shift: int) -> str:
    return f"{shift % 60} {shift // 60} * * *"


def _weekly(shift: int) -> str:
    days, rest = divmod(shift, _DAY)
    return f"{rest % 60} {rest // 60} * * {days}"


def _monthly(shift: int) -> str:
    days, rest = divmod(shift, _DAY)
    return f"{rest % 60} {rest // 60} {days + 1} * *"


PRESETS = (
    Preset("@every15minutes", 15, _every_15_minutes),
    Preset("@hourly", 60, _hourly),
    Preset("@daily", _DAY, _daily),
    Preset("@weekly", 7 * _DAY, _weekly),
    Preset("@monthly", 28 * _DAY, _monthly),
)
#: What a named schedule may not be called, since a DAG id ends in it already.
RESERVED_NAMES = (
    *(preset.key for preset in PRESETS),
    "manual",
    "backfill",
    "large_tests",
    "maintenance",
    "freshness",
    "dbt_run_model",
)
_RESERVED_STARTS = ("cron_", "large_tests_", *(f"{preset.key}_shift_" for preset in PRESETS))
_LEGAL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)


class ScheduleError(DbtAfK8sError):
    """A schedule that cannot be. `code`, `message`, `fix` and `key` are those of an `Issue`.

    `key` is the node setting at fault: `schedule`, `schedule_shift` or `schedule_shift_unit`; for a named schedule and
    a time zone it is the key in the settings file.
    """

    def __init__(self, code: str, message: str, fix: str, key: str) -> None:
        self.code = code
        self.message = message
        self.fix = fix
        self.key = key
        super().__init__(f"{message} {fix}")


def parse_schedule(
    text: str,
    *,
    shift: int = 0,
    unit: str = "minute",
    named: Sequence[NamedSchedule] = (),
    timezone: str = "UTC",
) -> Schedule:
    """The schedule that a node asks for. `ScheduleError` where there is none.

    `text` is a preset (`@daily`), the name of one of `named`, or a five-field cron. `shift` moves a preset by so many
    of `unit` (`minute`, `hour`, `day`, `week`). `timezone` is the IANA name in which presets, crons and named
    schedules without a zone of their own are read. The keys are those of dbt-af's DAG ids, where it has them.
    """
    text = text.strip()
    minutes = _minutes(shift, unit)
    preset = next((each for each in PRESETS if each.name == text), None)
    if preset is not None:
        _check_timezone(timezone, "dags.timezone")
        _check_shift(preset, minutes, shift, unit)
        return Schedule(preset.key + _shift_suffix(minutes), preset.name, preset.cron(minutes), timezone)
    if minutes:
        raise ScheduleError(
            "bad-shift",
            f"`{_shown(text)}` cannot be shifted: only {_listed(PRESETS)} can.",
            "Leave schedule_shift out, or work the shift into a cron.",
            "schedule_shift",
        )
    if text == MANUAL:
        return Schedule("manual", MANUAL, None, timezone)
    for each in named:
        if each.name == text:
            return _named_schedule(each, timezone)
    if len(text.split()) > 1:
        _check_timezone(timezone, "dags.timezone")
        cron = _cron(text, "schedule")
        return Schedule(cron_key(cron), cron, cron, timezone)
    raise _unknown(text, named)


def named_schedule_errors(named: Sequence[NamedSchedule], timezone: str = "UTC") -> tuple[ScheduleError, ...]:
    """Everything wrong with the named schedules of the settings: names, crons and time zones, in their order."""
    found: list[ScheduleError] = []
    seen: set[str] = set()
    for each in named:
        reason = _why_not_a_name(each.name, seen)
        if reason is not None:
            fix = "Choose another name: letters, digits, `_`, `.` and `-`."
            found.append(ScheduleError("bad-schedule-name", reason, fix, f"schedules.{_shown(each.name)}"))
        seen.add(each.name)
        try:
            _named_schedule(each, timezone)
        except ScheduleError as fault:
            found.append(fault)
    return tuple(found)


def _named_schedule(each: NamedSchedule, timezone: str) -> Schedule:
    key = f"schedules.{_shown(each.name)}"
    zone = each.timezone or timezone
    _check_timezone(zone, f"{key}.timezone" if each.timezone else "dags.timezone")
    return Schedule(each.name, each.name, _cron(each.cron, f"{key}.cron"), zone)


def _why_not_a_name(name: str, seen: set[str]) -> str | None:
    shown = _shown(name)
    if not _LEGAL_NAME.fullmatch(name):
        return f"A schedule cannot be called `{shown}`: its name becomes part of DAG ids."
    if name in RESERVED_NAMES or name.startswith(_RESERVED_STARTS):
        return f"A schedule cannot be called `{shown}`: DAG ids use that name already."
    if name in seen:
        return f"There are two schedules called `{shown}`."
    return None


def _minutes(shift: int, unit: str) -> int:
    if unit not in _UNITS:
        close = get_close_matches(unit, _UNITS, n=1)
        hint = f"Did you mean `{close[0]}`? " if close else ""
        raise ScheduleError(
            "bad-shift-unit",
            f"There is no unit `{_shown(unit)}` for a shift.",
            f"{hint}Write one of {', '.join(_UNITS)}.",
            "schedule_shift_unit",
        )
    return shift * _UNITS[unit]


def _check_shift(preset: Preset, minutes: int, shift: int, unit: str) -> None:
    if 0 <= minutes < preset.period:
        return
    most = _words(preset.period)
    what = "is negative" if minutes < 0 else f"is not less than {most}, the time between two runs"
    raise ScheduleError(
        "bad-shift",
        f"A shift of {shift} {unit}s for `{preset.name}` {what}.",
        f"Shift `{preset.name}` by 0 or more, and by less than {most}.",
        "schedule_shift",
    )


def _shift_suffix(minutes: int) -> str:
    """dbt-af's way: days, hours and minutes, those that are not 0, always in the plural."""
    shift = timedelta(minutes=minutes)
    parts = ((shift.days, "days"), (shift.seconds // 3600, "hours"), (shift.seconds % 3600 // 60, "minutes"))
    written = "_".join(f"{count}_{unit}" for count, unit in parts if count)
    return f"_shift_{written}" if written else ""


def _words(minutes: int) -> str:
    for unit in ("day", "hour", "minute"):
        if minutes % _UNITS[unit] == 0:
            count = minutes // _UNITS[unit]
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    raise AssertionError(minutes)


def _cron(text: str, key: str) -> str:
    try:
        return read_cron(text)
    except CronError as fault:
        code = "cron-never-fires" if fault.never_fires else "bad-cron"
        message = str(fault)
        raise ScheduleError(
            code,
            f"{message[0].upper()}{message[1:]}",
            "Write minute, hour, day of month, month and day of week: `30 6 * * 1-5` is 06:30 from Monday to Friday.",
            key,
        ) from None


def _check_timezone(name: str, key: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        close = get_close_matches(name, sorted(available_timezones()), n=1)
        hint = f"Did you mean `{close[0]}`? " if close else ""
        raise ScheduleError(
            "unknown-timezone",
            f"There is no time zone `{_shown(name)}`.",
            f"{hint}Write an IANA name, for example Europe/Berlin or UTC.",
            key,
        ) from None


def _unknown(text: str, named: Sequence[NamedSchedule]) -> ScheduleError:
    known = [*(preset.name for preset in PRESETS), MANUAL, *sorted(each.name for each in named)]
    close = get_close_matches(text.lower(), known, n=1)
    hint = f"Did you mean `{close[0]}`? " if close else ""
    message = f"There is no schedule `{_shown(text)}`." if text else "The schedule is empty."
    return ScheduleError(
        "unknown-schedule", message, f"{hint}Write one of {', '.join(known)}, or a five-field cron.", "schedule"
    )


def _listed(presets: Sequence[Preset]) -> str:
    return ", ".join(preset.name for preset in presets)


def _shown(text: str) -> str:
    """A user's text for a message: on one line and not too long."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return plain if len(plain) <= 60 else f"{plain[:57]}..."
