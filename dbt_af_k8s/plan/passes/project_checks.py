"""Checks of the project as a whole that stop no node: what `check` warns of besides each node's own issues."""

from collections.abc import Iterable
from difflib import get_close_matches

from dbt_af_k8s.errors import Issue, error, warning
from dbt_af_k8s.graph.placement import TestSize
from dbt_af_k8s.names import node_name
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.decide import Decisions, NodeDecision
from dbt_af_k8s.plan.passes.fused_words import strange_fused_words
from dbt_af_k8s.plan.passes.layout import Layout
from dbt_af_k8s.plan.passes.runner_rows import idle_runner_rows
from dbt_af_k8s.plan.values import DagPlan

#: Types of targets that `kubernetes` of a node changes.
_READERS = ("kubernetes", "kubernetes_job")


def project_issues(inputs: PlanInputs, decisions: Decisions, layout: Layout) -> tuple[Issue, ...]:
    """All of them."""
    return (
        *_foreign_manifest(inputs),
        *_unknown_targets(inputs),
        *_orphan_tests(decisions),
        *_tests_of_two_manual_dags(decisions, layout),
        *_shared_names(decisions, layout),
        *_start_dates(decisions),
        *_pools(inputs, decisions),
        *decisions.scripts.unused(),
        *_idle_kubernetes(inputs, decisions),
        *idle_runner_rows(inputs, decisions),
        *strange_fused_words(inputs),
        *_empty(inputs, layout),
    )


def _foreign_manifest(inputs: PlanInputs) -> Iterable[Issue]:
    name = inputs.manifest.project_name
    if name and name != inputs.project:
        message = f"The manifest is of project `{name}`, but dbt_project.yml names `{inputs.project}`."
        yield error("foreign-manifest", message, "Run `dbt parse` in this project, or name the right manifest.")


def _unknown_targets(inputs: PlanInputs) -> Iterable[Issue]:
    types = inputs.profile.target_types
    if not inputs.profile.found or not (types or inputs.profile.broken_targets):
        return
    targets = inputs.settings.targets
    named = [
        (f"targets.{purpose}", getattr(targets, purpose)) for purpose in ("default", "tests", "maintenance", "backfill")
    ]
    for key, target in [*named, ("--target", inputs.target)]:
        if target in inputs.profile.broken_targets:
            fix = f"Correct `outputs.{target}` in {inputs.profile.file}; its errors are told with that file."
            yield error("broken-target", f"Target `{target}` has errors.", fix, file=inputs.settings_file, key=key)
        elif target is not None and target not in types:
            close = get_close_matches(target, types, 1)
            guess = f"Did you mean `{close[0]}`? " if close else ""
            known = ", ".join(f"`{name}`" for name in types) or "none"
            file = None if key == "--target" else inputs.settings_file
            message = f"Target `{target}` is not in profile `{inputs.profile.name}`."
            yield error("unknown-target", message, f"{guess}It has: {known}.", file=file, key=key)


def unset_variables(inputs: PlanInputs, dags: Iterable[DagPlan]) -> Iterable[Issue]:
    """One warning for each target of the plan whose dbt needs environment variables that are not set here."""
    profile = inputs.profile
    used = {task.target for dag in dags for task in dag.tasks}
    for target, names in profile.unset_variables.items():
        if target in used:
            told = ", ".join(f"`{name}`" for name in names)
            variables, are = ("variables", "are") if names[1:] else ("variable", "is")
            yield warning(
                "unset-env-var",
                f"The target `{target}` needs the environment {variables} {told}, which {are} not set here.",
                "Set them where dbt runs; to plan without them is fine.",
                file=profile.file,
                key=f"{profile.name}.outputs.{target}",
            )


def _orphan_tests(decisions: Decisions) -> Iterable[Issue]:
    for key, placement in decisions.placements.items():
        if not placement.parents and not placement.sources:
            yield warning(
                "orphan-test",
                "The test depends on no model, seed, snapshot or source; it runs by itself and blocks nothing.",
                "Use ref() or source() in it, so that it runs after what it tests.",
                file=decisions.nodes[key].node.file,
                node=key,
            )


def _tests_of_two_manual_dags(decisions: Decisions, layout: Layout) -> Iterable[Issue]:
    """Tests that no schedule runs, and that one of several persons' starts does not run either."""
    for key, placement in decisions.placements.items():
        if placement.size is TestSize.LARGE or not decisions.manual.issuperset(placement.parents):
            continue
        dag_ids = {parent: layout.dag_of[parent].dag_id for parent in placement.parents if parent in layout.dag_of}
        home = dag_ids.get(placement.beside or "")
        if home is not None and len(set(dag_ids.values())) > 1:
            others = ", ".join(f"`{dag_id}`" for dag_id in sorted({*dag_ids.values()} - {home}))
            yield warning(
                "test-runs-by-hand",
                f"All that the test looks at is built when a person says so; it runs in DAG `{home}` alone, and not "
                f"after {others}.",
                "Tag it `@large`, so that it runs every day, or give one of its nodes a schedule.",
                file=decisions.nodes[key].node.file,
                node=key,
            )


def _shared_names(decisions: Decisions, layout: Layout) -> Iterable[Issue]:
    for dag in layout.dags:
        first: dict[str, str] = {}
        for tasks in dag.nodes:
            node = decisions.nodes[tasks.node].node
            name = node_name(node.name, node.version).replace(".", "__")
            if name in first:
                yield warning(
                    "duplicate-name",
                    f"DAG `{dag.dag_id}` also holds {first[name]}, which comes to the same task id; "
                    f"this one's task is `{tasks.task_id}`.",
                    "Nothing has to be done; rename one of them for plain ids.",
                    file=node.file,
                    node=tasks.node,
                )
            first.setdefault(name, tasks.node)


def _start_dates(decisions: Decisions) -> Iterable[Issue]:
    first: dict[str, tuple[str, object]] = {}
    for key, decision in decisions.nodes.items():
        date = decision.settings.domain_start_date
        if date is None:
            continue
        domain = decision.domain.domain
        other, known = first.setdefault(domain, (key, date))
        if known != date:
            yield warning(
                "start-dates-differ",
                f"Domain `{domain}` has another `domain_start_date` at {other}; the earliest counts for all its DAGs.",
                "Write the date once, in dbt_project.yml for the domain's folder.",
                file=decision.node.file,
                node=key,
                key="domain_start_date",
            )


def _pools(inputs: PlanInputs, decisions: Decisions) -> Iterable[Issue]:
    known = {pool.name for pool in inputs.settings.pools}
    for key, decision in decisions.nodes.items():
        pool = decision.settings.pool
        if pool is not None and pool not in known:
            yield warning(
                "unknown-pool",
                f"Pool `{pool}` is not in the settings' `pools`; a task waits for ever where Airflow lacks its pool.",
                f"Add `{pool}` to `pools` with its slots.",
                file=decision.node.file,
                node=key,
                key="pool",
            )


def _idle_kubernetes(inputs: PlanInputs, decisions: Decisions) -> Iterable[Issue]:
    """Nodes with `kubernetes` settings that no target of theirs reads; but for what whole folders say."""
    heeded = [each.settings.kubernetes for each in decisions.nodes.values() if _is_heeded(inputs, each)]
    for key, decision in decisions.nodes.items():
        settings = decision.settings
        if not settings.kubernetes or _is_heeded(inputs, decision) or settings.kubernetes in heeded:
            continue
        kind = inputs.profile.target_types.get(decision.target.target or "")
        message = f"Target `{decision.target.target}` is of type `{kind}`, so `kubernetes` of the node has no effect."
        yield warning(
            "idle-kubernetes-settings",
            message,
            "Name a target of type `kubernetes` or `kubernetes_job` in `dbt_target`, or remove it; if it is meant for "
            "something else, add `kubernetes` to `node_settings.ignore`.",
            file=decision.node.file,
            node=key,
            key=f"{settings.kubernetes_place}.kubernetes",
        )


def _is_heeded(inputs: PlanInputs, decision: NodeDecision) -> bool:
    """Whether a target of the node reads its `kubernetes` settings, or is not known."""
    types = inputs.profile.target_types
    targets = (decision.target.target, decision.settings.bf_cluster, inputs.settings.targets.backfill)
    kinds = [types.get(target) for target in targets if target is not None]
    return types.get(decision.target.target or "") is None or any(kind in _READERS for kind in kinds)


def _empty(inputs: PlanInputs, layout: Layout) -> Iterable[Issue]:
    if not layout.dags:
        yield warning(
            "empty-plan",
            "No node of the project gets a task, so there is no DAG.",
            "Look at `left_out` of the plan for the reasons; check `select` and `exclude`.",
            file=inputs.settings_file,
        )
