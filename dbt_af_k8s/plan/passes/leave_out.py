"""Which manifest entries get no task, and why: selection, kinds that dbt never runs by themselves, broken domains."""

from collections.abc import Mapping

from dbt_af_k8s.errors import Issue
from dbt_af_k8s.graph.select import Selector
from dbt_af_k8s.manifest.values import Manifest
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


def selector_of(manifest: Manifest, decisions: Decisions) -> Selector:
    """What evaluates selections over the project."""
    nodes = {key: decision.domain.domain for key, decision in decisions.nodes.items()}
    sources = {key: decision.domain.domain for key, decision in decisions.sources.items()}
    return Selector(manifest, nodes | sources)


def outside_selection(inputs: PlanInputs, decisions: Decisions) -> tuple[Mapping[str, str], tuple[Issue, ...]]:
    """Nodes and tests that the selection leaves out, each with the reason, and what is wrong with the selection.

    As in dbt, a selector of selectors.yml with `default: true` counts where neither `select` nor `exclude` is given.
    """
    settings, selector = inputs.settings, selector_of(inputs.manifest, decisions)
    candidates = (*decisions.graph.order, *decisions.placements)
    if not settings.select and not settings.exclude:
        if selector.default is None:
            return {}, ()
        picked = selector.select_by_name(selector.default, key="select")
        reason = f"outside the default selector of selectors.yml, `{selector.default}`"
        return {key: reason for key in candidates if key not in picked.chosen}, picked.issues
    picked = selector.select(settings.select, key="select")
    barred = selector.select(settings.exclude, key="exclude")
    reasons: dict[str, str] = {}
    for key in candidates:
        if settings.select and key not in picked.chosen:
            reasons[key] = "outside the selection (`select`)"
        elif key in barred.chosen:
            reasons[key] = "outside the selection (`exclude`)"
    return reasons, (*picked.issues, *barred.issues)


def left_out_entries(inputs: PlanInputs, planned: frozenset[str], reasons: Mapping[str, str]) -> tuple[LeftOut, ...]:
    """Every manifest entry without a task, sorted by unique_id. `reasons` are those known by node."""
    manifest = inputs.manifest
    entries: dict[str, str] = {}
    for key, node in manifest.nodes.items():
        if node.is_ephemeral:
            entries[key] = "ephemeral: dbt inlines it into the models that ref it"
        elif node.is_of_other_project:
            entries[key] = f"belongs to project {node.package}"
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
