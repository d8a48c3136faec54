"""A schedule and an interval of time, as values."""

from dataclasses import dataclass
from datetime import datetime

MANUAL = "@manual"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a DAG runs. Two nodes of one domain are in the same DAG when their schedules are equal."""

    #: The part of the DAG id: `daily`, `hourly_shift_30_minutes`, `manual`, a setting's name, `cron_<slug>`.
    key: str
    #: As a person would write it: `@daily`, `nightly`, `5 4 * * *`. Without the shift.
    name: str
    #: Five-field cron with the shift worked in; None where only a person starts it.
    cron: str | None
    #: IANA name of the time zone in which the cron is read.
    timezone: str = "UTC"

    @property
    def is_manual(self) -> bool:
        """Whether no calendar starts it."""
        return self.cron is None


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A half-open span of time `[start, end)`, both in UTC."""

    start: datetime
    end: datetime
