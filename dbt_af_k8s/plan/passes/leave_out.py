"""Which manifest entries get no task, and why: selection, kinds that dbt never runs by themselves, broken domains."""

from collections.abc import Mapping

from dbt_af_k8s.errors import Issue
from dbt_af_k8s.graph.select import select_nodes
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.values import LeftOut

_BY_TYPE: Mapping[str, str] = {
    "analysis": "analyses are compiled, never run",
    "operation": "project hooks run with every dbt command",
    "unit_test": "unit tests are not scheduled; run them in CI",
    "sql_operation": "a saved operation is not run by a schedule",
    "rpc": "a saved operation is not run by a schedule",
    "semantic_model": "semantic models are not built",
    "metric": "metrics are not built",
    "saved_query": "saved queries are not supported",
    "function": "functions are not supported yet",
    "exposure": "exposures are not run; nothing says who refreshes it",
}


def outside_selection(inputs: PlanInputs, decisions: Decisions) -> tuple[Mapping[str, str], tuple[Issue, ...]]:
    """Nodes and tests that `select` and `exclude` leave out, each with the reason, and what is wrong with either.

    Tests follow the node that they are placed with; a test that `exclude` names is left out alone.
    """
    settings = inputs.settings
    if not settings.select and not settings.exclude:
        return {}, ()
    domain_of = {key: decision.domain.domain for key, decision in decisions.nodes.items()}
    manifest, graph = inputs.manifest, decisions.graph
    picked = select_nodes(manifest, graph, domain_of, settings.select, key="select")
    barred = select_nodes(manifest, graph, domain_of, settings.exclude, key="exclude")
    reasons: dict[str, str] = {}
    for key in graph.order:
        if settings.select and key not in picked.chosen:
            reasons[key] = "outside the selection (`select`)"
        elif key in barred.chosen:
            reasons[key] = "outside the selection (`exclude`)"
    for key, placement in decisions.placements.items():
        if placement.beside in reasons:
            reasons[key] = f"the node it is placed with, {placement.beside}, is outside the selection"
        elif key in barred.chosen:
            reasons[key] = "outside the selection (`exclude`)"
        elif placement.beside is None and settings.select and key not in picked.chosen:
            reasons[key] = "outside the selection (`select`)"
    return reasons, (*picked.issues, *barred.issues)


def left_out_entries(inputs: PlanInputs, planned: frozenset[str], reasons: Mapping[str, str]) -> tuple[LeftOut, ...]:
    """Every manifest entry without a task, sorted by unique_id. `reasons` are those known by node."""
    manifest = inputs.manifest
    entries: dict[str, str] = {}
    for key, node in manifest.nodes.items():
        if node.is_ephemeral:
            entries[key] = "ephemeral: dbt inlines it into the models that ref it"
        elif key not in planned:
            entries[key] = reasons.get(key) or _of_type(node.resource_type)
    for key, other in manifest.others.items():
        if key not in manifest.nodes:
            entries[key] = "disabled in dbt" if other.disabled else _of_type(other.resource_type)
    for key in manifest.exposures:
        if key not in planned:
            entries[key] = reasons.get(key) or _BY_TYPE["exposure"]
    return tuple(LeftOut(key, entries[key]) for key in sorted(entries))


def _of_type(resource_type: str) -> str:
    return _BY_TYPE.get(resource_type, f"dbt resources of type `{resource_type}` get no task")
