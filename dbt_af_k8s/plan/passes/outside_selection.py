"""What `select` and `exclude`, or the default selector of selectors.yml, leave out of the plan."""

from collections.abc import Mapping

from dbt_af_k8s.errors import Issue
from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.graph.select import Selector
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import OUTSIDE


def outside_selection(
    inputs: PlanInputs, graph: ProjectGraph, domain_of: Mapping[str, str]
) -> tuple[Mapping[str, str], tuple[Issue, ...]]:
    """Nodes and tests that the selection leaves out, each with the reason, and what is wrong with the selection.

    As in dbt, a selector of selectors.yml with `default: true` counts where neither `select` nor `exclude` is given.
    """
    settings, selector = inputs.settings, Selector(inputs.manifest, domain_of)
    candidates = (*graph.order, *(key for key, node in inputs.manifest.nodes.items() if node.is_test))
    if not settings.select and not settings.exclude:
        if selector.default is None:
            return {}, ()
        picked = selector.select_by_name(selector.default, key="select")
        reason = f"{OUTSIDE}default selector of selectors.yml, `{selector.default}`"
        return {key: reason for key in candidates if key not in picked.chosen}, picked.issues
    picked = selector.select(settings.select, key="select")
    barred = selector.select(settings.exclude, key="exclude")
    reasons: dict[str, str] = {}
    for key in candidates:
        if settings.select and key not in picked.chosen:
            reasons[key] = f"{OUTSIDE}selection (`select`)"
        elif key in barred.chosen:
            reasons[key] = f"{OUTSIDE}selection (`exclude`)"
    return reasons, (*picked.issues, *barred.issues)
