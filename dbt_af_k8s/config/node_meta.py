"""The vocabulary of node settings in the dbt files: dbt-af's, so that its projects open unchanged, and ours."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from dbt_af_k8s.config.calendar_words import DATE_SCHEMA, WRONG_DATE_FIX, read_moment
from dbt_af_k8s.config.written_runners import NodeRunnerConfig

_UNITS = ("minute", "hour", "day", "week")


def _as_moment(value: Any) -> datetime:
    try:
        return read_moment(value)
    except ValueError as reason:
        raise PydanticCustomError("bad_date", "{reason}", {"reason": str(reason), "fix": WRONG_DATE_FIX}) from None


def _as_unit(value: Any) -> Any:
    """`hours` and `Hour` are `hour`: dbt-af takes the singular only, people write both."""
    if isinstance(value, str):
        unit = value.strip().lower()
        return unit[:-1] if unit.endswith("s") and unit[:-1] in _UNITS else unit
    return value


def _no_bool(value: Any) -> Any:
    """Pydantic takes true for 1; a person does not."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "no number")
    return value


def _env_value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        raise PydanticCustomError("string_type", "no text")
    return value


def _dependency(value: Any) -> Any:
    return {} if value is None else value


_Whole = Annotated[int, BeforeValidator(_no_bool)]
_Moment = Annotated[datetime, BeforeValidator(_as_moment), WithJsonSchema(DATE_SCHEMA)]
_Unit = Annotated[Literal["minute", "hour", "day", "week"], BeforeValidator(_as_unit)]


class DependencyMeta(BaseModel):
    """How a node waits for one of its upstream nodes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    skip: Annotated[bool, Field(description="Do not wait for it, and draw no edge.")] = False
    wait_policy: Annotated[
        Literal["last", "all"],
        Field(description="Wait for its latest run (`last`), or for every run of the interval (`all`)."),
    ] = "last"


class TableauResource(BaseModel):
    """An extract that Tableau refreshes, by dbt-af's names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resource_name: Annotated[str, Field(min_length=1, description="Name of the workbook or data source.")]
    project_name: Annotated[str, Field(min_length=1, description="Name of the Tableau project in which it lies.")]
    resource_type: Annotated[Literal["workbook", "datasource"], Field(description="What it is.")]
    incremental: Annotated[
        bool, Field(description="Whether the extract is refreshed incrementally (API 3.25 or later).")
    ] = False


class NodeMeta(BaseModel):
    """Settings of one node. In dbt: under `meta.dbt_af_k8s`, or by the same names in `meta` or (dbt-af) `config`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: Annotated[
        str | None, Field(description="A preset (`@daily`), a named schedule of the settings, or a five-field cron.")
    ] = None
    schedule_shift: Annotated[
        _Whole | None,
        Field(ge=0, le=1_000_000, description="How far the schedule is shifted, in `schedule_shift_unit`."),
    ] = None
    schedule_shift_unit: Annotated[_Unit | None, Field(description="Unit of `schedule_shift`.")] = None
    dependencies: Annotated[
        dict[str, Annotated[DependencyMeta, BeforeValidator(_dependency)]] | None,
        Field(description="By name of an upstream node: how it is waited for."),
    ] = None
    enable_from_dttm: Annotated[
        _Moment | None, Field(description="Runs whose interval lies before are skipped; without an offset UTC.")
    ] = None
    disable_from_dttm: Annotated[
        _Moment | None, Field(description="Runs whose interval lies after are skipped; without an offset UTC.")
    ] = None
    domain_start_date: Annotated[_Moment | None, Field(description="Start date of the DAGs of the node's domain.")] = (
        None
    )
    domain: Annotated[str | None, Field(description="The node's domain, where `domains.from` has `meta`.")] = None
    dbt_target: Annotated[str | None, Field(description="The dbt target that the node runs on.")] = None
    runner: Annotated[
        NodeRunnerConfig | None,
        Field(
            description="Where dbt runs for this node: the name of a runner, or a mapping with its `type` and what the "
            "node's work needs (`pod`, `poke`, ...). Everything else is that of the first row of `runners` with that "
            "runner."
        ),
    ] = None
    env: Annotated[
        dict[str, Annotated[Any, BeforeValidator(_env_value)]] | None,
        Field(
            description="Environment variables of the node's script or dbt: values, or values by target. On a "
            "worker not those that decide what is loaded: `PATH`, `LD_...`, `PYTHON...`, `DBT_PROFILES_DIR`, ..."
        ),
    ] = None
    kubernetes: Annotated[
        dict[str, Any] | None,
        Field(
            description="Changes to the node's Kubernetes target, by those of its keys that are below: more memory, "
            "another image."
        ),
    ] = None
    py_cluster: Annotated[str | None, Field(description="Target of Python models and of SQL with pre-hooks.")] = None
    sql_cluster: Annotated[str | None, Field(description="Target of SQL models.")] = None
    daily_sql_cluster: Annotated[str | None, Field(description="Target of SQL models on @daily and @weekly.")] = None
    bf_cluster: Annotated[str | None, Field(description="Target in backfill DAGs.")] = None
    maintenance: Annotated[dict[str, Any] | None, Field(description="Maintenance of the node's table.")] = None
    airflow_parallelism: Annotated[
        _Whole | None, Field(ge=1, le=10_000, description="Runs of the node at once in Airflow.")
    ] = None
    tableau_refresh_tasks: Annotated[
        tuple[TableauResource, ...] | None,
        Field(
            description="What is refreshed in Tableau after the node: `resource_type` (`workbook` or `datasource`), "
            "`project_name` and `resource_name` of each, and `incremental`."
        ),
    ] = None
    owner: Annotated[str | None, Field(description="Owner of the task.")] = None
    pool: Annotated[str | None, Field(description="Airflow pool of the task.")] = None
    queue: Annotated[str | None, Field(description="Airflow queue of the task.")] = None
    executor: Annotated[str | None, Field(description="Airflow executor of the task.")] = None
    executor_config: Annotated[
        dict[str, Any] | None,
        Field(description="Airflow's `executor_config`: of `pod_override` resources and scheduling."),
    ] = None
    priority_weight: Annotated[
        _Whole | None, Field(ge=-(2**31), le=2**31 - 1, description="Airflow's `priority_weight`.")
    ] = None
    retries: Annotated[_Whole | None, Field(ge=0, le=1000, description="Tries of the task after the first one.")] = None


#: Names of all node settings, in the order of the reference.
NODE_SETTING_NAMES = tuple(NodeMeta.model_fields)
