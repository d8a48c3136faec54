"""The form with which a person starts a DAG, as Airflow's params."""

from types import MappingProxyType
from typing import Any

from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict

from dbt_af_k8s.airflow.interval import END_FIELD, START_FIELD
from dbt_af_k8s.plan.values import DagKind, DagPlan, FormField

#: What becomes of a run whose interval is left empty, by the kind of its DAG.
_EMPTY = MappingProxyType({DagKind.BACKFILL: "A backfill needs both."})
_EMPTY_ELSEWHERE = "Leave both fields empty for the last full interval."
#: JSON schema types of a field; the first that is not null is how Airflow shows it.
_TYPES = MappingProxyType(
    {
        "string": ["null", "string"],
        "interval": ["null", "string"],
        "boolean": ["boolean"],
        "object": ["null", "object"],
    }
)


def form_of(plan: DagPlan) -> ParamsDict:
    """The two fields of the data interval, and those of the plan."""
    empty = _EMPTY.get(plan.kind, _EMPTY_ELSEWHERE)
    return ParamsDict(
        {
            START_FIELD: _moment_field("Begin", "begin (inclusive)", empty),
            END_FIELD: _moment_field("End", "end (exclusive)", empty),
            **{field.name: _field(field) for field in plan.form},
        }
    )


def _moment_field(title: str, meaning: str, empty: str) -> Param:
    text = (
        f"The {meaning} of the data interval, ISO 8601 (`2026-03-29T00:00:00+00:00`; without an offset: the DAG's time "
        f"zone). {empty}"
    )
    return Param(None, type=["null", "string"], title=f"{title} of the data interval", description=text)


def _field(field: FormField) -> Param:
    schema: dict[str, Any] = {"type": list(_TYPES[field.type])}
    if field.choices:
        schema = {"type": "string", "enum": list(field.choices)}
    return Param(field.default, title=field.title, description=field.description, **schema)
