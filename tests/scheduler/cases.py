"""Pairs of DAGs that wait for each other, and by hand which upstream runs each downstream run needs.

Times are UTC. Every downstream DAG exists twice: `<name>__down` waits with our sensor, `<name>__blind` with one that
does nothing. The tables below are written from the calendar on the wall, not from our own code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

BERLIN = "Europe/Berlin"
NEW_YORK = "America/New_York"
DAILY = "0 0 * * *"
HOURLY = "0 * * * *"
WEEKLY = "0 0 * * 0"


def at(text: str) -> datetime:
    """A moment of 2025, in UTC: `06-10T05:30`."""
    return datetime.fromisoformat(f"2025-{text}").replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A DAG with one task, `node`, and runs for the logical dates from `first` to `last` (None: without an end)."""

    dag_id: str
    cron: str
    first: str
    last: str | None
    timezone: str = "UTC"
    catchup: bool = True
    #: Whether a task `before` comes before `node`: while it is held, `node` has not begun.
    has_before: bool = False
    #: Airflow's `dagrun_timeout`, in seconds.
    run_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A DAG of two tasks, `wait` and `after`, with runs for the logical dates from `first` to `last`."""

    name: str
    upstream: Upstream
    cron: str
    first: str
    last: str
    policy: str = "last"
    timezone: str = "UTC"
    #: Logical date of a downstream run, and the logical dates of the upstream runs that it needs.
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Whether Airflow makes the runs from `first` to `last` by itself; else a test starts them by hand.
    catchup: bool = True
    deferrable: bool = True
    #: Long enough for a busy scheduler to hear of a deferral before the task resumes.
    poke: int = 3
    timeout: int = 600

    @property
    def dag_id(self) -> str:
        """The DAG that waits with our sensor."""
        return f"{self.name}__down"

    @property
    def blind_dag_id(self) -> str:
        """The same DAG with a sensor that does nothing."""
        return f"{self.name}__blind"


def _hours(day: str, first: int, count: int) -> tuple[str, ...]:
    return tuple(f"{day}T{hour:02}:00" for hour in range(first, first + count))


_HOURLY = Upstream("up_hourly", HOURLY, "06-10T00:00", "06-10T23:00")
_DAILY = Upstream("up_daily", DAILY, "06-09T00:00", "06-10T00:00")
_WEEK = Upstream("up_week_of_days", DAILY, "06-01T00:00", "06-07T00:00")
_WEEKLY = Upstream("up_weekly", WEEKLY, "06-01T00:00", "06-01T00:00")
_HALF_PAST = Upstream("up_half_past", "30 * * * *", "06-10T06:30", "06-10T07:30")
_SPRING = Upstream("up_spring", "30 2 * * *", "03-28T01:30", "03-30T01:30", BERLIN)
_AUTUMN = Upstream("up_autumn", "30 2 * * *", "10-24T00:30", "10-26T01:30", BERLIN)

#: Whose upstream runs are all there in the end: the downstream task must start after they ended.
WAITING = (
    Case(
        "hourly_to_daily_last",
        _HOURLY,
        DAILY,
        "06-10T00:00",
        "06-10T00:00",
        needs={"06-10T00:00": ("06-10T23:00",)},
    ),
    Case(
        "hourly_to_daily_all",
        _HOURLY,
        DAILY,
        "06-10T00:00",
        "06-10T00:00",
        "all",
        needs={"06-10T00:00": _hours("06-10", 0, 24)},
    ),
    Case(
        "daily_to_hourly",
        _DAILY,
        HOURLY,
        "06-10T22:00",
        "06-11T00:00",
        needs={
            "06-10T22:00": ("06-09T00:00",),
            "06-10T23:00": ("06-10T00:00",),
            "06-11T00:00": ("06-10T00:00",),
        },
    ),
    Case(
        "daily_to_weekly_all",
        _WEEK,
        WEEKLY,
        "06-01T00:00",
        "06-01T00:00",
        "all",
        needs={"06-01T00:00": tuple(f"06-0{day}T00:00" for day in range(1, 8))},
    ),
    Case(
        "weekly_to_daily",
        _WEEKLY,
        DAILY,
        "06-07T00:00",
        "06-07T00:00",
        needs={"06-07T00:00": ("06-01T00:00",)},
    ),
    Case(
        "shifted",
        _HALF_PAST,
        HOURLY,
        "06-10T07:00",
        "06-10T08:00",
        needs={"06-10T07:00": ("06-10T06:30",), "06-10T08:00": ("06-10T07:30",)},
    ),
    # 06:00 in New York is 10:00 UTC on all these days. In Berlin 02:30 is 01:30 UTC in winter and 00:30 in summer; on
    # 30 March it does not exist (Airflow ticks at 03:30, 01:30 UTC), on 26 October it comes twice (the second counts).
    Case(
        "two_zones_in_spring",
        _SPRING,
        "0 6 * * *",
        "03-29T10:00",
        "03-30T10:00",
        timezone=NEW_YORK,
        needs={"03-29T10:00": ("03-29T01:30",), "03-30T10:00": ("03-30T01:30",)},
    ),
    Case(
        "two_zones_in_autumn",
        _AUTUMN,
        "0 6 * * *",
        "10-25T10:00",
        "10-26T10:00",
        timezone=NEW_YORK,
        needs={"10-25T10:00": ("10-25T00:30",), "10-26T10:00": ("10-26T01:30",)},
    ),
)


def _one_day(name: str, *, has_before: bool = False, run_limit: float | None = None, **changes: object) -> Case:
    """A daily DAG with one run, that waits for one run of a daily DAG of its own."""
    upstream = Upstream(f"up_{name}", DAILY, "06-10T00:00", "06-10T00:00", has_before=has_before, run_limit=run_limit)
    values: dict[str, object] = {"needs": {"06-10T00:00": ("06-10T00:00",)}} | changes
    return Case(name, upstream, DAILY, "06-10T00:00", "06-10T00:00", **values)  # type: ignore[arg-type]


FAILED = _one_day("failed_upstream")
SKIPPED = _one_day("skipped_upstream")
#: A person marks the upstream run as failed, or it takes longer than its DAG allows: Airflow skips `node`.
MARKED = _one_day("run_marked_failed", has_before=True)
TOO_LONG = _one_day("run_too_long", has_before=True, run_limit=1.0)
POKING = _one_day("poking", deferrable=False, poke=1)
RESCHEDULED = _one_day("rescheduled", deferrable=False, poke=60)
TRIGGERER = _one_day("triggerer_restart")
TIMEOUT = _one_day("timeout", timeout=4)
#: Airflow starts no task of a run whose logical date is after the DAG's end.
BY_HAND_DATED = Case(
    "by_hand_dated",
    Upstream("up_by_hand_dated", DAILY, "06-10T00:00", "06-10T00:00"),
    DAILY,
    "06-01T00:00",
    "06-30T00:00",
    catchup=False,
)
#: The day's other upstream run is held: nothing may wait for it.
NO_MORE = Case(
    "no_more_than_needed",
    Upstream("up_no_more_than_needed", DAILY, "06-09T00:00", "06-10T00:00"),
    HOURLY,
    "06-10T22:00",
    "06-10T22:00",
    needs={"06-10T22:00": ("06-09T00:00",)},
)
CLEARED = Case(
    "cleared_upstream",
    Upstream("up_cleared_upstream", HOURLY, "06-10T22:00", "06-10T23:00"),
    DAILY,
    "06-10T00:00",
    "06-10T00:00",
    "all",
    needs={"06-10T00:00": ("06-10T22:00", "06-10T23:00")},
)
#: The upstream DAG does not catch up: switched on now, it makes the latest run and never those of June.
LATE = Case(
    "enabled_late",
    Upstream("up_enabled_late", HOURLY, "06-01T00:00", None, catchup=False),
    DAILY,
    "06-10T00:00",
    "06-10T00:00",
    "all",
)
EARLY = Case(
    "before_start_date",
    Upstream("up_before_start_date", DAILY, "07-01T00:00", "07-01T00:00"),
    DAILY,
    "06-10T00:00",
    "06-10T00:00",
)
BY_HAND_UNDATED = Case(
    "by_hand_undated",
    Upstream("up_by_hand_undated", DAILY, "06-01T00:00", None, catchup=False),
    DAILY,
    "06-01T00:00",
    "06-01T00:00",
    catchup=False,
)

#: Whose upstream runs a test makes fail, hold or come late.
ALONE = (FAILED, SKIPPED, MARKED, TOO_LONG, POKING, RESCHEDULED, TRIGGERER, TIMEOUT, NO_MORE, CLEARED, LATE, EARLY)
BY_HAND = (BY_HAND_DATED, BY_HAND_UNDATED)
CASES = (*WAITING, *ALONE, *BY_HAND)
UPSTREAMS = tuple({case.upstream.dag_id: case.upstream for case in CASES}.values())
