"""Dates and time zones as people write them."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dbt_af_k8s.config.calendar_words import read_moment, timezone_issue

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("written", "zone", "moment"),
    [
        ("2026-01-31", UTC, datetime(2026, 1, 31, tzinfo=UTC)),
        (" 2026-01-31T06:00:00 ", UTC, datetime(2026, 1, 31, 6, tzinfo=UTC)),
        ("2026-01-31T06:00:00+01:00", UTC, datetime(2026, 1, 31, 5, tzinfo=UTC)),
        ("2026-01-31T06:00:00Z", PARIS, datetime(2026, 1, 31, 6, tzinfo=UTC)),
        ("2026-07-01", PARIS, datetime(2026, 6, 30, 22, tzinfo=UTC)),
        (date(2026, 1, 31), PARIS, datetime(2026, 1, 30, 23, tzinfo=UTC)),
        (datetime(2026, 1, 31, 6, tzinfo=timezone(timedelta(hours=1))), UTC, datetime(2026, 1, 31, 5, tzinfo=UTC)),
    ],
)
def test_moments_are_in_utc(written: Any, zone: Any, moment: datetime) -> None:
    assert read_moment(written, default_zone=zone) == moment
    assert read_moment(written, default_zone=zone).tzinfo is UTC


@pytest.mark.parametrize("written", ["", "soon", "2026-02-30", "2026-13-01", "0001-01-01", "9999-12-31", 5, None, []])
def test_what_is_no_moment(written: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        read_moment(written)


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/New_York", "Etc/GMT+3"])
def test_known_zones_are_fine(name: str) -> None:
    assert timezone_issue(name, file="f", key="k") is None


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("Amercia/New_York", "America/New_York"),
        ("utc+3", None),
        ("", None),
        ("../../etc/passwd", None),
        ("/etc/localtime", None),
        ("Europe", None),
        ("localtime", None),
        ("a\0b", None),
        ("x" * 5000, None),
    ],
)
def test_unknown_zones_name_the_closest(name: str, close: str | None) -> None:
    issue = timezone_issue(name, file="f.yml", key="dags.timezone")
    assert issue is not None
    assert (issue.code, issue.file, issue.key) == ("unknown-timezone", "f.yml", "dags.timezone")
    if close:
        assert f"`{close}`" in issue.fix
