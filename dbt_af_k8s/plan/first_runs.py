"""The first runs of a new project: which tasks a skip "not built yet" reaches, and for how long there are any."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dbt_af_k8s.errors import Issue, error, warning
from dbt_af_k8s.plan.values import DagPlan, TaskKind, WaitsFor
from dbt_af_k8s.schedule.calendar import Calendar

#: Tasks that do no work of a node: they close, make and remove things, and end well whatever was skipped before them.
_NO_WORK = (TaskKind.ENDPOINT,)
#: So many DAGs are named in one issue.
_NAMED = 3


def tasks_after_waits(dag: DagPlan) -> frozenset[str]:
    """Ids of the tasks that work and come after a wait, directly or through others: those that a skip may reach."""
    after: set[str] = set()
    reached: set[str] = set()
    for task in dag.tasks:
        if task.waits_for is not None:
            if task.waits_for.first_runs != "run":
                reached.add(task.task_id)
        elif not reached.isdisjoint(task.upstream):
            reached.add(task.task_id)
            if task.kind not in _NO_WORK:
                after.add(task.task_id)
    return frozenset(after)


def work_before(dag: DagPlan, task_id: str) -> tuple[str, ...]:
    """The tasks right before a task that work, seen through those that do none; sorted."""
    tasks = {task.task_id: task for task in dag.tasks}
    found: set[str] = set()
    seen: set[str] = set()
    todo = list(tasks[task_id].upstream)
    while todo:
        before = tasks[todo.pop()]
        if before.task_id in seen:
            continue
        seen.add(before.task_id)
        if before.kind in _NO_WORK:
            todo.extend(before.upstream)
        else:
            found.add(before.task_id)
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True, order=True)
class ColdStart:
    """Runs of one DAG for which no run of another one can exist yet, though it reads it."""

    upstream: str
    #: The end of the upstream DAG's first run. Runs downstream that end before it are too early.
    until: datetime
    dag_id: str


def cold_starts(dags: Sequence[DagPlan]) -> tuple[ColdStart, ...]:
    """Every pair of DAGs in which the one that reads has runs before the first run of the one that is read."""
    ends: dict[tuple[str, str, datetime], datetime] = {}

    def first_end(cron: str, timezone: str, start: datetime) -> datetime:
        key = (cron, timezone, start)
        if key not in ends:
            ends[key] = Calendar(cron, timezone).interval_starting_at_or_after(start).end
        return ends[key]

    found: set[ColdStart] = set()
    for dag in dags:
        if dag.schedule is None or dag.is_broken:
            continue
        for wait in waits_of(dag):
            until = first_end(wait.cron, wait.timezone, wait.start_date)
            if first_end(dag.schedule, dag.timezone, dag.start_date) < until:
                found.add(ColdStart(wait.dag_id, until, dag.dag_id))
    return tuple(sorted(found))


def waits_of(dag: DagPlan) -> Iterator[WaitsFor]:
    """What the wait tasks of a DAG wait for."""
    return (task.waits_for for task in dag.tasks if task.waits_for is not None)


def cold_start_issues(dags: Sequence[DagPlan], now: datetime) -> Iterator[Issue]:
    """A warning for each DAG whose first run is still to come while others that read it have runs already."""
    by_upstream: dict[tuple[str, datetime], list[str]] = {}
    for cold in cold_starts(dags):
        if cold.until > now:
            by_upstream.setdefault((cold.upstream, cold.until), []).append(cold.dag_id)
    does = {
        "skip": "are skipped, and so is whatever reads them, unless another run has built it",
        "wait": "wait for it",
        "run": "run all the same",
    }
    setting = {wait.dag_id: wait.first_runs for dag in dags for wait in waits_of(dag)}
    for (upstream, until), readers in by_upstream.items():
        named = ", ".join(f"`{reader}`" for reader in readers[:_NAMED])
        more = f" and {len(readers) - _NAMED} more" if len(readers) > _NAMED else ""
        yield warning(
            "before-first-run",
            f"The first run of DAG `{upstream}` begins at {until:%Y-%m-%d %H:%M} UTC. Until then the tasks that "
            f"read it in {named}{more} {does[setting[upstream]]}.",
            "Nothing has to be done. To have it sooner, start that DAG by hand, or set its start date back; "
            "`waits.first_runs` says what such runs do.",
            key="waits.first_runs",
        )


def first_run_deadlocks(dags: Sequence[DagPlan], settings_file: str) -> Iterator[Issue]:
    """An error for each DAG that would wait for the first run of another one, which in turn waits for its runs."""
    waits = {dag.dag_id: sorted({wait.dag_id for wait in waits_of(dag)}) for dag in dags}
    waiting = {dag.dag_id for dag in dags if any(wait.first_runs == "wait" for wait in waits_of(dag))}
    for cold in cold_starts(dags):
        if cold.dag_id in waiting and cold.dag_id in _reached(cold.upstream, waits):
            yield error(
                "first-runs-deadlock",
                f"`waits.first_runs: wait` could stop DAG `{cold.dag_id}` for ever: its runs before "
                f"{cold.until:%Y-%m-%d %H:%M} UTC would wait for the first run of `{cold.upstream}`, which waits for "
                f"later runs of `{cold.dag_id}`, directly or through others.",
                "Set `waits.first_runs` to `skip` or `run`, or give both DAGs one schedule.",
                file=settings_file,
                key="waits.first_runs",
            )


def _reached(dag_id: str, waits: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The DAGs that a DAG waits for, directly or through others."""
    seen: set[str] = set()
    todo = [dag_id]
    while todo:
        for upstream in waits.get(todo.pop(), ()):
            if upstream not in seen:
                seen.add(upstream)
                todo.append(upstream)
    return frozenset(seen)
