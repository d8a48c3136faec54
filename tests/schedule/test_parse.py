"""From text to a schedule: presets, shifts, named schedules, crons, and every way to get them wrong."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.config.settings import NamedSchedule
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.parse import PRESETS, ScheduleError, named_schedule_errors, parse_schedule
from dbt_af_k8s.schedule.values import Schedule

NIGHTLY = NamedSchedule("nightly", "0 3 * * *", "Europe/Berlin")
OFFICE = NamedSchedule("office", "0 8-18 * * 1-5")
UNIT_MINUTES = {"minute": 1, "hour": 60, "day": 1440, "week": 10080}


@pytest.mark.parametrize(
    ("text", "shift", "unit", "key", "cron"),
    [
        ("@every15minutes", 0, "minute", "every15minutes", "*/15 * * * *"),
        ("@every15minutes", 5, "minute", "every15minutes_shift_5_minutes", "5-59/15 * * * *"),
        ("@every15minutes", 14, "minute", "every15minutes_shift_14_minutes", "14-59/15 * * * *"),
        ("@hourly", 0, "minute", "hourly", "0 * * * *"),
        ("@hourly", 30, "minute", "hourly_shift_30_minutes", "30 * * * *"),
        ("@daily", 0, "week", "daily", "0 0 * * *"),
        ("@daily", 90, "minute", "daily_shift_1_hours_30_minutes", "30 1 * * *"),
        ("@daily", 2, "hour", "daily_shift_2_hours", "0 2 * * *"),
        ("@daily", 120, "minute", "daily_shift_2_hours", "0 2 * * *"),
        ("@weekly", 0, "minute", "weekly", "0 0 * * 0"),
        ("@weekly", 3, "day", "weekly_shift_3_days", "0 0 * * 3"),
        ("@weekly", 25, "hour", "weekly_shift_1_days_1_hours", "0 1 * * 1"),
        ("@monthly", 0, "minute", "monthly", "0 0 1 * *"),
        ("@monthly", 2, "week", "monthly_shift_14_days", "0 0 15 * *"),
        ("@monthly", 27, "day", "monthly_shift_27_days", "0 0 28 * *"),
        (" @daily ", 0, "minute", "daily", "0 0 * * *"),
    ],
)
def test_presets_and_shifts(text: str, shift: int, unit: str, key: str, cron: str) -> None:
    found = parse_schedule(text, shift=shift, unit=unit, timezone="Europe/Berlin")
    assert found == Schedule(key, text.strip(), cron, "Europe/Berlin")


def test_manual_has_no_cron() -> None:
    found = parse_schedule("@manual")
    assert found == Schedule("manual", "@manual", None, "UTC")
    assert found.is_manual


def test_named_schedules_bring_their_zone() -> None:
    both = (NIGHTLY, OFFICE)
    assert parse_schedule("nightly", named=both) == Schedule("nightly", "nightly", "0 3 * * *", "Europe/Berlin")
    office = parse_schedule("office", named=both, timezone="America/New_York")
    assert office == Schedule("office", "office", "0 8-18 * * 1-5", "America/New_York")


@pytest.mark.parametrize(
    ("text", "cron", "slug"),
    [
        ("5 4 * * *", "5 4 * * *", "cron_5_4_any_any_any_"),
        ("  5   4 *\t* * ", "5 4 * * *", "cron_5_4_any_any_any_"),
        ("*/15 6-20 * * mon-fri", "*/15 6-20 * * MON-FRI", "cron_every15_6to20_any_any_MONtoFRI_"),
        ("0 0 1,15 jan *", "0 0 1,15 JAN *", "cron_0_0_1and15_JAN_any_"),
        ("10/20 * ? * *", "10/20 * ? * *", "cron_10by20_any_any_any_any_"),
        ("0 9 * * 1#2", "0 9 * * 1#2", "cron_0_9_any_any_1nth2_"),
        ("0 0 l * *", "0 0 L * *", "cron_0_0_L_any_any_"),
        ("0 0 * * L5", "0 0 * * L5", "cron_0_0_any_any_L5_"),
        ("0 22-4 * * 0-7", "0 22-4 * * 0-7", "cron_0_22to4_any_any_0to7_"),
        ("0 0 29 2 *", "0 0 29 2 *", "cron_0_0_29_2_any_"),
    ],
)
def test_crons(text: str, cron: str, slug: str) -> None:
    found = parse_schedule(text)
    assert (found.cron, found.name) == (cron, cron)
    assert re.fullmatch(re.escape(slug) + "[0-9a-f]{6}", found.key)


def test_a_cron_key_is_stable() -> None:
    assert parse_schedule("5 4 * * *").key == "cron_5_4_any_any_any_0920c4"


def test_crons_that_read_alike_have_their_own_keys() -> None:
    texts = ("0 0 * * *", "0 0 ? * *", "0 0 * * ?", "0 0 */1 * *")
    assert len({parse_schedule(text).key for text in texts}) == len(texts)


def test_a_long_cron_has_a_short_key() -> None:
    minutes = ",".join(str(minute) for minute in range(59))
    keys = {parse_schedule(f"{minutes} {hour} * * *").key for hour in range(3)}
    assert len(keys) == 3
    assert all(re.fullmatch("[A-Za-z0-9_]{1,80}", key) for key in keys)


@pytest.mark.parametrize(
    ("text", "shift", "unit", "code", "key", "message"),
    [
        (
            "@dayly",
            0,
            "minute",
            "unknown-schedule",
            "schedule",
            "There is no schedule `@dayly`. Did you mean `@daily`?",
        ),
        ("daily", 0, "minute", "unknown-schedule", "schedule", "There is no schedule `daily`. Did you mean `@daily`?"),
        (
            "@Daily",
            0,
            "minute",
            "unknown-schedule",
            "schedule",
            "There is no schedule `@Daily`. Did you mean `@daily`?",
        ),
        ("@nightly", 0, "minute", "unknown-schedule", "schedule", "Did you mean `nightly`?"),
        ("@yearly", 0, "minute", "unknown-schedule", "schedule", "There is no schedule `@yearly`."),
        ("", 0, "minute", "unknown-schedule", "schedule", "The schedule is empty."),
        ("x\ny" * 99, 0, "minute", "bad-cron", "schedule", "has 100 fields and needs five"),
        (
            "@hourly",
            60,
            "minute",
            "bad-shift",
            "schedule_shift",
            "A shift of 60 minutes for `@hourly` is not less than",
        ),
        ("@hourly", 90, "minute", "bad-shift", "schedule_shift", "and by less than 1 hour."),
        ("@every15minutes", 15, "minute", "bad-shift", "schedule_shift", "and by less than 15 minutes."),
        ("@daily", 1, "day", "bad-shift", "schedule_shift", "and by less than 1 day."),
        ("@weekly", 1, "week", "bad-shift", "schedule_shift", "and by less than 7 days."),
        ("@monthly", 28, "day", "bad-shift", "schedule_shift", "and by less than 28 days."),
        ("@daily", -1, "hour", "bad-shift", "schedule_shift", "A shift of -1 hours for `@daily` is negative."),
        ("@manual", 1, "hour", "bad-shift", "schedule_shift", "`@manual` cannot be shifted"),
        ("5 4 * * *", 1, "hour", "bad-shift", "schedule_shift", "`5 4 * * *` cannot be shifted"),
        ("nightly", 1, "hour", "bad-shift", "schedule_shift", "`nightly` cannot be shifted"),
        (
            "@daily",
            1,
            "hours",
            "bad-shift-unit",
            "schedule_shift_unit",
            "There is no unit `hours` for a shift. Did you",
        ),
        ("60 * * * *", 0, "minute", "bad-cron", "schedule", "Minute `60`: 60 is not from 0 to 59."),
        ("* 24 * * *", 0, "minute", "bad-cron", "schedule", "Hour `24`: 24 is not from 0 to 23."),
        ("* * 0 * *", 0, "minute", "bad-cron", "schedule", "Day of month `0`: 0 is not from 1 to 31."),
        ("* * * 13 *", 0, "minute", "bad-cron", "schedule", "Month `13`: 13 is not from 1 to 12."),
        ("* * * FOO *", 0, "minute", "bad-cron", "schedule", "Month `FOO`: `FOO` is not a number from 1 to 12 or JAN"),
        ("* * * * 8", 0, "minute", "bad-cron", "schedule", "Day of week `8`: 8 is not from 0 to 7."),
        ("*/0 * * * *", 0, "minute", "bad-cron", "schedule", "a step of 0 never gets on"),
        ("1,,2 * * * *", 0, "minute", "bad-cron", "schedule", "Minute `1,,2`: `` is no number"),
        ("-5 * * * *", 0, "minute", "bad-cron", "schedule", "Minute `-5`: `-5` is no number"),
        ("5-5 * * * *", 0, "minute", "bad-cron", "schedule", "write `5` for the one"),
        ("59/15 * * * *", 0, "minute", "bad-cron", "schedule", "write `59` without the step"),
        ("* * * * 6/2", 0, "minute", "bad-cron", "schedule", "write `6` without the step"),
        ("* * * * 7-0", 0, "minute", "bad-cron", "schedule", "write `7` for the one"),
        ("* * ?,1 * *", 0, "minute", "bad-cron", "schedule", "`?` stands alone"),
        ("H * * * *", 0, "minute", "bad-cron", "schedule", "Minute `H`: `H` is not a number"),
        ("R(0-5) * * * *", 0, "minute", "bad-cron", "schedule", "Minute `R(0-5)`: `R(0-5)` is no number"),
        ("* * 15W * *", 0, "minute", "bad-cron", "schedule", "Day of month `15W`: `15W` is not a number"),
        ("* * * * 1#6", 0, "minute", "bad-cron", "schedule", "Day of week `1#6`: `1#6` is no number"),
        ("* * * * 1,2#3", 0, "minute", "bad-cron", "schedule", "The cron `* * * * 1,2#3` cannot be read"),
        ("* * * *", 0, "minute", "bad-cron", "schedule", "has 4 fields and needs five"),
        ("* * * * * *", 0, "minute", "bad-cron", "schedule", "Seconds and years are not supported."),
        ("٣ * * * *", 0, "minute", "bad-cron", "schedule", "has characters that no cron has"),
        ("1," * 300 + "1 * * * *", 0, "minute", "bad-cron", "schedule", "500 is the most"),
        ("0 0 30 2 *", 0, "minute", "cron-never-fires", "schedule", "The cron `0 0 30 2 *` never fires"),
        ("0 0 31 4,6 *", 0, "minute", "cron-never-fires", "schedule", "The cron `0 0 31 4,6 *` never fires"),
    ],
)
def test_schedules_that_cannot_be(text: str, shift: int, unit: str, code: str, key: str, message: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text, shift=shift, unit=unit, named=(NIGHTLY,))
    assert (caught.value.code, caught.value.key) == (code, key)
    assert message in str(caught.value)
    assert str(caught.value) == f"{caught.value.message} {caught.value.fix}"


@pytest.mark.parametrize(
    "name", ["Europe/Berln", "../../etc/passwd", "", "Europe", "a\0b", "/etc/localtime", "é" * 400]
)
def test_time_zones_that_cannot_be(name: str) -> None:
    for text in ("@daily", "5 4 * * *"):
        with pytest.raises(ScheduleError) as caught:
            parse_schedule(text, timezone=name)
        assert (caught.value.code, caught.value.key) == ("unknown-timezone", "dags.timezone")
        assert len(str(caught.value)) < 300


def test_everything_wrong_with_named_schedules_comes_at_once() -> None:
    named = (
        NIGHTLY,
        NamedSchedule("daily", "0 0 * * *"),
        NamedSchedule("cron_x", "0 0 * * *"),
        NamedSchedule("hourly_shift_5_minutes", "5 * * * *"),
        NamedSchedule("with space", "0 25 * * *", "Mars/Olympus"),
        NamedSchedule("nightly", "0 4 * * *"),
        NamedSchedule("bad", "0 25 * * *"),
    )
    assert [(fault.code, fault.key) for fault in named_schedule_errors(named)] == [
        ("bad-schedule-name", "schedules.daily"),
        ("bad-schedule-name", "schedules.cron_x"),
        ("bad-schedule-name", "schedules.hourly_shift_5_minutes"),
        ("bad-schedule-name", "schedules.with space"),
        ("unknown-timezone", "schedules.with space.timezone"),
        ("bad-schedule-name", "schedules.nightly"),
        ("bad-cron", "schedules.bad.cron"),
    ]
    assert named_schedule_errors((NIGHTLY, OFFICE)) == ()


@given(st.sampled_from(PRESETS), st.integers(0, 40 * 1440), st.sampled_from(sorted(UNIT_MINUTES)))
def test_a_shift_moves_every_tick(preset_index: object, shift: int, unit: str) -> None:
    preset = next(each for each in PRESETS if each is preset_index)
    minutes = shift * UNIT_MINUTES[unit]
    if minutes >= preset.period:
        with pytest.raises(ScheduleError):
            parse_schedule(preset.name, shift=shift, unit=unit)
        return
    plain, moved = parse_schedule(preset.name), parse_schedule(preset.name, shift=shift, unit=unit)
    assert plain.cron is not None
    assert moved.cron is not None
    assert (plain == moved) == (minutes == 0)
    by = timedelta(minutes=minutes)
    moment = datetime(2026, 5, 14, 7, 3, tzinfo=UTC)
    for _ in range(5):
        moment = Calendar(plain.cron).next_after(moment)
        assert Calendar(moved.cron).is_tick(moment + by)
        assert Calendar(moved.cron).next_after(moment + by) - by == Calendar(plain.cron).next_after(moment)


@given(st.text(max_size=40))
def test_any_text_is_a_schedule_or_a_clear_error(text: str) -> None:
    try:
        told = parse_schedule(text).key
    except ScheduleError as fault:
        told = fault.code
    assert re.fullmatch("[A-Za-z0-9_.-]+", told)
