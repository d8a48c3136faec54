"""Waits and freshness gates as tasks: one per upstream node and policy for a whole DAG, or one per downstream task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dbt_af_k8s.names import IdBook
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.airflow_fields import pool_for, retry_of
from dbt_af_k8s.plan.passes.connect import Before, Wait
from dbt_af_k8s.plan.passes.dbt_task import freshness_task
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.passes.layout import DagLayout, name_of
from dbt_af_k8s.plan.values import TaskKind, TaskPlan, WaitsFor


@dataclass(frozen=True, slots=True)
class Draft:
    """A task whose waits are not yet tasks."""

    task: TaskPlan
    before: Before


def add_waits(
    inputs: PlanInputs,
    decisions: Decisions,
    dag: DagLayout,
    drafts: Sequence[Draft],
    waits_for: Mapping[str, WaitsFor],
) -> tuple[tuple[TaskPlan, ...], tuple[TaskPlan, ...]]:
    """The waits and gates of a DAG, and its tasks connected to them."""
    book = IdBook({*dag.ids, *(draft.task.task_id for draft in drafts)})
    per_task = inputs.settings.waits.per == "task"
    ids: dict[tuple[Wait, str], str] = {}
    gates: dict[str, str] = {}
    made: list[TaskPlan] = []
    tasks: list[TaskPlan] = []
    owners: dict[str, set[str | None]] = {}
    for draft in drafts:
        upstream = list(draft.before.tasks)
        for wait in draft.before.waits:
            key = (wait, draft.task.task_id if per_task else "")
            if key not in ids:
                ids[key] = book.claim(_wait_id(inputs, *key), f"{wait.node} {wait.policy} {key[1]}")
                made.append(_wait_task(inputs, dag, ids[key], wait, waits_for[wait.node]))
            upstream.append(ids[key])
        for source in draft.before.gates:
            if source not in gates:
                gates[source] = book.claim(f"fresh__{name_of(inputs, source)}", source)
                made.append(_gate(inputs, decisions, source, gates[source]))
            upstream.append(gates[source])
        for task_id in upstream:
            owners.setdefault(task_id, set()).add(draft.task.owner)
        tasks.append(replace(draft.task, upstream=tuple(sorted(upstream)), not_waited=draft.before.not_waited))
    made = [task if task.owner else replace(task, owner=_only(owners[task.task_id])) for task in made]
    return tuple(sorted(made, key=lambda task: task.task_id)), tuple(tasks)


def _only(owners: set[str | None]) -> str | None:
    """The owner of all who read, where they have the same one; else the DAG's owner is told."""
    return next(iter(owners)) if len(owners) == 1 else None


def _wait_id(inputs: PlanInputs, wait: Wait, downstream: str) -> str:
    parts = ["wait", name_of(inputs, wait.node)]
    parts += ["all"] if wait.policy == "all" else []
    parts += ["for", downstream] if downstream else []
    return "__".join(parts)


def _wait_task(inputs: PlanInputs, dag: DagLayout, task_id: str, wait: Wait, target: WaitsFor) -> TaskPlan:
    settings = inputs.settings.waits
    which = "every run whose interval ends within this one" if wait.policy == "all" else "its latest run"
    return TaskPlan(
        task_id=task_id,
        kind=TaskKind.WAIT,
        because=f"{wait.node} is done by DAG `{target.dag_id}`; policy `{wait.policy}`: {which}",
        pool=pool_for(inputs.settings.pools, None, TaskKind.WAIT, dag.domain),
        retry=retry_of(inputs, TaskKind.WAIT),
        timeout=settings.timeout,
        waits_for=replace(target, policy=wait.policy),
        poke=settings.poke,
        longest_poke=settings.longest_poke if settings.deferrable else None,
        deferrable=settings.deferrable,
    )


def _gate(inputs: PlanInputs, decisions: Decisions, source: str, task_id: str) -> TaskPlan:
    settings = inputs.settings.freshness
    task = freshness_task(
        inputs, decisions, source, task_id, "the source has `error_after`: readers wait until it is fresh"
    )
    return replace(task, gate=True, poke=settings.poke, timeout=settings.timeout)
