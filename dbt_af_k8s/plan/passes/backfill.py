"""The backfill DAG of each domain: its nodes of all schedules, in order, without waits, over a range in chunks."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dbt_af_k8s.graph.placement import place_tests
from dbt_af_k8s.names import IdBook
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.connect import Connector
from dbt_af_k8s.plan.passes.decide import Decisions, NodeDecision, script_on
from dbt_af_k8s.plan.passes.decide_script import Scripts
from dbt_af_k8s.plan.passes.layout import DagLayout, claim_dag_id, collect, lay_out_dag
from dbt_af_k8s.plan.passes.make_tasks import make_tasks
from dbt_af_k8s.plan.passes.shelve_tests import TestShelf
from dbt_af_k8s.plan.values import Control, DagKind, FormField, TaskKind, TaskPlan
from dbt_af_k8s.route.runners import choose_runner
from dbt_af_k8s.route.targets import TargetChoice
from dbt_af_k8s.schedule.chunks import CHUNKS
from dbt_af_k8s.schedule.values import MANUAL, Schedule

FORM = (
    FormField("chunk", "string", "Chunk", "Cut the range into pieces: one run each, in order.", "none", CHUNKS),
    FormField("models", "string", "Models", "dbt selection within the domain; empty: all of it.", ""),
    FormField("vars", "object", "dbt vars", "Vars for every dbt command, as a JSON object."),
    FormField(
        "full_refresh", "boolean", "Full refresh", "Build incremental models and seeds anew (first chunk).", False
    ),
    FormField("with_tests", "boolean", "With tests", "Run the blocking tests of each node, too.", False),
)


def lay_out_backfills(
    inputs: PlanInputs, decisions: Decisions, left_out: Mapping[str, str], dag_ids: IdBook
) -> tuple[DagLayout, ...]:
    """One DAG for each domain that builds something."""
    if "backfill" not in inputs.settings.dags.kinds:
        return ()
    decisions = _as_backfilled(inputs, decisions, decisions.graph.order)
    shelf = TestShelf(decisions, left_out)
    members: dict[str, list[NodeDecision]] = {}
    for key in decisions.graph.order:
        if key not in left_out:
            members.setdefault(decisions.nodes[key].domain.domain, []).append(decisions.nodes[key])
    by_hand = Schedule("backfill", MANUAL, None, inputs.settings.dags.timezone)
    dags = []
    for domain in sorted(members):
        dag_id = claim_dag_id(inputs, dag_ids, domain, by_hand.key)
        dag = lay_out_dag(inputs, dag_id, domain, by_hand, members[domain], shelf)
        dags.append(replace(dag, kind=DagKind.BACKFILL, medium_tests=()))
    return tuple(dags)


def make_backfill_tasks(inputs: PlanInputs, decisions: Decisions, dag: DagLayout) -> tuple[TaskPlan, ...]:
    """The tasks of a backfill: settle what the form asks for, run it in order, start the next chunk."""
    members = {tasks.node for tasks in dag.nodes}
    elsewhere = {key: "of another domain" for key in decisions.nodes if key not in members}
    here = _as_backfilled(inputs, decisions, members)
    connector = Connector(inputs.manifest, here, collect([dag]), elsewhere)
    tasks = make_tasks(inputs, here, connector, dag, {})
    book = IdBook({*dag.ids, *(task.task_id for task in tasks)})
    choose, following = book.claim("choose", "backfill choose"), book.claim("next_chunk", "backfill next")
    followed = {task_id for task in tasks for task_id in task.upstream}
    last = tuple(sorted(task.task_id for task in tasks if task.task_id not in followed))
    return (
        TaskPlan(choose, TaskKind.ENDPOINT, because="reads the form", control=Control.BACKFILL_CHOOSE),
        *(_node_task(task, choose) for task in tasks),
        TaskPlan(
            following,
            TaskKind.ENDPOINT,
            upstream=last,
            because="starts the next chunk when this one is done",
            control=Control.BACKFILL_NEXT,
        ),
    )


def _node_task(task: TaskPlan, choose: str) -> TaskPlan:
    return replace(
        task,
        upstream=task.upstream or (choose,),
        control=Control.BACKFILL_NODE if task.dbt or task.pod or task.venv or task.job else task.control,
        not_waited=tuple(gap for gap in task.not_waited if gap.code == "skip"),
        enable_from=None,
        disable_from=None,
        on_change=False,
    )


def _as_backfilled(inputs: PlanInputs, decisions: Decisions, built: Iterable[str]) -> Decisions:
    """The same decisions with the targets of a backfill for these nodes and their tests, and without gates.

    A backfill has no schedules: a test is placed with the last of its parents, whether that one has one or not.
    """
    placements = place_tests(inputs.manifest, decisions.graph, absent=decisions.outside.keys())
    own = {key: _on_backfill_target(inputs, decisions.scripts, decisions.nodes[key]) for key in built}
    moved = {key for key, decision in own.items() if decision.target != decisions.nodes[key].target}
    if moved:
        for test, placement in placements.items():
            if placement.beside in moved:
                own[test] = _where_the_data_is(decisions.nodes[test], own[placement.beside])
    sources = {key: replace(source, is_gate=False) for key, source in decisions.sources.items()}
    return replace(decisions, nodes={**decisions.nodes, **own}, sources=sources, placements=placements)


def _on_backfill_target(inputs: PlanInputs, scripts: Scripts, decision: NodeDecision) -> NodeDecision:
    own, setting = decision.settings.bf_cluster, inputs.settings.targets.backfill
    if decision.settings.dbt_target:
        return decision
    if own:
        target = TargetChoice(own, "the node's `bf_cluster`", "bf_cluster")
    elif setting and decision.script is None:
        target = TargetChoice(setting, "`targets.backfill` of the settings")
    else:
        return decision
    ran = script_on(inputs, scripts, decision.node, decision.settings, target)
    if ran is not None:
        return replace(decision, target=target, runner=ran.runner, script=ran.script)
    runner = choose_runner(target.target, inputs.settings.runners, decision.settings.runner)
    return replace(decision, target=target, runner=runner, script=None)


def _where_the_data_is(test: NodeDecision, node: NodeDecision) -> NodeDecision:
    """A test in the target in which a backfill builds its node, unless it names a target of its own."""
    if test.settings.dbt_target or node.script is not None:
        return test
    return replace(test, target=replace(node.target, because=f"{node.target.because}, as its node"), runner=node.runner)
