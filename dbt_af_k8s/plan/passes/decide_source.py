"""What is decided about a source: its domain, whether its age can be told, and whether readers wait for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.config.node_settings import read_node_settings
from dbt_af_k8s.config.settings import NodeSettings
from dbt_af_k8s.errors import Issue, warning
from dbt_af_k8s.graph.domains import DomainChoice, ResourceRoots, choose_domain
from dbt_af_k8s.manifest.values import Source
from dbt_af_k8s.plan.inputs import PlanInputs

#: Adapters that tell a table's age from the warehouse's own metadata, without `loaded_at_field` (dbt 1.11).
_METADATA_ADAPTERS = ("bigquery", "databricks", "redshift", "snowflake")


@dataclass(frozen=True, slots=True)
class SourceDecision:
    """All that was decided about one source."""

    source: Source
    settings: NodeSettings
    domain: DomainChoice
    #: Whether `dbt source freshness` has something to say about it.
    has_freshness: bool
    #: Whether nodes that read it wait until it is fresh: it has `error_after`, and the settings want the gate.
    is_gate: bool


def decide_source(inputs: PlanInputs, source: Source, roots: ResourceRoots) -> tuple[SourceDecision, tuple[Issue, ...]]:
    """Decide everything that concerns one source."""
    settings, issues = read_node_settings(
        source.config, source.meta, inputs.settings.node_settings, node=source.unique_id, file=source.file
    )
    domain = choose_domain(source, settings.domain, inputs.settings.domains, inputs.project, roots)
    wanted = _has(source.freshness, "warn_after") or _has(source.freshness, "error_after")
    can_tell = _can_tell(inputs, source)
    if wanted and not can_tell:
        adapter = inputs.manifest.adapter_type
        fault = warning(
            "freshness-not-computable",
            f"The source has freshness limits, but no `loaded_at_field` or `loaded_at_query`, and adapter `{adapter}` "
            "cannot tell a table's age by itself; it is not checked.",
            "Add `loaded_at_field` or `loaded_at_query`, or remove `freshness`.",
            file=source.file,
            node=source.unique_id,
            key="freshness",
        )
        return SourceDecision(source, settings, domain, has_freshness=False, is_gate=False), (*issues, fault)
    is_gate = wanted and inputs.settings.freshness.gate and _has(source.freshness, "error_after")
    return SourceDecision(source, settings, domain, has_freshness=wanted, is_gate=is_gate), issues


def _has(freshness: Mapping[str, Any] | None, limit: str) -> bool:
    """Whether the limit is set: dbt writes `{"count": null, "period": null}` where it is not."""
    found = (freshness or {}).get(limit)
    return isinstance(found, Mapping) and bool(found.get("count")) and bool(found.get("period"))


def _can_tell(inputs: PlanInputs, source: Source) -> bool:
    by_itself = inputs.manifest.adapter_type is None or inputs.manifest.adapter_type in _METADATA_ADAPTERS
    return bool(source.loaded_at_field or source.loaded_at_query) or by_itself
