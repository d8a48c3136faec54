"""Which runs of an upstream DAG a run waits for. The rule of the whole library; the calendar alone answers."""

from datetime import UTC, datetime

from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval

#: How a node may wait for an upstream one in another DAG (`wait_policy`).
WAIT_POLICIES = ("last", "all")


#: What a run does for which no upstream run can exist yet (`waits.first_runs`): be skipped, wait for the upstream DAG's
#: first run, or run all the same.
FIRST_RUNS = ("skip", "wait", "run")


#: Beyond, dates run out before a calendar finds its next tick. No run of a DAG or form comes near it.
_END_OF_CALENDARS = datetime(9900, 1, 1, tzinfo=UTC)


def runs_waited_for(
    upstream: Calendar, policy: str, interval: Interval, start_date: datetime, first_runs: str = "skip"
) -> tuple[Interval, ...]:
    """The runs of a DAG that a run with this interval waits for, by their data intervals, in order.

    `last`: the latest run that ends at or before the interval's end. `all`: every run that ends after its start and
    at or before its end; where there is none, as `last`. Runs that begin before the upstream DAG's `start_date` never
    exist and are left out. Where none is left, the answer is empty, or, with `first_runs` `wait`, the upstream DAG's
    first run, which ends later than the interval. An unknown policy is a `ValueError`.
    """
    if policy not in WAIT_POLICIES:
        raise ValueError(f"unknown wait policy {policy!r}: one of {', '.join(WAIT_POLICIES)}")
    # A run that begins at the start date or later ends after it: what lies before need not be walked over.
    end = min(interval.end, _END_OF_CALENDARS)
    runs: tuple[Interval, ...] = ()
    if end > start_date:
        start = max(interval.start, start_date)
        runs = upstream.intervals_ending_in(start, end) if policy == "all" else ()
        runs = runs or (upstream.interval_ending_at_or_before(end),)
        runs = tuple(run for run in runs if run.start >= start_date)
    if not runs and first_runs == "wait":
        return (upstream.interval_starting_at_or_after(start_date),)
    return runs
