"""What a backfill would do, and which other domains would have to go first. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches

from dbt_af_k8s.config.settings import Dependency
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.graph.domains import domains_in_order
from dbt_af_k8s.plan.backfill.choice import choose_nodes
from dbt_af_k8s.plan.backfill.form import BackfillForm
from dbt_af_k8s.plan.build import Build
from dbt_af_k8s.plan.passes.connect import dependencies_by_node
from dbt_af_k8s.plan.passes.decide import NodeDecision
from dbt_af_k8s.plan.values import DagKind, DagPlan, TaskPlan
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.chunks import cut_range
from dbt_af_k8s.schedule.values import Interval
from dbt_af_k8s.schedule.waits import runs_waited_for

#: A backfill asks for data, whenever the DAG that makes it began.
_FROM_THE_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GoesFirst:
    """A domain that the backfill reads: which of its nodes, directly or through others, and over which time."""

    domain: str
    #: unique_ids, each after those that it is built from.
    nodes: tuple[str, ...]
    window: Interval


@dataclass(frozen=True, slots=True)
class Preview:
    """A backfill before it runs."""

    dag: DagPlan
    chunks: tuple[Interval, ...]
    #: The tasks of each chunk that run dbt, in order, with the nodes that are selected.
    steps: tuple[tuple[TaskPlan, tuple[str, ...]], ...]
    #: Each after those that it reads itself.
    first: tuple[GoesFirst, ...]


def preview(built: Build, dag: DagPlan, form: BackfillForm) -> Preview:
    """Tell what a form would start in a backfill DAG. Raises `FormError` where it selects nothing."""
    members = {node for task in dag.tasks for node in task.nodes}
    chosen = choose_nodes(built, dag.domain, members, form.models, with_tests=form.with_tests)
    steps = tuple(
        (task, nodes) for task in dag.tasks if (nodes := tuple(node for node in task.nodes if node in chosen))
    )
    chunks = tuple(cut_range(form.whole, form.chunk, dag.timezone))
    return Preview(dag, chunks, steps, _first(built, chosen, form.whole))


def backfill_dag(built: Build, domain: str) -> DagPlan:
    """The backfill DAG of a domain. `UsageError` where there is none that could run."""
    dags = {dag.domain: dag for dag in built.plan.dags if dag.kind is DagKind.BACKFILL}
    if not dags:
        raise UsageError("The plan has no backfill DAG: `dags.kinds` of the settings leaves them out, or it is empty.")
    if domain not in dags:
        close = get_close_matches(domain, sorted(dags), 3) or sorted(dags)[:20]
        told = ", ".join(f"`{each}`" for each in close)
        raise UsageError(f"The plan has no domain `{domain}` to backfill. Did you mean {told}?")
    if dags[domain].is_broken:
        raise UsageError(f"Domain `{domain}` has errors and runs nothing: see `dbt-af-k8s check`.")
    return dags[domain]


def _first(built: Build, chosen: frozenset[str], whole: Interval) -> tuple[GoesFirst, ...]:
    """Walk from what is chosen to what it reads, each node with the time over which it is read."""
    graph, decisions = built.decisions.graph, built.decisions.nodes
    windows = {key: whole for key in graph.order if key in chosen}
    others: set[str] = set()
    for key in reversed(graph.order):
        if key not in windows:
            continue
        wanted = dependencies_by_node(decisions[key], graph, built.inputs.manifest)
        for parent in graph.parents(key):
            dependency = wanted.get(parent, Dependency(name=parent))
            is_inside = decisions[parent].domain.domain == decisions[key].domain.domain
            if dependency.skip or decisions[parent].left_out or (is_inside and key not in others):
                continue
            window = windows[key] if is_inside else _window(decisions[key], decisions[parent], dependency, windows[key])
            others.add(parent)
            windows[parent] = _both(windows[parent], window) if parent in windows else window
    return _by_domain(built, {key: windows[key] for key in graph.order if key in others and key not in chosen})


def _window(reader: NodeDecision, read: NodeDecision, dependency: Dependency, window: Interval) -> Interval:
    """The upstream runs behind the data of a window.

    From the first run for which the reader's first run in the window would wait, or from the window's start where that
    is earlier, to the last run that ends within the window. Where one of the two nodes has no calendar: the window.
    """
    own, other = (decision.schedule.schedule for decision in (reader, read))
    if own.cron is None or other.cron is None:
        return window
    calendar, upstream = Calendar(own.cron, own.timezone), Calendar(other.cron, other.timezone)
    before = calendar.interval_ending_at_or_before(window.start).end
    first = Interval(before, min(calendar.next_after(before), window.end))
    runs = runs_waited_for(upstream, dependency.wait_policy, first, _FROM_THE_BEGINNING)
    return Interval(min(runs[0].start, window.start), upstream.interval_ending_at_or_before(window.end).end)


def _both(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.start, other.start), max(one.end, other.end))


def _by_domain(built: Build, windows: Mapping[str, Interval]) -> tuple[GoesFirst, ...]:
    domain_of = {key: decision.domain.domain for key, decision in built.decisions.nodes.items()}
    nodes: dict[str, list[str]] = {}
    for key in windows:
        nodes.setdefault(domain_of[key], []).append(key)
    order = domains_in_order(built.decisions.graph, domain_of)
    found = []
    for domain in (domain for domain in order if domain in nodes):
        keys = nodes[domain]
        window = windows[keys[0]]
        for key in keys[1:]:
            window = _both(window, windows[key])
        found.append(GoesFirst(domain, tuple(keys), window))
    return tuple(found)
