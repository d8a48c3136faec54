"""The configuration of a one-time job as a person writes it, conventionally `backfill.yml`. `read` makes values of it.

The reference page is made from this module: every field says what it is for here.
"""

import shlex
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from dbt_af_k8s.config.fields import Count, Duration, Flag, Section, Span, Text, Texts, When
from dbt_af_k8s.config.wording import shown
from dbt_af_k8s.k8s.kinds import (
    DnsLabel,
    DnsName,
    DnsNames,
    Image,
    LabelKey,
    LabelValue,
    Quantity,
    Raw,
    RawList,
    SelectorValue,
    Word,
)

#: The command inside the image that starts the runs; the configuration file comes after it.
DEFAULT_COMMAND = ("dbt-af-k8s", "backfill", "run")
#: A week, in seconds.
_WEEK = 7 * 86_400


def _words(value: Any) -> tuple[str, ...]:
    """A command as a list of words, or as one text that is cut as a shell cuts it; no shell reads it."""
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError:
            reason = f"has a quote that is not closed, found {shown(value)}"
            raise PydanticCustomError(
                "command", "{reason}", {"reason": reason, "fix": "Write a list of words."}
            ) from None
    if isinstance(value, list) and value and all(isinstance(word, str) and word for word in value):
        return tuple(value)
    reason = f"must be a command, found {shown(value)}"
    fix = "Write a list of words, such as `[dbt-af-k8s, backfill, run]`."
    raise PydanticCustomError("command", "{reason}", {"reason": reason, "fix": fix})


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _static_value(value: Any) -> str | int | float | bool:
    if isinstance(value, str | int | float | bool) and value != "":
        return value
    reason = f"must be a text, a number, true or false, found {shown(value)}"
    raise PydanticCustomError("static", "{reason}", {"reason": reason, "fix": "Put it in quotes to have a text."})


_STATIC = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
Command = Annotated[
    tuple[str, ...],
    PlainValidator(_words),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]
StaticValue = Annotated[Any, PlainValidator(_static_value), WithJsonSchema(_STATIC)]
StaticValues = Annotated[tuple[StaticValue, ...], BeforeValidator(_one_or_many), Field(min_length=1)]


class DateRange(Section):
    """A range of time. It is cut into runs by `chunk`."""

    start: Annotated[
        When, Field(alias="from", description="Its first moment, ISO 8601; without an offset in `timezone`.")
    ]
    end: Annotated[When, Field(alias="to", description="Its end; not part of it.")]


class PartitionsWritten(Section):
    """What the runs are about: date ranges times static values."""

    dates: Annotated[
        tuple[DateRange, ...],
        BeforeValidator(_one_or_many),
        Field(description="One range or a list of them. A backfill DAG needs one."),
    ] = ()
    static: Annotated[
        dict[Text, StaticValues],
        Field(
            description="Values by the name of their dimension: `region: [north, south]`. Each goes into the run's "
            "configuration and into the dbt var of that name. Several dimensions: each value with each."
        ),
    ] = Field(default_factory=dict)


class AirflowWritten(Section):
    """How `backfill run` reaches Airflow's REST API from inside the cluster."""

    url: Annotated[
        Text | None,
        Field(
            description="Address, as `http://airflow-api-server.airflow:8080`. Not given: the service "
            "`airflow-api-server` of the same namespace."
        ),
    ] = None
    secret: Annotated[
        DnsName | None,
        Field(description="A Secret with the key `token`, or with `username` and `password`; it is mounted as files."),
    ] = None


class JobWritten(Section):
    """The Kubernetes Job. It never tries again by itself (`backoffLimit: 0`): submit it again, it goes on."""

    namespace: Annotated[DnsLabel | None, Field(description="Not given: that of `kubectl`, or of `submit`.")] = None
    service_account: Annotated[DnsName | None, Field(description="Its service account.")] = None
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None, Field(description="Not given: Kubernetes' default.")
    ] = None
    image_pull_secrets: Annotated[DnsNames, Field(description="Secrets of the registry.")] = ()
    requests: Annotated[
        dict[Text, Quantity], Field(description="`cpu`, `memory`, `ephemeral-storage` that are reserved.")
    ] = Field(default_factory=lambda: {"cpu": "100m", "memory": "256Mi"})
    limits: Annotated[dict[Text, Quantity], Field(description="The most that it gets.")] = Field(
        default_factory=lambda: {"memory": "256Mi"}
    )
    ttl: Annotated[Duration, Field(description="How long the Job stays after its end.")] = _WEEK
    active_deadline: Annotated[
        Span | None, Field(description="Time after which Kubernetes ends it. Not given: no limit.")
    ] = None
    env: Annotated[
        dict[Text, Any] | tuple[Any, ...],
        Field(description="Variables: `NAME: value`, or `NAME: {valueFrom: ...}` as Kubernetes writes it."),
    ] = Field(default_factory=dict)
    env_from: Annotated[RawList, Field(description="Kubernetes' `envFrom`: whole ConfigMaps and Secrets.")] = ()
    node_selector: Annotated[dict[LabelKey, SelectorValue], Field(description="Labels that the node must have.")] = (
        Field(default_factory=dict)
    )
    tolerations: Annotated[RawList, Field(description="Kubernetes' `tolerations`.")] = ()
    labels: Annotated[dict[LabelKey, LabelValue], Field(description="Labels of the Job, its pod and ConfigMap.")] = (
        Field(default_factory=dict)
    )
    annotations: Annotated[dict[LabelKey, Word], Field(description="Annotations of the same.")] = Field(
        default_factory=dict
    )
    security_defaults: Annotated[
        Flag,
        Field(
            description="No privilege escalation, no capabilities, the runtime's seccomp profile; false leaves the "
            "security to the cluster."
        ),
    ] = True


class OneTimeWritten(Section):
    """The configuration of a one-time job: which runs of which DAG, and the Kubernetes Job that starts them."""

    name: Annotated[
        DnsLabel | None, Field(description="Begins the name of the Job. Not given: `backfill-` and the domain or DAG.")
    ] = None
    suffix: Annotated[
        DnsLabel | None,
        Field(
            description="Ends the name of the Job. Not given: three words that follow from the configuration, so that "
            "the same configuration has the same name."
        ),
    ] = None
    config_version: Annotated[
        Word | None,
        Field(
            description="Version of this configuration, for example a commit. Another version makes other runs of the "
            "same partitions. Not given: a hash of the configuration stands in the Job in its place."
        ),
    ] = None
    domain: Annotated[Text | None, Field(description="The domain whose DAG `<domain>__backfill` is run.")] = None
    dag: Annotated[Text | None, Field(description="Or the id of any DAG.")] = None
    partitions: Annotated[PartitionsWritten, Field(description="What the runs are about.")]
    models: Annotated[Texts, Field(description="dbt selection within the domain. Not given: all of it.")] = ()
    vars: Annotated[Raw, Field(description="dbt vars of every run; plain data, no Jinja.")] = Field(
        default_factory=dict
    )
    full_refresh: Annotated[
        Flag, Field(description="Build incremental models anew in the first run; the others begin when it is done.")
    ] = False
    with_tests: Annotated[Flag, Field(description="Run the blocking tests of each node, too.")] = False
    tags: Annotated[
        dict[LabelKey, Word],
        Field(
            description="What the runs are for, as `ticket: OPS-12`: in each run's configuration and note, and as "
            "labels of the Job."
        ),
    ] = Field(default_factory=dict)
    chunk: Annotated[
        Literal["none", "hour", "day", "week", "month"], Field(description="Cuts each date range into runs.")
    ] = "none"
    timezone: Annotated[Text, Field(description="IANA time zone of the dates, and of the cuts.")] = "UTC"
    order: Annotated[Literal["oldest_first", "newest_first"], Field(description="Which dates go first.")] = (
        "oldest_first"
    )
    concurrency: Annotated[Count, Field(description="Runs at once. A DAG's own `max_active_runs` holds besides.")] = 1
    on_failure: Annotated[
        Literal["stop", "continue"],
        Field(description="After a failed run start no further one, or go on with the others."),
    ] = "stop"
    poll: Annotated[Span, Field(description="Time between two looks at the runs.")] = 15
    command: Annotated[
        Command,
        Field(
            description="What the image runs: a list of words. The path of this configuration comes after it, or in "
            "place of `{config}`."
        ),
    ] = DEFAULT_COMMAND
    image: Annotated[Image, Field(description="The image, without tag or digest.")]
    version: Annotated[
        Text | None, Field(description="The image's tag, or its digest (`sha256:...`). Not given: `latest`.")
    ] = None
    airflow: Annotated[AirflowWritten, Field(description="Airflow's REST API.")] = Field(default_factory=AirflowWritten)
    job: Annotated[JobWritten, Field(description="The Kubernetes Job.")] = Field(default_factory=JobWritten)
    options: Annotated[Raw, Field(description="Anything that a `command` of your own reads from this file.")] = Field(
        default_factory=dict
    )
