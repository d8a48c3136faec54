"""The settings of the DAGs besides the scheduled ones, as a person writes them."""

from typing import Annotated, Literal

from pydantic import Field

from dbt_af_k8s.config.fields import Flag, Section, Span, Text

DagKindName = Literal["large_tests", "backfill", "maintenance", "freshness", "run_model"]
#: All kinds of DAG that can be switched off.
DAG_KINDS: tuple[DagKindName, ...] = ("large_tests", "backfill", "maintenance", "freshness", "run_model")


class FreshnessConfig(Section):
    """Freshness of sources: the DAG that checks them, and the gate before those that read them."""

    schedule: Annotated[
        Text | None,
        Field(description="Schedule of freshness DAGs. Not given: the shortest one of the domain."),
    ] = None
    gate: Annotated[
        Flag, Field(description="Whether nodes on a source with `error_after` wait until the source is fresh.")
    ] = True
    poke: Annotated[Span, Field(description="Time between two looks of a gate.")] = 300
    timeout: Annotated[Span, Field(description="How long a gate waits before it fails.")] = 6 * 3600


class MaintenanceConfig(Section):
    """Maintenance DAGs: clean-up of what models have built."""

    schedule: Annotated[Text, Field(description="Schedule of maintenance DAGs.")] = "@daily"


class SeedsConfig(Section):
    """How seeds run."""

    run_on: Annotated[
        Literal["schedule", "change"],
        Field(description="Each time (`schedule`), or only when the file differs from what the last run loaded."),
    ] = "schedule"
