"""Proof that a plan keeps its promises. Runs on every plan and shares no code with the passes that build one.

What is proved: ids are legal and unique, each DAG is without cycles and in order, every node of the manifest is in one
task or left out, every edge of the dbt graph is an edge, a wait or a stated exception, blocking tests stand between a
node and what is downstream (in one process, dbt holds it back), no wait points to what does not exist, no runs can
wait for each other, and over two years of calendar every run waits for the right runs upstream.
"""

from dbt_af_k8s.errors import PlanInvariantError
from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.values import Plan
from dbt_af_k8s.plan.verify.coverage import coverage_violations
from dbt_af_k8s.plan.verify.edges import edge_violations
from dbt_af_k8s.plan.verify.fused import fused_violations
from dbt_af_k8s.plan.verify.places import Places
from dbt_af_k8s.plan.verify.refreshes import refresh_violations
from dbt_af_k8s.plan.verify.refs import Refs
from dbt_af_k8s.plan.verify.shape import shape_violations
from dbt_af_k8s.plan.verify.simulate import WaitedRuns, calendar_violations
from dbt_af_k8s.plan.verify.waiting import deadlock_violations, wait_violations
from dbt_af_k8s.schedule.waits import runs_waited_for

#: More than this many violations are counted, not told.
_MOST_TOLD = 20


def violations(plan: Plan, manifest: Manifest, *, waited_runs: WaitedRuns = runs_waited_for) -> tuple[str, ...]:
    """Every promise that the plan of this manifest breaks, one sentence each; empty for a good plan.

    `waited_runs` is the rule by which runs choose what they wait for: the shipped one, or another to put to the proof.
    """
    refs = Refs(manifest)
    places = Places(plan, refs)
    return (
        *shape_violations(plan),
        *coverage_violations(plan, manifest),
        *edge_violations(plan, refs, places),
        *fused_violations(plan, manifest, refs, places),
        *refresh_violations(plan, manifest, refs, places),
        *wait_violations(plan, places),
        *deadlock_violations(plan),
        *calendar_violations(plan, waited_runs),
    )


def verify(plan: Plan, manifest: Manifest, *, waited_runs: WaitedRuns = runs_waited_for) -> None:
    """Raise `PlanInvariantError` where the plan breaks a promise; the message lists what is broken."""
    found = violations(plan, manifest, waited_runs=waited_runs)
    if not found:
        return
    told = [f"- {each}" for each in found[:_MOST_TOLD]]
    if len(found) > _MOST_TOLD:
        told.append(f"- and {len(found) - _MOST_TOLD} more")
    counted = "1 promise" if len(found) == 1 else f"{len(found)} promises"
    raise PlanInvariantError("\n".join([f"The plan breaks {counted}. This is a fault of dbt-af-k8s:", *told]))
