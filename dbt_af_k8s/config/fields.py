"""Kinds of values in `dbt_af_k8s.yml`: each checks itself, and says in the JSON schema what it takes."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from dbt_af_k8s.config.calendar_words import DATE_SCHEMA
from dbt_af_k8s.config.durations import DURATION_FORM, parse_duration

#: Task kinds that rows of `tasks` and `pools` can name: those of the plan.
TaskKindName = Literal["run", "seed", "snapshot", "test", "wait", "freshness", "maintenance", "endpoint", "refresh"]
#: What can name a domain.
DomainSourceName = Literal["group", "meta", "folder"]
#: Where node settings can stand in the dbt files.
PlaceName = Literal["meta.dbt_af_k8s", "meta", "config"]
#: Largest number that Airflow's database takes in an integer column.
_INT32 = 2**31 - 1


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_seconds(value: Any) -> int:
    try:
        return parse_duration(value)
    except ValueError as reason:
        told = {"reason": str(reason), "fix": f"Write {DURATION_FORM}."}
        raise PydanticCustomError("duration", "{reason}", told) from None


def _as_iso(value: Any) -> Any:
    """A date that YAML understood by itself goes back to text: then there is one place that reads dates."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def _one_or_many(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item}]})


def _names(names: Any) -> WithJsonSchema:
    return _one_or_many({"enum": list(get_args(names))})


_ONE_OR_MANY = BeforeValidator(_as_list)
Flag = StrictBool
Text = Annotated[str, StringConstraints(min_length=1)]
#: One text or a list of texts.
Texts = Annotated[tuple[Text, ...], _ONE_OR_MANY, _one_or_many({"type": "string"})]
Kinds = Annotated[tuple[TaskKindName, ...], _ONE_OR_MANY, _names(TaskKindName)]
DomainSources = Annotated[tuple[DomainSourceName, ...], _ONE_OR_MANY, _names(DomainSourceName)]
Places = Annotated[tuple[PlaceName, ...], _ONE_OR_MANY, _names(PlaceName)]
When = Annotated[str, BeforeValidator(_as_iso), WithJsonSchema(DATE_SCHEMA)]
_DURATION_SCHEMA = {"anyOf": [{"type": "integer"}, {"type": "string"}], "unit": DURATION_FORM}
#: Seconds; zero allowed.
Duration = Annotated[int, BeforeValidator(_as_seconds), WithJsonSchema(_DURATION_SCHEMA)]
#: Seconds, at least one.
Span = Annotated[int, Field(ge=1), BeforeValidator(_as_seconds), WithJsonSchema(_DURATION_SCHEMA)]
Count = Annotated[StrictInt, Field(ge=1, le=_INT32)]
Retries = Annotated[StrictInt, Field(ge=0, le=1000)]
Weight = Annotated[StrictInt, Field(ge=-_INT32, le=_INT32)]


class Section(BaseModel):
    """A mapping of the settings file: unknown keys are errors, a key without a value counts as not written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_keys_without_value(cls, written: Any) -> Any:
        if isinstance(written, dict):
            return {key: value for key, value in written.items() if value is not None}
        return written
