"""Spans of time as people write them."""

from typing import Any

import pytest

from dbt_af_k8s.config.durations import LONGEST, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0),
        (90, 90),
        (60.0, 60),
        ("90", 90),
        ("90s", 90),
        ("30m", 1800),
        ("24h", 86_400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1h30m", 5400),
        (" 1H 30M ", 5400),
        (LONGEST, LONGEST),
    ],
)
def test_what_people_write(written: Any, seconds: int) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "soon", "1 parsec", "h", "1h x", "x 1h", "-5m", "1.5h", "٣h", "9" * 100, "1" * 12 + "w"),
        *(-1, 1.5, float("nan"), float("inf"), True, None, [], LONGEST + 1, 10**400),
    ],
)
def test_what_is_no_duration(written: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(written)
