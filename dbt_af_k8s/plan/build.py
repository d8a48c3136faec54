"""From a project to its plan: the passes in order, each a pure function of what came before."""

from collections.abc import Mapping
from dataclasses import dataclass

from dbt_af_k8s.errors import Issue, folded
from dbt_af_k8s.names import IdBook
from dbt_af_k8s.plan.first_runs import first_run_deadlocks
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.backfill import lay_out_backfills
from dbt_af_k8s.plan.passes.catchup_checks import stalled_catchups
from dbt_af_k8s.plan.passes.connect import Connector, dependency_issues
from dbt_af_k8s.plan.passes.dbt_af_ids import as_dbt_af
from dbt_af_k8s.plan.passes.dbt_pods import RunnerPods, with_clusters
from dbt_af_k8s.plan.passes.decide import Decisions, decide
from dbt_af_k8s.plan.passes.executor_checks import executor_issues
from dbt_af_k8s.plan.passes.fuse import fuse
from dbt_af_k8s.plan.passes.layout import Layout, collect, lay_out_domains
from dbt_af_k8s.plan.passes.layout_checks import lay_out_freshness, lay_out_large_tests
from dbt_af_k8s.plan.passes.leave_out import left_out_entries
from dbt_af_k8s.plan.passes.maintenance import decide_upkeep, lay_out_maintenance
from dbt_af_k8s.plan.passes.make_dags import make_dags
from dbt_af_k8s.plan.passes.node_reach import reach_issues
from dbt_af_k8s.plan.passes.project_checks import project_issues, unset_variables
from dbt_af_k8s.plan.passes.refresh import decide_refreshes
from dbt_af_k8s.plan.passes.run_model import run_model_dag
from dbt_af_k8s.plan.passes.runner_checks import runner_faults, without_selection_dag
from dbt_af_k8s.plan.passes.shelve_tests import TestShelf
from dbt_af_k8s.plan.passes.tell import with_callbacks
from dbt_af_k8s.plan.values import DagPlan, Plan
from dbt_af_k8s.schedule.values import Schedule


@dataclass(frozen=True, slots=True)
class Build:
    """A plan and what it was made from, for those who ask why."""

    inputs: PlanInputs
    decisions: Decisions
    layout: Layout
    plan: Plan


def build_plan(inputs: PlanInputs) -> Plan:
    """Plan a project. Never raises for what a project may hold: problems are the plan's `issues`."""
    return build(inputs).plan


def build(inputs: PlanInputs) -> Build:
    """Plan a project and keep the decisions."""
    decisions = decide(inputs)
    left_out = {key: why for key, decision in decisions.nodes.items() if (why := decision.left_out)} | dict(
        decisions.outside
    )
    for key, placement in decisions.placements.items():
        if placement.beside in left_out and key not in left_out:
            left_out[key] = f"the node it is placed with, {placement.beside}, is left out"
    shelf, dag_ids = TestShelf(decisions, left_out), IdBook()
    layout = _lay_out(inputs, decisions, shelf, left_out, dag_ids)
    upkeep = decide_upkeep(inputs, decisions, left_out)
    extra = (
        *lay_out_backfills(inputs, decisions, left_out, dag_ids),
        *lay_out_maintenance(inputs, decisions, upkeep, dag_ids),
    )
    issues = [
        *inputs.issues,
        *decisions.issues,
        *upkeep.issues,
        *dependency_issues(decisions, layout, inputs.manifest),
        *project_issues(inputs, decisions, layout),
        *executor_issues(inputs, decisions),
        *reach_issues(inputs, decisions),
    ]
    issues = [issue for issue in issues if issue.node is None or issue.node not in decisions.outside]
    broken = _broken_domains(issues, decisions)
    refreshes = decide_refreshes(inputs, decisions, layout, left_out)
    issues += refreshes.issues
    connector = Connector(inputs.manifest, decisions, layout, left_out)
    dags = make_dags(inputs, decisions, layout, extra, upkeep, refreshes, connector, broken)
    pods = RunnerPods(inputs, decisions)
    faults = _joined(runner_faults(inputs, dags), pods.faults(dags))
    if faults:
        issues += [issue for found in faults.values() for issue in found]
        broken = {
            domain: folded((*broken.get(domain, ()), *faults.get(domain, ()))) for domain in sorted({*broken, *faults})
        }
        dags = make_dags(inputs, decisions, layout, extra, upkeep, refreshes, connector, broken)
    issues += stalled_catchups(inputs, dags)
    issues += first_run_deadlocks(dags, inputs.settings_file)
    # What shares a task shares its pod, too; the tasks that make and delete a cluster stand around the fused ones.
    dags = fuse(inputs, layout, pods.filled(dags))
    if inputs.settings.dags.task_ids == "dbt_af":
        dags = as_dbt_af(dags, decisions)
    by_hand, found = without_selection_dag(inputs, run_model_dag(inputs, dag_ids) if dags else ())
    issues += [*found, *pods.warnings()]
    dags = tuple(with_clusters(dag) for dag in (*dags, *pods.filled(by_hand)))
    dags = tuple(with_callbacks(inputs, dag) for dag in sorted(dags, key=lambda dag: dag.dag_id))
    issues += unset_variables(inputs, dags)
    planned = frozenset(node for dag in dags for task in dag.tasks for node in task.nodes)
    reasons = {key: _broken_reason(decision.domain.domain) for key, decision in decisions.nodes.items()} | left_out
    reasons |= {key: _broken_reason(dag.domain) for key, dag in refreshes.placed.items()} | dict(refreshes.left_out)
    plan = Plan(
        project=inputs.project,
        manifest_sha256=inputs.manifest.sha256,
        dbt_version=inputs.manifest.dbt_version,
        dags=dags,
        left_out=left_out_entries(inputs, planned, reasons),
        issues=folded(issues),
        pools=_pools(inputs, dags),
    )
    return Build(inputs, decisions, layout, plan)


def _lay_out(
    inputs: PlanInputs, decisions: Decisions, shelf: TestShelf, left_out: Mapping[str, str], dag_ids: IdBook
) -> Layout:
    domains = lay_out_domains(inputs, decisions, shelf, left_out, dag_ids)
    schedules: dict[str, list[Schedule]] = {}
    for dag in domains:
        schedules.setdefault(dag.domain, []).append(dag.schedule)
    freshness = lay_out_freshness(inputs, decisions, shelf, schedules, dag_ids)
    large = lay_out_large_tests(inputs, decisions, shelf, dag_ids)
    return collect((*domains, *freshness, *large))


def _broken_domains(issues: list[Issue], decisions: Decisions) -> Mapping[str, tuple[Issue, ...]]:
    """Each domain that has an error in one of its nodes, with its errors."""
    found: dict[str, list[Issue]] = {}
    for issue in issues:
        if issue.is_error and issue.node is not None:
            for domain in _domains_of(issue.node, decisions):
                found.setdefault(domain, []).append(issue)
    return {domain: folded(found[domain]) for domain in sorted(found)}


def _domains_of(node: str, decisions: Decisions) -> tuple[str, ...]:
    """The domain of a node; an ephemeral model breaks those of the nodes that it is inlined into."""
    if node in decisions.nodes:
        return (decisions.nodes[node].domain.domain,)
    if node not in decisions.graph:
        return ()
    return tuple(sorted({decisions.nodes[child].domain.domain for child in decisions.graph.inlined_into(node)}))


def _joined(*found: Mapping[str, tuple[Issue, ...]]) -> Mapping[str, tuple[Issue, ...]]:
    domains = sorted({domain for each in found for domain in each})
    return {domain: tuple(issue for each in found for issue in each.get(domain, ())) for domain in domains}


def _broken_reason(domain: str) -> str:
    return f"domain `{domain}` has errors; its DAGs hold one failing task that tells them"


def _pools(inputs: PlanInputs, dags: tuple[DagPlan, ...]) -> Mapping[str, tuple[int, str]]:
    used = {task.pool for dag in dags for task in dag.tasks if task.pool}
    return {pool.name: (pool.slots, pool.description) for pool in inputs.settings.pools if pool.name in used}
