"""What a picture of the plan shows, as values: boxes and arrows, before anything is laid out or drawn."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.render.text import run_counts, schedule_label
from dbt_af_k8s.plan.values import REPEATING_KINDS, DagKind, DagPlan, Plan, TaskKind, TaskPlan

#: Characters for which a line of a box has room.
LONGEST = 44


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a box: a short mark (a schedule, a kind) and what belongs to it."""

    mark: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A domain or a task."""

    key: str
    title: str
    rows: tuple[Row, ...] = ()
    #: What it is, for its colour: `scheduled`, `manual`, `broken`, or a task's kind.
    kind: str = "scheduled"
    #: The DAG that a task belongs to; empty for domains.
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """From what comes first to what comes after."""

    source: str
    target: str
    #: `last`, `all`, `both` (waits of both policies), `none` (an edge on purpose without a wait), or `edge` (in a DAG).
    kind: str = "edge"
    label: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and arrows with a title and a sentence that says what one sees."""

    title: str
    description: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    #: Kind of box or arrow -> what it means; in the order of the legend.
    legend: tuple[tuple[str, str], ...] = ()


ARROW_MEANINGS = {
    "last": "waits for the latest run",
    "all": "waits for every run in its interval",
    "both": "waits of both kinds",
    "none": "reads from it, does not wait",
    "edge": "runs after it",
}
BOX_MEANINGS = {
    "scheduled": "domain with a schedule",
    "manual": "domain that a person starts",
    "broken": "has errors: see `dbt-af-k8s check`",
    "run": "model",
    "seed": "seed",
    "snapshot": "snapshot",
    "test": "tests",
    "build": "several nodes and tests",
    "wait": "wait for another DAG",
    "freshness": "source freshness",
    "maintenance": "maintenance",
    "endpoint": "end of a group",
    "refresh": "refresh of a dashboard",
}
#: What the nodes of a task with several are called.
_COUNTED = MappingProxyType({TaskKind.TEST: "test", TaskKind.BUILD: "node"})
_TIMES = "\N{MULTIPLICATION SIGN}"


def domain_picture(plan: Plan) -> Picture:
    """The map of the domains: one box each with its schedules, an arrow for every wait between two of them."""
    dags = [dag for dag in plan.dags if dag.kind not in REPEATING_KINDS]
    of_domain: dict[str, list[DagPlan]] = defaultdict(list)
    for dag in dags:
        of_domain[dag.domain].append(dag)
    between = _waits_between(dags)
    inside = {
        domain: tuple(
            Row("↻", f"{down} waits for {up} ({policy})") for up, down, policy in _inner_waits(of_domain[domain])
        )
        for domain in of_domain
    }
    boxes = tuple(
        Box(domain, domain, (*_schedule_rows(of_domain[domain]), *inside[domain]), _domain_kind(of_domain[domain]))
        for domain in sorted(of_domain)
    )
    arrows = tuple(
        Arrow(source, target, _arrow_kind(policies), _arrow_label(policies))
        for (source, target), policies in sorted(between.items())
    )
    waiting = sum(arrow.kind != "none" for arrow in arrows)
    description = (
        f"{_counted(len(boxes), 'domain')}, {_counted(len(dags), 'DAG')}, {_counted(waiting, 'wait')} between domains. "
        "An arrow goes from what runs first."
    )
    return _with_legend(f"Domains of {plan.project}", description, boxes, arrows)


def node_picture(plan: Plan, dag_id: str | None = None) -> Picture:
    """The tasks of one DAG, or of all DAGs with the waits between them.

    Raises `UsageError` for a DAG that the plan does not have.
    """
    chosen = plan.dag(dag_id) if dag_id else None
    if dag_id and chosen is None:
        raise UsageError(f"The plan has no DAG {dag_id}; it has {', '.join(dag.dag_id for dag in plan.dags)}.")
    dags = [chosen] if chosen else [dag for dag in plan.dags if dag.kind not in REPEATING_KINDS]
    boxes = tuple(
        Box(
            key=f"{dag.dag_id}.{task.task_id}",
            title=task.display_name or task.task_id,
            rows=_task_rows(dag, task, with_dag=chosen is None),
            kind="broken" if dag.is_broken else task.kind.value,
            cluster=dag.dag_id,
        )
        for dag in dags
        for task in dag.tasks
    )
    known = {box.key for box in boxes}
    arrows = [
        Arrow(f"{dag.dag_id}.{up}", f"{dag.dag_id}.{task.task_id}")
        for dag in dags
        for task in dag.tasks
        for up in task.upstream
    ]
    arrows += [
        Arrow(f"{wait.dag_id}.{wait.task_id}", f"{dag.dag_id}.{task.task_id}", wait.policy, wait.policy)
        for dag in dags
        for task in dag.tasks
        if (wait := task.waits_for) and f"{wait.dag_id}.{wait.task_id}" in known
    ]
    title = f"{chosen.dag_id}, {schedule_label(chosen)}" if chosen else f"Tasks of {plan.project}"
    description = (
        f"{_counted(len(boxes), 'task')}, {_counted(len(arrows), 'edge')}. An arrow goes from what runs first."
    )
    return _with_legend(title, description, boxes, tuple(arrows))


def _task_rows(dag: DagPlan, task: TaskPlan, *, with_dag: bool) -> tuple[Row, ...]:
    where = task.waits_for.dag_id if task.waits_for else task.target or ""
    tests = _counted(len(task.nodes), _COUNTED[task.kind]) if task.kind in _COUNTED else ""
    what = Row(task.kind.value, " · ".join(part for part in (tests, where) if part))
    return (what, Row("DAG", dag.dag_id)) if with_dag else (what,)


def _schedule_rows(dags: list[DagPlan]) -> Iterator[Row]:
    """A row for each DAG of a domain: its schedule, and what it runs."""
    for dag in dags:
        counts = " · ".join(f"{count} {word}" for word, count in run_counts(dag))
        text = "broken: see check" if dag.is_broken else " · ".join(part for part in (_kind_words(dag), counts) if part)
        yield Row(schedule_label(dag), _fitting(text))


def _kind_words(dag: DagPlan) -> str:
    """What the DAG is, where its schedule does not say it."""
    return "" if dag.kind in (DagKind.SCHEDULED, DagKind.MANUAL) else dag.kind.value.replace("_", " ")


def _fitting(text: str) -> str:
    """As many parts of a row as have room; what runs most stands first."""
    parts = text.split(" · ")
    while len(text) > LONGEST and len(parts) > 1:
        parts.pop()
        text = " · ".join([*parts, "…"])
    return text


def _domain_kind(dags: list[DagPlan]) -> str:
    if any(dag.is_broken for dag in dags):
        return "broken"
    return "manual" if all(dag.schedule is None for dag in dags) else "scheduled"


def _waits_between(dags: list[DagPlan]) -> dict[tuple[str, str], Counter[str]]:
    """(upstream domain, downstream domain) -> how many waits of each policy; `none` counts edges without a wait."""
    domain_of = {dag.dag_id: dag.domain for dag in dags}
    domain_of_node = {node: dag.domain for dag in dags for task in dag.tasks for node in task.nodes}
    between: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for dag in dags:
        for task in dag.tasks:
            if task.waits_for and task.waits_for.dag_id in domain_of:
                between[(domain_of[task.waits_for.dag_id], dag.domain)][task.waits_for.policy] += 1
            for edge in task.not_waited:
                if edge.node in domain_of_node:
                    between[(domain_of_node[edge.node], dag.domain)]["none"] += 1
    return {pair: counts for pair, counts in between.items() if pair[0] != pair[1]}


def _inner_waits(dags: list[DagPlan]) -> list[tuple[str, str, str]]:
    """(upstream, downstream, policies) of waits between two DAGs of one domain."""
    by_id = {dag.dag_id: dag for dag in dags}
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for dag in dags:
        for task in dag.tasks:
            if task.waits_for and task.waits_for.dag_id in by_id:
                upstream = by_id[task.waits_for.dag_id]
                ends = (_kind_words(upstream) or schedule_label(upstream), _kind_words(dag) or schedule_label(dag))
                found[ends].add(task.waits_for.policy)
    return [(up, down, ", ".join(sorted(policies))) for (up, down), policies in sorted(found.items())]


def _arrow_kind(policies: Mapping[str, int]) -> str:
    waits = sorted(policy for policy in policies if policy != "none")
    return "both" if len(waits) > 1 else waits[0] if waits else "none"


def _arrow_label(policies: Mapping[str, int]) -> str:
    waits = {policy: count for policy, count in sorted(policies.items(), reverse=True) if policy != "none"}
    return (
        ", ".join(policy if count == 1 else f"{policy} {_TIMES}{count}" for policy, count in waits.items()) or "no wait"
    )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _with_legend(title: str, description: str, boxes: tuple[Box, ...], arrows: tuple[Arrow, ...]) -> Picture:
    """The picture with a legend of what it shows, and only that."""
    box_kinds, arrow_kinds = {box.kind for box in boxes}, {arrow.kind for arrow in arrows}
    legend = [(kind, meaning) for kind, meaning in BOX_MEANINGS.items() if kind in box_kinds]
    legend += [(kind, meaning) for kind, meaning in ARROW_MEANINGS.items() if kind in arrow_kinds]
    return Picture(title, description, boxes, arrows, tuple(legend))
