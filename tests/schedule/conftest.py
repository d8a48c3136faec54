"""Spans over the clock changes of 2026, and moments to ask at."""

from datetime import UTC, datetime, timedelta

import pytest

#: Zone -> the clock changes of 2026, in UTC.
CHANGES = {
    "UTC": (datetime(2026, 3, 1, tzinfo=UTC),),
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
}


@pytest.fixture(scope="session")
def clock_changes() -> dict[str, tuple[datetime, ...]]:
    return CHANGES


@pytest.fixture(
    params=[(zone, change) for zone in CHANGES for change in CHANGES[zone]], ids=lambda p: f"{p[0]}-{p[1]:%b}"
)
def span(request: pytest.FixtureRequest) -> tuple[str, datetime, datetime]:
    """A zone, and five days around one of its clock changes."""
    zone, change = request.param
    return zone, change - timedelta(days=2, hours=3), change + timedelta(days=3)
