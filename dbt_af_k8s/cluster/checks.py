"""What `doctor` found: one line for each thing that it looked at, with the fix."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a thing is. Skipped: it could not be looked at, or nothing needs it."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    #: `versions`, `project`, `kubernetes` or `airflow`.
    area: str
    name: str
    verdict: Verdict
    told: str
    #: What to do; empty where nothing is.
    fix: str = ""


def fine(area: str, name: str, told: str) -> Check:
    """All is well."""
    return Check(area, name, Verdict.OK, told)


def wrong(area: str, name: str, told: str, fix: str) -> Check:
    """It would fail."""
    return Check(area, name, Verdict.ERROR, told, fix)


def doubtful(area: str, name: str, told: str, fix: str) -> Check:
    """It may fail."""
    return Check(area, name, Verdict.WARNING, told, fix)


def skipped(area: str, name: str, told: str, fix: str = "") -> Check:
    """It was not looked at."""
    return Check(area, name, Verdict.SKIPPED, told, fix)


def has_errors(checks: Iterable[Check]) -> bool:
    """Whether one of them would fail."""
    return any(check.verdict is Verdict.ERROR for check in checks)
