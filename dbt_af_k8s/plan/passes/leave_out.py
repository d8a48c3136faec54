"""Which manifest entries get no task, and why: selection, kinds that dbt never runs by themselves, broken domains."""

from collections.abc import Mapping

from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import LeftOut

_BY_TYPE: Mapping[str, str] = {
    "analysis": "analysis: dbt compiles it and never runs it",
    "operation": "project hook: it runs with every dbt command",
    "unit_test": "unit test: it tests code, not data; run it in CI",
    "sql_operation": "saved operation: no schedule runs it",
    "rpc": "saved operation: no schedule runs it",
    "semantic_model": "semantic model: there is nothing to build",
    "metric": "metric: there is nothing to build",
    "saved_query": "saved query: not supported",
    "function": "function: not supported yet",
    "exposure": "exposure: there is nothing to run, and nothing says who refreshes it",
}


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
