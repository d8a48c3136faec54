"""First pass: for each node its settings, domain, schedule, target and runner, each with the rule that gave it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from dbt_af_k8s.config.node_settings import read_node_settings
from dbt_af_k8s.config.settings import NodeSettings, TargetSettings
from dbt_af_k8s.errors import Issue, error, warning
from dbt_af_k8s.graph.domains import DomainChoice, ResourceRoots, choose_domain
from dbt_af_k8s.graph.placement import Placement, TestSize, place_tests
from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.manifest.values import Node, Source
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.choose_schedule import ScheduleBook, ScheduleChoice
from dbt_af_k8s.plan.passes.decide_script import ScriptDecision, Scripts
from dbt_af_k8s.plan.passes.decide_source import SourceDecision, decide_source
from dbt_af_k8s.plan.passes.outside_selection import outside_selection
from dbt_af_k8s.plan.scripts import ScriptPlan
from dbt_af_k8s.route.kinds import runs_only_python
from dbt_af_k8s.route.runners import RunnerChoice, Work, can_do, choose_runner
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
    #: What runs in place of dbt, where the target is no warehouse.
    script: ScriptPlan | None = None
    #: Of a test: the owner of the node or source that it is placed with.
    owner_beside: str | None = None


@dataclass(frozen=True, slots=True)
class Decisions:
    """The outcome of the first pass."""

    graph: ProjectGraph
    #: Models, seeds, snapshots and data tests, by unique_id.
    nodes: Mapping[str, NodeDecision]
    sources: Mapping[str, SourceDecision]
    #: Nodes and tests outside the selection, each with the reason.
    outside: Mapping[str, str]
    placements: Mapping[str, Placement]
    #: Models, seeds and snapshots that only a person starts.
    manual: frozenset[str]
    #: Nodes that share kind, package and fqn with another one (tests to which a person gave one name).
    namesakes: frozenset[str]
    issues: tuple[Issue, ...]
    scripts: Scripts


def decide(inputs: PlanInputs) -> Decisions:
    """Decide everything that concerns one node alone, or a test and the node or source it is placed with."""
    graph = ProjectGraph(inputs.manifest)
    schedules, scripts = ScheduleBook(inputs), Scripts(inputs)
    roots = ResourceRoots(inputs.project, inputs.resource_paths, inputs.manifest.nodes.values())
    issues: list[Issue] = [*graph.issues, *schedules.issues]
    sources: dict[str, SourceDecision] = {}
    for key, source in sorted(inputs.manifest.sources.items()):
        sources[key], found = decide_source(inputs, source, roots)
        issues.extend(found)
    nodes: dict[str, NodeDecision] = {}
    for key in graph.order:
        node = inputs.manifest.nodes[key]
        nodes[key], found = _decide_node(inputs, scripts, node, _home(inputs, node, roots, schedules))
        issues.extend(found)
    domain_of = {key: decision.domain.domain for key, decision in nodes.items()}
    domain_of |= {key: decision.domain.domain for key, decision in sources.items()}
    outside, found = outside_selection(inputs, graph, domain_of)
    issues.extend(found)
    manual = frozenset(key for key, decision in nodes.items() if decision.schedule.schedule.is_manual)
    placements = place_tests(inputs.manifest, graph, manual, outside.keys())
    for key, placement in placements.items():
        node = inputs.manifest.nodes[key]
        home = _home_of_test(inputs, node, roots, schedules, placement, nodes, sources)
        decision, found = _decide_node(inputs, scripts, node, home)
        nodes[key] = replace(decision, owner_beside=_owner_beside(inputs, placement, nodes, sources))
        issues.extend(found)
    for key, placement in placements.items():
        if nodes[key].left_out is None:
            nodes[key] = replace(nodes[key], left_out=_why_no_test(inputs, placement, nodes))
    all_issues = (*issues, *_settings_on_ephemerals(inputs))
    return Decisions(graph, nodes, sources, outside, placements, manual, _namesakes(nodes), all_issues, scripts)


def _namesakes(nodes: Mapping[str, NodeDecision]) -> frozenset[str]:
    by_name: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for key, decision in nodes.items():
        node = decision.node
        by_name.setdefault((node.resource_type, node.package, node.fqn), []).append(key)
    return frozenset(key for keys in by_name.values() if len(keys) > 1 for key in keys)


@dataclass(frozen=True, slots=True)
class _Home:
    """A node's settings, and the domain and schedule that follow from them or from what it is placed with."""

    settings: NodeSettings
    domain: DomainChoice
    schedule: ScheduleChoice
    issues: tuple[Issue, ...]


def _home(inputs: PlanInputs, node: Node, roots: ResourceRoots, schedules: ScheduleBook) -> _Home:
    settings, issues = _settings_of(inputs, node)
    domain = choose_domain(node, settings.domain, inputs.settings.domains, inputs.project, roots)
    schedule = schedules.choose(node, settings)
    return _Home(settings, domain, schedule, (*issues, *schedule.issues_of(node)))


def _home_of_test(
    inputs: PlanInputs,
    test: Node,
    roots: ResourceRoots,
    schedules: ScheduleBook,
    placement: Placement,
    nodes: Mapping[str, NodeDecision],
    sources: Mapping[str, SourceDecision],
) -> _Home:
    settings, issues = _settings_of(inputs, test)
    if placement.beside is not None:
        beside = nodes[placement.beside]
        return _Home(settings, beside.domain, beside.schedule, issues)
    if placement.source is not None:
        return _Home(settings, sources[placement.source].domain, schedules.default, issues)
    domain = choose_domain(test, settings.domain, inputs.settings.domains, inputs.project, roots)
    return _Home(settings, domain, schedules.default, issues)


def _owner_beside(
    inputs: PlanInputs,
    placement: Placement,
    nodes: Mapping[str, NodeDecision],
    sources: Mapping[str, SourceDecision],
) -> str | None:
    if placement.beside is not None:
        beside = nodes[placement.beside]
        return beside.settings.owner or inputs.manifest.group_owners.get(beside.node.group or "")
    return None if placement.source is None else sources[placement.source].settings.owner


def _settings_of(inputs: PlanInputs, entry: Node | Source) -> tuple[NodeSettings, tuple[Issue, ...]]:
    places = inputs.settings.node_settings
    return read_node_settings(entry.config, entry.meta, places, node=entry.unique_id, file=entry.file)


def _decide_node(
    inputs: PlanInputs, scripts: Scripts, node: Node, home: _Home
) -> tuple[NodeDecision, tuple[Issue, ...]]:
    question = TargetQuestion(
        node, home.settings, home.schedule.schedule.name, _defaulted(inputs), inputs.profile.default_target
    )
    target = choose_target(question)
    runner = choose_runner(target.target, inputs.settings.runners, home.settings.runner)
    problems = [problem] if (problem := target_problem(inputs, node, target)) else []
    left_out = script = None
    if not problems and (ran := script_on(inputs, scripts, node, home.settings, target)) is not None:
        runner, left_out, script = ran.runner, ran.left_out, ran.script
        problems += (*ran.issues, *runner_without_dbt(inputs, node, home.settings, target))
    elif not problems and not can_do(runner.rule.runner, Work.NODES):
        of = "the node" if home.settings.runner else f"target `{target.target}`"
        left_out = f"runner `{runner.rule.runner}` of {of} is not supported yet"
    decision = NodeDecision(node, home.settings, home.domain, home.schedule, target, runner, left_out, script)
    backfill = home.settings.bf_cluster
    if backfill and not home.settings.dbt_target and "backfill" in inputs.settings.dags.kinds:
        choice = TargetChoice(backfill, "the node's `bf_cluster`", "bf_cluster")
        fault = target_problem(inputs, node, choice)
        ran = None if fault else script_on(inputs, scripts, node, home.settings, choice)
        problems += [fault] if fault else ran.issues if ran else ()
    return decision, (*home.issues, *problems)


def _defaulted(inputs: PlanInputs) -> TargetSettings:
    if inputs.target is None:
        return inputs.settings.targets
    return replace(inputs.settings.targets, default=inputs.target)


def script_on(
    inputs: PlanInputs, scripts: Scripts, node: Node, settings: NodeSettings, choice: TargetChoice
) -> ScriptDecision | None:
    """What runs the node on a target that is no warehouse; None for a warehouse."""
    kind = inputs.profile.target_types.get(choice.target or "") if inputs.profile.found else None
    if choice.target is None or not runs_only_python(kind):
        return None
    return scripts.decide(node, settings, choice.target)


def runner_without_dbt(
    inputs: PlanInputs, node: Node, settings: NodeSettings, choice: TargetChoice
) -> tuple[Issue, ...]:
    """A warning where a node names a runner of dbt and runs no dbt."""
    if settings.runner is None:
        return ()
    kind = inputs.profile.target_types.get(choice.target or "")
    message = (
        f"`runner` says where dbt runs, and target `{choice.target}` is of type `{kind}`: the node runs there as a "
        "script, without dbt."
    )
    fix = "Remove `runner`, or give the node a warehouse target."
    return (warning("runner-without-dbt", message, fix, file=node.file, node=node.unique_id, key="runner"),)


def target_problem(inputs: PlanInputs, node: Node, choice: TargetChoice) -> Issue | None:
    """An error where there is no such target, or where it cannot run the node."""
    types = inputs.profile.target_types
    if choice.target is None or not inputs.profile.found:
        return None
    if choice.target not in types:
        if choice.target in _settings_targets(inputs):
            return None  # told once, at the settings, and no DAG is made
        if choice.target in inputs.profile.broken_targets:
            message = f"Target `{choice.target}` ({choice.because}) has errors, so the node cannot run on it."
            fix = f"Correct `outputs.{choice.target}` in {inputs.profile.file}; its errors are told with that file."
            return error("broken-target", message, fix, file=node.file, node=node.unique_id, key=choice.key)
        close = get_close_matches(choice.target, types, 1)
        guess = f"Did you mean `{close[0]}`? " if close else ""
        known = ", ".join(f"`{name}`" for name in types) or "none"
        message = f"Target `{choice.target}` ({choice.because}) is not in profile `{inputs.profile.name}`."
        return error(
            "unknown-target", message, f"{guess}It has: {known}.", file=node.file, node=node.unique_id, key=choice.key
        )
    kind = types[choice.target]
    if not runs_only_python(kind) or node.language == "python":
        return None
    message = f"Target `{choice.target}` ({choice.because}) is of type `{kind}` and runs only Python."
    fix = "Give this SQL node a warehouse target, with `dbt_target` or by the settings' `targets`."
    return error("sql-on-python-target", message, fix, file=node.file, node=node.unique_id, key=choice.key)


def _settings_targets(inputs: PlanInputs) -> tuple[str | None, ...]:
    targets = inputs.settings.targets
    return (inputs.target, targets.default, targets.tests, targets.maintenance, targets.backfill)


def _why_no_test(inputs: PlanInputs, placement: Placement, nodes: Mapping[str, NodeDecision]) -> str | None:
    kinds = inputs.settings.dags.kinds
    if placement.beside is not None and nodes[placement.beside].left_out:
        return f"the node it is placed with, {placement.beside}, is left out"
    if placement.size is TestSize.LARGE:
        return None if "large_tests" in kinds else "`dags.kinds` of the settings has no `large_tests`"
    if placement.source is not None and "freshness" not in kinds:
        return "`dags.kinds` of the settings has no `freshness`, where tests on sources run"
    return None


def _settings_on_ephemerals(inputs: PlanInputs) -> Iterable[Issue]:
    for node in inputs.manifest.nodes.values():
        if not node.is_ephemeral:
            continue
        settings, issues = _settings_of(inputs, node)
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
