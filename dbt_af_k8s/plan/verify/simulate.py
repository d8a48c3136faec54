"""Two years of calendar for every pair of DAGs that wait: does each run wait for the right runs upstream?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfoNotFoundError

from dbt_af_k8s.plan.values import Plan
from dbt_af_k8s.plan.verify.ticks import DAY, HOUR, Span, Ticks, seconds
from dbt_af_k8s.plan.verify.waiting import POLICIES
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval

#: The rule under proof: upstream calendar, policy, the run's interval, upstream start date -> runs waited for.
WaitedRuns: TypeAlias = Callable[[Calendar, str, Interval, datetime], tuple[Interval, ...]]

_SPAN = 730 * DAY
#: Start dates outside these years are taken for their ends: before, zones have odd seconds; after, dates run out.
_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
#: Runs that the shipped rule is asked about, over all pairs: proof must not make planning slow. Every pair gets its
#: share, spread over the two years and thick around clock changes and the start dates.
_ALL_RUNS = 4000
_FEWEST_RUNS = 60
_FEWEST_INTERVALS = 3


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two calendars with a wait between them."""

    up_cron: str
    up_zone: str
    up_start: datetime
    policy: str
    down_cron: str
    down_zone: str
    down_start: datetime

    def __str__(self) -> str:
        return f"`{self.down_cron}` ({self.down_zone}) waiting for `{self.policy}` of `{self.up_cron}` ({self.up_zone})"


def calendar_violations(plan: Plan, waited_runs: WaitedRuns) -> Iterator[str]:
    """Runs that wait for the wrong runs, for runs that never exist, or for runs that end after them."""
    pairs = sorted(
        {
            Pair(wait.cron, wait.timezone, wait.start_date, wait.policy, dag.schedule, dag.timezone, dag.start_date)
            for dag in plan.dags
            for task in dag.tasks
            if (wait := task.waits_for) is not None
            and dag.schedule is not None
            and wait.policy in POLICIES
            and None not in (wait.start_date.utcoffset(), dag.start_date.utcoffset())
        }
    )
    ticks: dict[tuple[str, str, int], Ticks] = {}
    for pair in pairs:
        begin = _begin(pair)
        try:
            for cron, zone in ((pair.up_cron, pair.up_zone), (pair.down_cron, pair.down_zone)):
                if (cron, zone, begin) not in ticks:
                    ticks[cron, zone, begin] = Ticks(cron, zone, begin, begin + _SPAN)
        except (ValueError, ZoneInfoNotFoundError) as fault:
            yield f"{pair}: a calendar cannot be read: {fault}"
            continue
        upstream = ticks[pair.up_cron, pair.up_zone, begin]
        downstream = ticks[pair.down_cron, pair.down_zone, begin]
        yield from _pair(pair, upstream, downstream, waited_runs, max(_FEWEST_RUNS, _ALL_RUNS // len(pairs)))


def _begin(pair: Pair) -> int:
    return seconds(min(max(pair.down_start, _FIRST), _LAST))


def _pair(pair: Pair, upstream: Ticks, downstream: Ticks, waited_runs: WaitedRuns, budget: int) -> Iterator[str]:
    begin = _begin(pair)
    calendar, up_start = Calendar(pair.up_cron, pair.up_zone), seconds(pair.up_start)
    asked: set[Span] = set()
    for moment in _moments(begin, (*upstream.changes(), *downstream.changes()), up_start):
        interval = downstream.last(moment)
        if interval is None or interval[0] < begin or interval in asked:
            continue
        expected = _expected(upstream, pair.policy, interval, up_start)
        asked.add(interval)
        found = waited_runs(calendar, pair.policy, _interval(interval), pair.up_start)
        fault = _fault(expected, found, interval)
        if fault is not None:
            yield f"{pair}: the run of {_told(interval)} {fault}"
            return
        budget -= 4 + len(expected)
        if budget < 0 and len(asked) >= _FEWEST_INTERVALS:
            return


def _expected(upstream: Ticks, policy: str, interval: Span, up_start: int) -> list[Span]:
    """What semantics asks for, worked out here."""
    start, end = interval
    runs = upstream.row(start, end) if policy == "all" else []
    if not runs:
        last = upstream.last(end)
        runs = [last] if last is not None else []
    return [run for run in runs if run[0] >= up_start]


def _fault(expected: list[Span], found: tuple[Interval, ...], interval: Span) -> str | None:
    spans = [(seconds(run.start), seconds(run.end)) for run in found]
    late = [span for span in spans if span[1] > interval[1]]
    if late:
        return f"waits for the run of {_told(late[0])}, which ends later"
    if spans == expected:
        return None
    missing = [span for span in expected if span not in spans]
    if missing:
        return f"does not wait for the run of {_told(missing[0])}"
    extra = [span for span in spans if span not in expected]
    if extra:
        return f"waits for the run of {_told(extra[0])}, which it should not or which never exists"
    return "waits for its runs in another order, or for one twice"


def _moments(begin: int, changes: tuple[int, ...], up_start: int) -> Iterator[int]:
    """Where to look, the telling places first: the starts, the clock changes, then evenly over the two years."""
    end = begin + _SPAN
    for place in sorted({begin, max(begin, up_start)}):
        yield from (place + step for step in (HOUR, DAY, 8 * DAY, 32 * DAY))
    for change in sorted({each for each in changes if begin < each < end}):
        yield from (change + step * HOUR for step in (27, 33 * 24, 0, 1, 2, 3, -2, 24))
    for parts in (8, 61, 487):
        yield from (begin + part * _SPAN // parts for part in range(1, parts + 1))


def _interval(span: Span) -> Interval:
    return Interval(datetime.fromtimestamp(span[0], UTC), datetime.fromtimestamp(span[1], UTC))


def _told(span: Span) -> str:
    start, end = _interval(span).start, _interval(span).end
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
