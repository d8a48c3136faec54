"""Last pass: the DAGs around the tasks, and the stand-ins for domains that are broken."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.errors import Issue
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.backfill import FORM, make_backfill_tasks
from dbt_af_k8s.plan.passes.connect import Connector
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.passes.layout import DagLayout, Layout
from dbt_af_k8s.plan.passes.maintenance import Upkeep, builders, make_maintenance_tasks
from dbt_af_k8s.plan.passes.make_tasks import make_tasks
from dbt_af_k8s.plan.passes.refresh import Refreshes
from dbt_af_k8s.plan.values import DagKind, DagPlan, TaskKind, TaskPlan, WaitsFor

#: Id of the only task of a broken domain's DAG.
BROKEN_TASK = "broken"


def make_dags(
    inputs: PlanInputs,
    decisions: Decisions,
    layout: Layout,
    extra: Sequence[DagLayout],
    upkeep: Upkeep,
    refreshes: Refreshes,
    connector: Connector,
    broken: Mapping[str, tuple[Issue, ...]],
) -> tuple[DagPlan, ...]:
    """The DAGs of all domains. `extra` are those that nothing waits for; `broken` maps a domain to its errors."""
    starts = start_dates(decisions)
    default = inputs.settings.dags.start_date
    waits_for = {
        node: _waits_for(inputs, dag, cron, layout, node, starts.get(dag.domain, default), dag.domain in broken)
        for node, dag in layout.dag_of.items()
        if (cron := dag.schedule.cron) is not None
    }
    dags = []
    built_by = builders(layout, extra)
    for dag in (*layout.dags, *extra):
        problems = broken.get(dag.domain, ())
        if problems:
            tasks: tuple[TaskPlan, ...] = (_broken_task(dag),)
        elif dag.kind is DagKind.BACKFILL:
            tasks = make_backfill_tasks(inputs, decisions, dag)
        elif dag.kind is DagKind.MAINTENANCE:
            tasks = make_maintenance_tasks(inputs, decisions, upkeep, dag, built_by)
        else:
            tasks = make_tasks(inputs, decisions, connector, dag, waits_for, refreshes.by_dag.get(dag.dag_id, ()))
        plan = _dag(inputs, dag, starts.get(dag.domain, default), tasks, problems)
        dags.append(replace(plan, doc_md=describe(inputs, plan)))
    return tuple(dags)


def start_dates(decisions: Decisions) -> Mapping[str, datetime]:
    """The earliest `domain_start_date` of each domain that names one."""
    earliest: dict[str, datetime] = {}
    for decision in decisions.nodes.values():
        date = decision.settings.domain_start_date
        if date is not None:
            domain = decision.domain.domain
            earliest[domain] = min(date, earliest.get(domain, date))
    return earliest


def _waits_for(
    inputs: PlanInputs, dag: DagLayout, cron: str, layout: Layout, node: str, start: datetime, is_broken: bool
) -> WaitsFor:
    return WaitsFor(
        dag_id=dag.dag_id,
        task_id=BROKEN_TASK if is_broken else layout.done_of[node],
        work=() if is_broken else layout.closed_by(node),
        node=node,
        policy="last",
        cron=cron,
        timezone=dag.schedule.timezone,
        start_date=start,
        catchup=inputs.settings.dags.catchup,
        first_runs=inputs.settings.waits.first_runs,
    )


def _dag(
    inputs: PlanInputs, dag: DagLayout, start: datetime, tasks: tuple[TaskPlan, ...], problems: tuple[Issue, ...]
) -> DagPlan:
    settings, is_backfill = inputs.settings.dags, dag.kind is DagKind.BACKFILL
    is_upkeep = dag.kind is DagKind.MAINTENANCE
    return DagPlan(
        dag_id=dag.dag_id,
        kind=dag.kind,
        domain=dag.domain,
        schedule=dag.schedule.cron,
        schedule_name=dag.schedule.name,
        timezone=dag.schedule.timezone,
        start_date=start,
        # The upkeep of today includes that of every day before.
        catchup=settings.catchup and not is_upkeep,
        max_active_runs=1 if is_backfill or is_upkeep else settings.max_active_runs,
        max_active_tasks=settings.max_active_tasks,
        tags=settings.tags,
        owner=settings.owner,
        tasks=tasks,
        form=FORM if is_backfill else (),
        problems=problems,
    )


def _broken_task(dag: DagLayout) -> TaskPlan:
    return TaskPlan(
        task_id=BROKEN_TASK,
        kind=TaskKind.ENDPOINT,
        because=f"domain `{dag.domain}` has errors; this task fails and tells them",
        retry=RetrySettings(retries=0),
    )


def describe(inputs: PlanInputs, dag: DagPlan) -> str:
    """The DAG's note in Airflow's UI: short Markdown, no SQL, with the pools that must exist."""
    when = f"`{dag.schedule}` ({dag.timezone})" if dag.schedule else "started by a person"
    lines = [
        f"Domain **{dag.domain}** of dbt project **{inputs.project}**, schedule {dag.schedule_name}: {when}.",
        f"Why a node is here: `dbt-af-k8s explain NODE`. A picture of it: `dbt-af-k8s graph --dag {dag.dag_id}`.",
    ]
    pools = sorted({task.pool for task in dag.tasks if task.pool})
    if pools:
        lines.append(f"Needs the Airflow pools {', '.join(f'`{pool}`' for pool in pools)}.")
    if dag.problems:
        lines.append("**The domain has errors; its nodes do not run until they are mended:**")
        lines.extend(f"- {issue.place}: {issue.message} {issue.fix}" for issue in dag.problems)
    return "\n\n".join(lines)
