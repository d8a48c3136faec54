"""How long a wait sleeps."""

from datetime import UTC, datetime, timedelta

import pytest

from dbt_af_k8s.airflow.waits.pause import pause

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def slept(after: timedelta, *, longest: float | None = 300, began: timedelta = timedelta(0)) -> float:
    return pause(MIDNIGHT + after, began=MIDNIGHT + began, ready=MIDNIGHT, shortest=60, longest=longest)


def test_nothing_is_looked_at_before_the_interval_has_ended() -> None:
    assert slept(-90 * MINUTE, began=-90 * MINUTE) == 5400
    assert slept(-timedelta(seconds=1), began=-90 * MINUTE) == 60


@pytest.mark.parametrize(("after", "seconds"), [(0, 60), (10, 60), (20, 120), (45, 270), (50, 300), (600, 300)])
def test_the_pause_is_a_tenth_of_the_time_within_its_limits(after: int, seconds: float) -> None:
    assert slept(after * MINUTE) == seconds


def test_the_time_counts_from_the_beginning_of_the_wait_where_that_is_later() -> None:
    """A run of the past that is made up for looks as often at first as any other."""
    assert slept(600 * MINUTE, began=590 * MINUTE) == 60
    assert slept(630 * MINUTE, began=600 * MINUTE) == 180


def test_without_a_longest_pause_it_stays_the_same() -> None:
    assert {slept(after * MINUTE, longest=None) for after in (0, 60, 6000)} == {60}


def test_a_wait_of_a_whole_day_looks_less_than_a_quarter_as_often() -> None:
    now, looks = MIDNIGHT, 0
    while now < MIDNIGHT + timedelta(days=1):
        seconds = pause(now, began=MIDNIGHT, ready=MIDNIGHT, shortest=60, longest=300)
        assert seconds <= max(60, (now - MIDNIGHT).total_seconds() / 10 + 0.001)
        now, looks = now + timedelta(seconds=seconds), looks + 1
    assert looks < 24 * 60 / 4
