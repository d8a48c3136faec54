"""The task that runs dbt, or a script in its place, on given nodes."""

from collections.abc import Sequence
from dataclasses import replace

from dbt_af_k8s.dbt.microbatch import Microbatch
from dbt_af_k8s.dbt.values import DbtInvocation, DbtSelection
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.names import IdBook, node_name
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.airflow_fields import TaskFields, fields_of_source
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.scripts import ClaimPlan, JobPlan, PodPlan, ScriptPlan, VenvPlan
from dbt_af_k8s.plan.values import Control, TaskKind, TaskPlan


def selection_of(node: Node, decisions: Decisions) -> DbtSelection:
    """How dbt finds the node: by its parents, too, where another of its kind has the same name."""
    parents = tuple(sorted(node.parents)) if node.unique_id in decisions.namesakes else ()
    return DbtSelection(node.unique_id, node.resource_type, node.package, node.fqn, parents)


def dbt_task(
    inputs: PlanInputs,
    decisions: Decisions,
    task_id: str,
    group: str | None,
    fields: TaskFields,
    nodes: Sequence[Node],
    why: str,
) -> TaskPlan:
    """A task of kind `run`, `seed`, `snapshot` or `test`."""
    plain = node_name(nodes[0].name, nodes[0].version)
    ordered = sorted(nodes, key=lambda node: node.unique_id)
    if fields.script is not None:
        return _script_task(inputs, task_id, group, fields, fields.script, nodes[0], why)
    invocation = DbtInvocation(
        verb=fields.kind.value,
        nodes=tuple(selection_of(node, decisions) for node in ordered),
        target=fields.target,
        microbatch=Microbatch.of_config(ordered[0].config) if ordered[0].is_microbatch else None,
        executable=fields.dbt,
        env=fields.env,
    )
    return node_task(
        inputs,
        task_id,
        group,
        fields,
        tuple(node.unique_id for node in ordered),
        invocation,
        why,
        display_name=_display_name(fields.kind, task_id, plain),
    )


def _script_task(
    inputs: PlanInputs, task_id: str, group: str | None, fields: TaskFields, script: ScriptPlan, node: Node, why: str
) -> TaskPlan:
    """A task that runs a node's script; one row for each kind of script."""
    name = _display_name(fields.kind, task_id, node_name(node.name, node.version))
    task = node_task(inputs, task_id, group, fields, (node.unique_id,), None, why, display_name=name)
    match script:
        case PodPlan():
            return replace(task, pod=script, deferrable=script.target.deferrable)
        case VenvPlan():
            return replace(task, venv=script)
        case JobPlan():
            return replace(task, job=script, deferrable=script.target.deferrable)


def claim_tasks(book: IdBook, job: TaskPlan) -> tuple[TaskPlan, TaskPlan] | None:
    """The tasks that make and remove the volume claim of a job; None where it has none."""
    target = None if job.job is None else job.job.target
    if target is None or target.claim is None:
        return None
    plan = ClaimPlan(target.claim, target.namespace, target.cluster)
    make, remove = (
        TaskPlan(
            task_id=book.claim(f"{job.task_id}__{what}", f"{what} of {job.task_id}"),
            kind=TaskKind.ENDPOINT,
            group=job.group,
            target=job.target,
            because=f"{does} the volume claim `{target.claim.name}` of {job.nodes[0]}",
            pool=job.pool,
            queue=job.queue,
            retry=job.retry,
            owner=job.owner,
            control=control,
            claim=plan,
        )
        for what, does, control in (
            ("volume", "makes", Control.CLAIM_MAKE),
            ("volume_removal", "removes", Control.CLAIM_REMOVE),
        )
    )
    return make, remove


def freshness_task(inputs: PlanInputs, decisions: Decisions, source: str, task_id: str, why: str) -> TaskPlan:
    """A task that runs `dbt source freshness` on one source."""
    decision = decisions.sources[source]
    fields = fields_of_source(inputs, decision)
    found = decision.source
    invocation = DbtInvocation(
        verb="freshness",
        nodes=(DbtSelection(source, "source", found.package, (found.package, found.source_name, found.name)),),
        target=fields.target,
        executable=fields.dbt,
        env=fields.env,
    )
    return node_task(inputs, task_id, None, fields, (source,), invocation, why, display_name=None)


def node_task(
    inputs: PlanInputs,
    task_id: str,
    group: str | None,
    fields: TaskFields,
    nodes: tuple[str, ...],
    invocation: DbtInvocation | None,
    why: str,
    *,
    display_name: str | None,
) -> TaskPlan:
    """A task of these fields around a dbt command."""
    return TaskPlan(
        task_id=task_id,
        kind=fields.kind,
        nodes=nodes,
        group=group,
        display_name=display_name,
        target=fields.target,
        runner=fields.runner,
        runner_options=fields.runner_options,
        because=f"schedule: {why}; target: {fields.target_because}",
        pool=fields.pool,
        queue=fields.queue,
        executor=fields.executor,
        executor_config=fields.executor_config,
        priority_weight=fields.priority_weight,
        retry=fields.retry,
        timeout=inputs.settings.dags.task_timeout,
        owner=fields.owner,
        max_active=fields.max_active,
        dbt=invocation,
        enable_from=fields.enable_from,
        disable_from=fields.disable_from,
        on_change=fields.kind is TaskKind.SEED and inputs.settings.seeds_run_on == "change",
    )


def _display_name(kind: TaskKind, task_id: str, name: str) -> str | None:
    """The full name where the id had to be changed for Airflow's sake."""
    if kind is TaskKind.TEST or name.replace(".", "__") == task_id:
        return None
    return name
