"""The plan for people, as text: one row per DAG, and a tree of DAGs, groups and tasks."""

from collections.abc import Iterator
from dataclasses import dataclass

from dbt_af_k8s.plan.values import REPEATING_KINDS, DagPlan, Plan, TaskKind, TaskPlan
from dbt_af_k8s.schedule.parse import PRESETS

#: Task kinds that make a relation, with the word for one and for many.
_NODE_WORDS = {
    TaskKind.RUN: ("model", "models"),
    TaskKind.SEED: ("seed", "seeds"),
    TaskKind.SNAPSHOT: ("snapshot", "snapshots"),
    TaskKind.TEST: ("test", "tests"),
    TaskKind.FRESHNESS: ("freshness check", "freshness checks"),
    TaskKind.MAINTENANCE: ("maintenance task", "maintenance tasks"),
    TaskKind.REFRESH: ("refresh", "refreshes"),
}
#: What the nodes of a fused task would be on their own, by the beginning of their unique_id.
_KIND_OF_NODE = {
    "model": TaskKind.RUN,
    "seed": TaskKind.SEED,
    "snapshot": TaskKind.SNAPSHOT,
    "test": TaskKind.TEST,
}


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One DAG in a line."""

    dag_id: str
    domain: str
    kind: str
    #: The schedule as the project writes it, with the time zone where it is not UTC.
    schedule: str
    #: What it runs, by word: `(("models", 5), ("tests", 12))`.
    runs: tuple[tuple[str, int], ...]
    #: Number of wait tasks, and the DAGs that they wait for.
    waits: int
    waits_for: tuple[str, ...]
    targets: tuple[str, ...]
    tasks: int
    is_broken: bool


def schedule_label(dag: DagPlan) -> str:
    """The schedule in few words: `@daily`, `nightly, Europe/Berlin`, `@weekly (0 0 * * 1)` if shifted, `by hand`."""
    if dag.schedule is None:
        return "by hand"
    plain = next((preset.cron(0) for preset in PRESETS if preset.name == dag.schedule_name), dag.schedule)
    shift = "" if plain == dag.schedule else f" ({dag.schedule})"
    zone = "" if dag.timezone == "UTC" else f", {dag.timezone}"
    return f"{dag.schedule_name}{shift}{zone}"


def run_counts(dag: DagPlan) -> tuple[tuple[str, int], ...]:
    """How many dbt nodes of each kind the DAG runs, in the words for them, those that are none left out."""
    counts = dict.fromkeys(_NODE_WORDS, 0)
    for task in dag.tasks:
        if task.kind is TaskKind.BUILD:
            for node in task.nodes:
                counts[_KIND_OF_NODE[node.partition(".")[0]]] += 1
        elif task.kind in counts:
            counts[task.kind] += max(1, len(task.nodes))
    return tuple((_NODE_WORDS[kind][count != 1], count) for kind, count in counts.items() if count)


def summary_rows(plan: Plan) -> tuple[SummaryRow, ...]:
    """One row per DAG, in the plan's order; DAGs that repeat the nodes of others are told by `form_dags`."""
    return tuple(_row(dag) for dag in plan.dags if dag.kind not in REPEATING_KINDS)


def form_dags(plan: Plan) -> tuple[str, ...]:
    """Ids of the DAGs that a person starts with a form, and that run nodes of other DAGs: backfills and the like."""
    return tuple(dag.dag_id for dag in plan.dags if dag.kind in REPEATING_KINDS)


def _row(dag: DagPlan) -> SummaryRow:
    waits = [task.waits_for for task in dag.tasks if task.waits_for]
    return SummaryRow(
        dag_id=dag.dag_id,
        domain=dag.domain,
        kind=dag.kind.value,
        schedule=schedule_label(dag),
        runs=() if dag.is_broken else run_counts(dag),
        waits=len(waits),
        waits_for=tuple(sorted({wait.dag_id for wait in waits})),
        targets=tuple(sorted({task.target for task in dag.tasks if task.target})),
        tasks=len(dag.tasks),
        is_broken=dag.is_broken,
    )


def tree_lines(plan: Plan) -> Iterator[str]:
    """Project, DAGs, task groups and tasks as an indented tree; tasks in the order of the plan."""
    yield f"{plan.project} (dbt {plan.dbt_version})"
    for position, dag in enumerate(plan.dags):
        last = position == len(plan.dags) - 1
        yield f"{'└─' if last else '├─'} {dag.dag_id} [{schedule_label(dag)}]"
        yield from _branch(dag, "   " if last else "│  ")


def _branch(dag: DagPlan, indent: str) -> Iterator[str]:
    """The tasks of one DAG; those of a group under it, where its first task stands."""
    members: dict[str, list[TaskPlan]] = {}
    for task in dag.tasks:
        members.setdefault(f"group {task.group}" if task.group else f"task {task.task_id}", []).append(task)
    for position, (name, tasks) in enumerate(members.items()):
        last = position == len(members) - 1
        fork = "└─" if last else "├─"
        if tasks[0].group is None:
            yield f"{indent}{fork} {_leaf(tasks[0])}"
            continue
        yield f"{indent}{fork} {name.removeprefix('group ')}"
        inner = indent + ("   " if last else "│  ")
        for index, task in enumerate(tasks):
            yield f"{inner}{'└─' if index == len(tasks) - 1 else '├─'} {_leaf(task)}"


def _leaf(task: TaskPlan) -> str:
    """One task: id, kind, where it runs, and what comes before it."""
    if task.waits_for:
        return f"{task.task_id} (waits for {task.waits_for.dag_id}.{task.waits_for.task_id}, {task.waits_for.policy})"
    where = f" on {task.target}" if task.target else ""
    after = f" <- {', '.join(task.upstream)}" if task.upstream else ""
    return f"{task.task_id} ({task.kind}{where}){after}"
