"""First pass: for each node its settings, domain, schedule, target and runner, each with the rule that gave it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from dbt_af_k8s.config.node_settings import read_node_settings
from dbt_af_k8s.config.settings import NodeSettings, TargetSettings
from dbt_af_k8s.errors import Issue, error
from dbt_af_k8s.graph.domains import DomainChoice, choose_domain
from dbt_af_k8s.graph.placement import Placement, TestSize, place_tests
from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.choose_schedule import ScheduleBook, ScheduleChoice
from dbt_af_k8s.route.kinds import runs_only_python
from dbt_af_k8s.route.runners import RunnerChoice, choose_runner
from dbt_af_k8s.route.targets import TargetChoice, TargetQuestion, choose_target


@dataclass(frozen=True, slots=True)
class NodeDecision:
    """All that was decided about one node that could become a task."""

    node: Node
    settings: NodeSettings
    domain: DomainChoice
    schedule: ScheduleChoice
    target: TargetChoice
    runner: RunnerChoice
    #: Why it gets no task, or None.
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class Decisions:
    """The outcome of the first pass."""

    graph: ProjectGraph
    #: Models, seeds, snapshots and data tests, by unique_id.
    nodes: Mapping[str, NodeDecision]
    placements: Mapping[str, Placement]
    #: Nodes that share kind, package and fqn with another one (tests to which a person gave one name).
    namesakes: frozenset[str]
    issues: tuple[Issue, ...]


def decide(inputs: PlanInputs) -> Decisions:
    """Decide everything that concerns one node alone, or a test and the node it is placed with."""
    graph = ProjectGraph(inputs.manifest)
    placements = place_tests(inputs.manifest, graph)
    schedules = ScheduleBook(inputs)
    issues: list[Issue] = [*graph.issues, *schedules.issues]
    nodes: dict[str, NodeDecision] = {}
    for key in (*graph.order, *placements):
        beside = placements[key].beside if key in placements else None
        nodes[key], found = _decide_node(
            inputs, inputs.manifest.nodes[key], schedules, nodes[beside] if beside else None
        )
        issues.extend(found)
    for key in placements:
        nodes[key] = replace(nodes[key], left_out=_why_no_test(placements[key], nodes))
    return Decisions(graph, nodes, placements, _namesakes(nodes), (*issues, *_settings_on_ephemerals(inputs)))


def _namesakes(nodes: Mapping[str, NodeDecision]) -> frozenset[str]:
    by_name: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for key, decision in nodes.items():
        node = decision.node
        by_name.setdefault((node.resource_type, node.package, node.fqn), []).append(key)
    return frozenset(key for keys in by_name.values() if len(keys) > 1 for key in keys)


def _decide_node(
    inputs: PlanInputs, node: Node, schedules: ScheduleBook, beside: NodeDecision | None
) -> tuple[NodeDecision, tuple[Issue, ...]]:
    settings, issues = read_node_settings(
        node.config, node.meta, inputs.settings.node_settings, node=node.unique_id, file=node.file
    )
    if beside is not None:
        domain, schedule = beside.domain, beside.schedule
    else:
        domain = choose_domain(node, settings.domain, inputs.settings.domains, inputs.project)
        schedule = schedules.default if node.is_test else schedules.choose(node, settings)
    question = TargetQuestion(node, settings, schedule.schedule.name, _defaulted(inputs), inputs.profile.default_target)
    target = choose_target(question)
    runner = choose_runner(target.target, inputs.settings.runners)
    problem, left_out = _judge_target(inputs, node, target)
    if left_out is None and runner.rule.runner != "local" and problem is None:
        left_out = f"runner `{runner.rule.runner}` of target `{target.target}` is not supported yet"
    decision = NodeDecision(node, settings, domain, schedule, target, runner, left_out)
    return decision, (*issues, *schedule.issues_of(node), *((problem,) if problem else ()))


def _defaulted(inputs: PlanInputs) -> TargetSettings:
    if inputs.target is None:
        return inputs.settings.targets
    return replace(inputs.settings.targets, default=inputs.target)


def _judge_target(inputs: PlanInputs, node: Node, choice: TargetChoice) -> tuple[Issue | None, str | None]:
    """An error where the target cannot run the node, and the reason to leave it out where we cannot yet."""
    types = inputs.profile.target_types
    if choice.target is None or not inputs.profile.found:
        return None, None
    if choice.target not in types:
        close = get_close_matches(choice.target, types, 1)
        guess = f"Did you mean `{close[0]}`? " if close else ""
        known = ", ".join(f"`{name}`" for name in types) or "none"
        message = f"Target `{choice.target}` ({choice.because}) is not in profile `{inputs.profile.name}`."
        return error("unknown-target", message, f"{guess}It has: {known}.", file=node.file, node=node.unique_id), None
    kind = types[choice.target]
    if not runs_only_python(kind):
        return None, None
    if node.language != "python":
        message = f"Target `{choice.target}` ({choice.because}) is of type `{kind}` and runs only Python."
        fix = "Give this SQL node a warehouse target, with `dbt_target` or by the settings' `targets`."
        return error("sql-on-python-target", message, fix, file=node.file, node=node.unique_id), None
    return None, f"targets of type `{kind}` are not supported yet"


def _why_no_test(placement: Placement, nodes: Mapping[str, NodeDecision]) -> str | None:
    if placement.is_source_test:
        return "tests on sources are not supported yet"
    if placement.size is not TestSize.SMALL:
        return f"`{placement.size.value}` tests are not supported yet"
    if placement.beside is not None and nodes[placement.beside].left_out:
        return f"the node it is placed with, {placement.beside}, is left out"
    return nodes[placement.test].left_out


def _settings_on_ephemerals(inputs: PlanInputs) -> Iterable[Issue]:
    for node in inputs.manifest.nodes.values():
        if not node.is_ephemeral:
            continue
        settings, issues = read_node_settings(
            node.config, node.meta, inputs.settings.node_settings, node=node.unique_id, file=node.file
        )
        yield from issues
        if settings.dependencies:
            yield error(
                "dependencies-on-ephemeral",
                "An ephemeral model runs in no task, so its `dependencies` have no effect.",
                "Move them to the models that ref it; they may name what lies behind it.",
                file=node.file,
                node=node.unique_id,
                key="dependencies",
            )
