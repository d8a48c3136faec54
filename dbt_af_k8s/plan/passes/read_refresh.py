"""What is to be refreshed after a node or for an exposure, as the dbt files and the settings say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from dbt_af_k8s.config.node_meta import TableauResource
from dbt_af_k8s.config.problems import findings
from dbt_af_k8s.config.settings_integrations import TABLEAU, ExposureRule, IntegrationSettings
from dbt_af_k8s.config.wording import choose_from, shown
from dbt_af_k8s.errors import Issue, error
from dbt_af_k8s.manifest.values import Exposure
from dbt_af_k8s.plan.values import RefreshPlan

_KEY = "meta.dbt_af_k8s.refresh"
_FORM = "Write `refresh: {provider: tableau, resource_type: workbook, project_name: ..., resource_name: ...}`."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an exposure asks for: a refresh, nothing, or something that is wrong."""

    refresh: RefreshPlan | None = None
    issues: tuple[Issue, ...] = ()


def refresh_of_node(node: str, resources: Sequence[Mapping[str, Any]], settings: IntegrationSettings) -> RefreshPlan:
    """What a node's `tableau_refresh_tasks` ask for."""
    return RefreshPlan(TABLEAU, node, tuple(resources), settings.providers[TABLEAU].options)


def refresh_of_exposure(exposure: Exposure, settings: IntegrationSettings) -> Wanted:
    """What an exposure's own `refresh`, else the first rule of the settings that fits, asks for.

    One mapping, or a list of them for several resources of one provider. Besides what is written, each resource names
    its exposure, so that a provider can find the dashboard by name or address.
    """
    own = exposure.meta.get("dbt_af_k8s")
    written = own.get("refresh") if isinstance(own, Mapping) else None
    rule = next((rule for rule in settings.exposures if _fits(rule, exposure)), None)
    if written is None and rule is None:
        return Wanted()
    rows = written if isinstance(written, list) else [{} if written is None else written]
    strange = [row for row in rows if not isinstance(row, Mapping)]
    if strange or not rows:
        message = f"`{_KEY}` must be a mapping or a list of mappings, found {shown(strange[0] if strange else rows)}."
        return Wanted(issues=(_wrong(exposure, message, _FORM, _KEY),))
    given = {str(row["provider"]): None for row in rows if row.get("provider") is not None}
    names = list(given) or ([rule.provider] if rule else [])
    if len(names) != 1:
        message = f"`{_KEY}` names {len(names)} providers; a refresh has one."
        fix = f"Name one of {', '.join(f'`{name}`' for name in settings.providers)} as `provider`."
        return Wanted(issues=(_wrong(exposure, message, fix, f"{_KEY}.provider"),))
    (name,) = names
    if name not in settings.providers:
        fix = f"{choose_from(name, settings.providers)} Others are named in `integrations.providers` of the settings."
        message = f"There is no provider `{name}`."
        return Wanted(issues=(_wrong(exposure, message, fix, f"{_KEY}.provider"),))
    from_rule = rule.resource if rule is not None and rule.provider == name else {}
    resources = [{**from_rule, **{key: row[key] for key in row if key != "provider"}} for row in rows]
    if name == TABLEAU:
        return _for_tableau(exposure, resources, settings)
    named = [{**resource, "exposure": _told(exposure)} for resource in resources]
    provider = settings.providers[name]
    return Wanted(RefreshPlan(provider.call, exposure.unique_id, tuple(named), provider.options))


def _for_tableau(exposure: Exposure, resources: list[dict[str, Any]], settings: IntegrationSettings) -> Wanted:
    read: list[Mapping[str, Any]] = []
    issues: list[Issue] = []
    for resource in resources:
        try:
            read.append(TableauResource.model_validate(resource).model_dump(exclude_defaults=True))
        except ValidationError as failed:
            for found in findings(failed, TableauResource):
                issues.append(_wrong(exposure, found.message, found.fix, f"{_KEY}.{found.key}"))
    if issues:
        return Wanted(issues=tuple(issues))
    return Wanted(RefreshPlan(TABLEAU, exposure.unique_id, tuple(read), settings.providers[TABLEAU].options))


def _told(exposure: Exposure) -> Mapping[str, Any]:
    return {"name": exposure.name, "type": exposure.type, "unique_id": exposure.unique_id, "url": exposure.url}


def _fits(rule: ExposureRule, exposure: Exposure) -> bool:
    tags = exposure.tags
    return (
        (not rule.types or exposure.type in rule.types)
        and (not rule.tags or any(fnmatchcase(tag, pattern) for tag in tags for pattern in rule.tags))
        and (not rule.names or any(fnmatchcase(exposure.name, pattern) for pattern in rule.names))
    )


def _wrong(exposure: Exposure, message: str, fix: str, key: str) -> Issue:
    return error("bad-refresh", message, fix, file=exposure.file, node=exposure.unique_id, key=key)
