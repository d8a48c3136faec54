"""The maintenance DAG of each domain: the upkeep of what its nodes have built, one task per operation and node."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from dbt_af_k8s.config.settings import TargetSettings
from dbt_af_k8s.dbt.maintenance import MaintenanceOperation, maintenance_operations
from dbt_af_k8s.dbt.maintenance_adapters import unproven_issues
from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.errors import Issue, warning
from dbt_af_k8s.names import DBT_PACKAGE, IdBook
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.airflow_fields import fields_of
from dbt_af_k8s.plan.passes.choose_schedule import ScheduleBook
from dbt_af_k8s.plan.passes.dbt_task import node_task, selection_of
from dbt_af_k8s.plan.passes.decide import Decisions, NodeDecision
from dbt_af_k8s.plan.passes.layout import DagLayout, Layout, claim_dag_id, name_of
from dbt_af_k8s.plan.values import DagKind, TaskKind, TaskPlan, TaskRef
from dbt_af_k8s.route.kinds import runs_only_python
from dbt_af_k8s.route.runners import choose_runner
from dbt_af_k8s.route.targets import TargetChoice


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What the nodes of a project ask for: node -> operations, in the order in which they run."""

    operations: Mapping[str, tuple[MaintenanceOperation, ...]]
    issues: tuple[Issue, ...]


def decide_upkeep(inputs: PlanInputs, decisions: Decisions, left_out: Mapping[str, str]) -> Upkeep:
    """Read `maintenance` of every planned node."""
    if "maintenance" not in inputs.settings.dags.kinds:
        return Upkeep({}, ())
    found: dict[str, tuple[MaintenanceOperation, ...]] = {}
    issues: list[Issue] = []
    used: dict[str, set[str]] = {}
    for key in decisions.graph.order:
        decision = decisions.nodes[key]
        if not decision.settings.maintenance or key in left_out:
            continue
        adapter = _adapter(inputs, maintenance_target(inputs, decision).target)
        operations, faults = maintenance_operations(
            decision.settings.maintenance, node=decision.node, file=decision.node.file, adapter=adapter
        )
        issues.extend(faults)
        if operations:
            found[key] = operations
            used.setdefault(adapter or "", set()).update(operation.name for operation in operations)
    for adapter in sorted(used):
        if adapter:
            issues.extend(unproven_issues(used[adapter], adapter))
    issues.extend(_package_issues(inputs.manifest.own_macros, {name for names in used.values() for name in names}))
    return Upkeep(found, tuple(issues))


def _package_issues(macros: Sequence[str] | None, used: Set[str]) -> tuple[Issue, ...]:
    """A warning where dbt would not find the macros: only the maintenance tasks would fail."""
    missing = [] if macros is None else sorted(used - set(macros))
    if not missing:
        return ()
    named = ", ".join(f"`{name}`" for name in missing)
    have = "an older copy of the" if macros else "no"
    message = f"Maintenance asks for {named}, and the manifest has {have} dbt package `{DBT_PACKAGE}` to do it."
    fix = "Run `dbt-af-k8s package install` where the project is built, then `dbt parse`."
    return (warning("maintenance-package-missing", message, fix, key="maintenance"),)


def maintenance_target(inputs: PlanInputs, decision: NodeDecision) -> TargetChoice:
    """The node's own target, else that of maintenance, else the one the node is built on."""
    setting = inputs.settings.targets.maintenance
    if decision.script is not None:
        # Whoever built it: the table lies in a warehouse.
        targets = replace(inputs.settings.targets, default=inputs.target or inputs.settings.targets.default)
        return TargetChoice(*_first_warehouse(inputs, targets))
    if decision.settings.dbt_target or not setting:
        return decision.target
    return TargetChoice(setting, "`targets.maintenance` of the settings")


def _first_warehouse(inputs: PlanInputs, targets: TargetSettings) -> tuple[str | None, str]:
    rows = (
        (targets.maintenance, "`targets.maintenance` of the settings"),
        (targets.default, "`targets.default` of the settings"),
        (inputs.profile.default_target, "the profile's default target"),
    )
    types = inputs.profile.target_types
    return next((row for row in rows if row[0] and not runs_only_python(types.get(row[0]))), (None, "dbt's default"))


def lay_out_maintenance(
    inputs: PlanInputs, decisions: Decisions, upkeep: Upkeep, dag_ids: IdBook
) -> tuple[DagLayout, ...]:
    """One DAG for each domain with something to keep up."""
    choice = ScheduleBook(inputs).read(inputs.settings.maintenance.schedule, "`maintenance.schedule` of the settings")
    domains = sorted({decisions.nodes[key].domain.domain for key in upkeep.operations})
    return tuple(
        DagLayout(claim_dag_id(inputs, dag_ids, domain, "maintenance"), DagKind.MAINTENANCE, domain, choice.schedule)
        for domain in domains
    )


def make_maintenance_tasks(
    inputs: PlanInputs,
    decisions: Decisions,
    upkeep: Upkeep,
    dag: DagLayout,
    built_by: Mapping[str, tuple[TaskRef, ...]],
) -> tuple[TaskPlan, ...]:
    """The operations of each node one after the other. `built_by` names the tasks that build a node."""
    book = IdBook()
    tasks: list[TaskPlan] = []
    for key, operations in upkeep.operations.items():
        decision = decisions.nodes[key]
        if decision.domain.domain != dag.domain:
            continue
        before: tuple[str, ...] = ()
        for operation in operations:
            task_id = book.claim(f"{operation.name}__{name_of(inputs, key)}", f"{operation.name} {key}")
            task = _task(inputs, decisions, decision, operation, task_id)
            tasks.append(replace(task, upstream=before, not_while=built_by.get(key, ())))
            before = (task_id,)
    return tuple(tasks)


def builders(layout: Layout, backfills: Sequence[DagLayout]) -> Mapping[str, tuple[TaskRef, ...]]:
    """The tasks that build each node: in its own DAG and in its domain's backfill."""
    found: dict[str, list[TaskRef]] = {}
    for dag in (*layout.dags, *backfills):
        for tasks in dag.nodes:
            found.setdefault(tasks.node, []).append(TaskRef(dag.dag_id, tasks.task_id))
    return {node: tuple(sorted(refs)) for node, refs in found.items()}


def _task(
    inputs: PlanInputs, decisions: Decisions, decision: NodeDecision, operation: MaintenanceOperation, task_id: str
) -> TaskPlan:
    target = maintenance_target(inputs, decision)
    runner = choose_runner(target.target, inputs.settings.runners, decision.settings.runner)
    routed = replace(decision, target=target, runner=runner, script=None)
    fields = fields_of(inputs, routed, kind=TaskKind.MAINTENANCE)
    invocation = DbtInvocation(
        verb="run-operation",
        nodes=(selection_of(decision.node, decisions),),
        target=fields.target,
        executable=fields.dbt,
        env=fields.env,
        operation=operation.name,
        options=operation.options,
    )
    why = f"`maintenance` of the node asks for {operation.name}"
    return node_task(inputs, task_id, None, fields, (decision.node.unique_id,), invocation, why, display_name=None)


def _adapter(inputs: PlanInputs, target: str | None) -> str | None:
    return inputs.profile.target_types.get(target or "", inputs.manifest.adapter_type)
