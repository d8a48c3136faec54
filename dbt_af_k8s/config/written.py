"""`dbt_af_k8s.yml` as a person writes it. `resolve` turns it into `settings.Settings`, which planning reads.

The JSON schema and the reference page are made from this module (`schema`): every field says what it is for here.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from dbt_af_k8s.config.fields import (
    Count,
    DomainSources,
    Duration,
    Flag,
    Kinds,
    Places,
    Retries,
    Section,
    Span,
    Text,
    Texts,
    Weight,
    When,
)
from dbt_af_k8s.config.written_callbacks import CallbacksConfig
from dbt_af_k8s.config.written_fused import FusedConfig
from dbt_af_k8s.config.written_integrations import IntegrationsConfig
from dbt_af_k8s.config.written_kinds import DAG_KINDS, DagKindName, FreshnessConfig, MaintenanceConfig, SeedsConfig
from dbt_af_k8s.config.written_kubernetes import KubernetesConfig
from dbt_af_k8s.config.written_runners import RunnerConfig


class DomainsConfig(Section):
    """Where the domain of a node comes from."""

    sources: Annotated[
        DomainSources,
        Field(
            alias="from",
            min_length=1,
            description="What names the domain, in order; the first that gives a name wins: the dbt group, "
            "`meta.domain`, or the folder.",
        ),
    ] = ("folder",)
    folder_depth: Annotated[
        Count,
        Field(
            le=100,
            description="Which folder below the resource path names the domain: 1 is the first. A node that lies "
            "less deep takes its last folder.",
        ),
    ] = 1
    packages: Annotated[
        Literal["own", "folder"],
        Field(
            description="Nodes of a dbt package: in a domain of their own, named after the package, or by their "
            "folders as if they were the project's, which is dbt-af's way."
        ),
    ] = "own"


class TargetsConfig(Section):
    """dbt targets (`outputs` of profiles.yml) by purpose. Not given: the default, which is the profile's."""

    default: Annotated[Text | None, Field(description="Target of nodes that name none.")] = None
    tests: Annotated[Text | None, Field(description="Target of tests.")] = None
    maintenance: Annotated[Text | None, Field(description="Target of maintenance tasks.")] = None
    backfill: Annotated[Text | None, Field(description="Target of backfill DAGs.")] = None


class NamedScheduleConfig(Section):
    """A schedule with a name of your own."""

    cron: Annotated[Text, Field(description="Five-field cron.")]
    timezone: Annotated[
        Text | None,
        Field(description="IANA time zone in which the cron is read. Not given: `dags.timezone`."),
    ] = None


class SchedulesConfig(Section):
    """The schedule of nodes that name none, and named schedules: every other key is the name of one."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, NamedScheduleConfig] = Field(init=False)

    default: Annotated[
        Text,
        Field(description="Schedule of nodes that name none: a preset, a named schedule, or a five-field cron."),
    ] = "@daily"

    @property
    def named(self) -> dict[str, NamedScheduleConfig]:
        """The named schedules, as written."""
        return self.__pydantic_extra__ or {}


class TestsConfig(Section):
    """How tests become tasks."""

    per: Annotated[
        Literal["model", "test"],
        Field(description="Tests of one model in one dbt process (`model`), or one task each (`test`)."),
    ] = "model"


class WaitsConfig(Section):
    """How a DAG waits for the nodes of another one."""

    per: Annotated[
        Literal["dag", "task"],
        Field(description="One wait for each upstream node for the whole DAG, or one for each downstream task."),
    ] = "dag"
    timeout: Annotated[Span, Field(description="How long a wait lasts before it fails.")] = 24 * 3600
    poke: Annotated[Span, Field(description="Shortest time between two looks, and that at the beginning.")] = 60
    longest_poke: Annotated[
        Span,
        Field(
            description="Longest time between two looks of a deferred wait: the time grows to a tenth of what the wait "
            "has lasted. With the value of `poke` it stays the same."
        ),
    ] = 300
    first_runs: Annotated[
        Literal["skip", "wait", "run"],
        Field(
            description="What a run does for which no run of the upstream DAG can exist yet, because they all begin "
            "before its start date, while no other run has built the node: be skipped (`skip`), wait for the first "
            "run (`wait`), or run all the same (`run`)."
        ),
    ] = "skip"
    deferrable: Annotated[
        Flag, Field(description="Wait in the triggerer, which takes no worker slot. Needs a running triggerer.")
    ] = True


class RetryConfig(Section):
    """Retries of one kind of task. A key that is not given is taken from `retries.default`."""

    retries: Annotated[Retries | None, Field(description="Tries after the first one.")] = None
    delay: Annotated[Duration | None, Field(description="Time before the next try.")] = None
    exponential_backoff: Annotated[
        Flag | None, Field(description="Whether the delay doubles with each try, up to `max_delay`.")
    ] = None
    max_delay: Annotated[Duration | None, Field(description="Longest time between two tries.")] = None


class RetriesConfig(Section):
    """Retries by kind of task. Each key of a kind is taken from `default` where the kind does not give it."""

    default: RetryConfig = Field(default_factory=RetryConfig, description="For all kinds: 2 retries, 1m, up to 30m.")
    run: RetryConfig = Field(default_factory=RetryConfig, description="Models.")
    seed: RetryConfig = Field(default_factory=RetryConfig, description="Seeds.")
    snapshot: RetryConfig = Field(default_factory=RetryConfig, description="Snapshots.")
    test: RetryConfig = Field(default_factory=RetryConfig, description="Tests.")
    wait: RetryConfig = Field(default_factory=RetryConfig, description="Waits for other DAGs.")
    freshness: RetryConfig = Field(default_factory=RetryConfig, description="Source freshness checks.")
    kubernetes: RetryConfig = Field(default_factory=RetryConfig, description="Python scripts in Kubernetes.")
    maintenance: RetryConfig = Field(default_factory=RetryConfig, description="Maintenance tasks.")
    refresh: RetryConfig = Field(default_factory=RetryConfig, description="Refreshes of dashboards.")


class DagsConfig(Section):
    """What every DAG gets."""

    start_date: Annotated[
        When,
        Field(description="First moment of the first data interval, ISO 8601; without an offset in `timezone`."),
    ] = "2026-01-01"
    catchup: Annotated[
        Flag, Field(description="Whether Airflow makes up for the intervals between `start_date` and now.")
    ] = False
    max_active_runs: Annotated[Count, Field(description="Runs of one DAG at once.")] = 1
    max_active_tasks: Annotated[
        Count | None, Field(description="Tasks of one DAG at once, over its runs. Not given: Airflow's default.")
    ] = None
    timezone: Annotated[Text, Field(description="IANA time zone in which schedules are read.")] = "UTC"
    prefix: Annotated[
        str,
        Field(description="Put before every DAG id; keeps two projects on one Airflow apart. Letters, `_`, `-`, `.`."),
    ] = ""
    tags: Annotated[Texts, Field(description="Tags of every DAG, at most 100 characters each.")] = ()
    owner: Annotated[Text, Field(description="Owner of tasks for which dbt names none.")] = "dbt"
    task_ids: Annotated[
        Literal["plain", "dbt_af"],
        Field(description="`plain` ids, or those of dbt-af, for teams that bring their history along."),
    ] = "plain"
    kinds: Annotated[
        tuple[DagKindName, ...],
        Field(description="Kinds of DAG to make besides the scheduled and manual ones."),
    ] = DAG_KINDS
    last_good_plan: Annotated[
        Duration,
        Field(
            description="How long DAGs go on with the last compiled plan while the manifest is missing or half "
            "written. 0: not at all."
        ),
    ] = 3600
    task_timeout: Annotated[
        Span | None, Field(description="Longest time of one try of a dbt task. Not given: no limit.")
    ] = None


class PoolConfig(Section):
    """An Airflow pool and the tasks that take a slot of it; all conditions that are given must fit."""

    slots: Annotated[Count, Field(description="Slots of the pool.")]
    description: Annotated[str, Field(description="What the pool is for, shown in Airflow.")] = ""
    targets: Annotated[Texts, Field(description="dbt targets, shell-style patterns. Not given: all.")] = ()
    kinds: Annotated[Kinds, Field(description="Kinds of task. Not given: all.")] = ()
    domains: Annotated[Texts, Field(description="Domains, shell-style patterns. Not given: all.")] = ()


class TaskConditionConfig(Section):
    """Which tasks a row is for; all conditions that are given must fit."""

    target: Annotated[Texts, Field(description="dbt targets, shell-style patterns. Not given: all.")] = ()
    kind: Annotated[Kinds, Field(description="Kinds of task. Not given: all.")] = ()
    node: Annotated[Texts, Field(description="Names of dbt nodes, shell-style patterns. Not given: all.")] = ()


class TaskConfig(Section):
    """How Airflow runs the tasks that fit; of several rows the first that gives a value wins."""

    when: TaskConditionConfig = Field(
        default_factory=TaskConditionConfig, description="Which tasks the row is for. Not given: all."
    )
    queue: Annotated[Text | None, Field(description="Airflow queue.")] = None
    executor: Annotated[Text | None, Field(description="Airflow executor.")] = None
    executor_config: Annotated[dict[str, Any] | None, Field(description="Airflow's `executor_config`.")] = None
    priority_weight: Annotated[Weight | None, Field(description="Airflow's `priority_weight`.")] = None


class NodeSettingsConfig(Section):
    """Where settings of a node are read in the dbt files."""

    places: Annotated[
        Places,
        Field(description="Places in order; for each setting the first place that has it wins."),
    ] = ("meta.dbt_af_k8s", "meta", "config")
    ignore: Annotated[
        Texts,
        Field(
            description="Names that `meta` and `config` use for something else; in `meta.dbt_af_k8s` they still count."
        ),
    ] = ()


class Config(Section):
    """Settings of dbt_af_k8s: `dbt_af_k8s.yml` next to `dbt_project.yml`. All of it is optional."""

    select: Annotated[Texts, Field(description="Nodes to plan, in dbt's selection syntax. Not given: all.")] = ()
    exclude: Annotated[Texts, Field(description="Nodes not to plan, in dbt's selection syntax.")] = ()
    domains: DomainsConfig = Field(default_factory=DomainsConfig)
    targets: TargetsConfig = Field(default_factory=TargetsConfig)
    runners: Annotated[
        dict[Text, RunnerConfig],
        Field(
            description="Where dbt runs, by target name or shell-style pattern; the first that fits. Others: `local`."
        ),
    ] = Field(default_factory=dict)
    schedules: SchedulesConfig = Field(default_factory=SchedulesConfig)
    tests: TestsConfig = Field(default_factory=TestsConfig)
    waits: WaitsConfig = Field(default_factory=WaitsConfig)
    granularity: Annotated[
        Literal["node", "fused"],
        Field(description="One task per node, or chains of cheap nodes of one DAG in one task (see `fused`)."),
    ] = "node"
    fused: FusedConfig = Field(default_factory=FusedConfig)
    retries: RetriesConfig = Field(default_factory=RetriesConfig)
    dags: DagsConfig = Field(default_factory=DagsConfig)
    pools: Annotated[
        dict[Text, PoolConfig],
        Field(description="Airflow pools by name; the first that fits a task is its pool. Airflow must have them."),
    ] = Field(default_factory=dict)
    tasks: Annotated[tuple[TaskConfig, ...], Field(description="Rows of task settings.")] = ()
    kubernetes: KubernetesConfig = Field(default_factory=KubernetesConfig)
    maintenance: MaintenanceConfig = Field(default_factory=MaintenanceConfig)
    freshness: FreshnessConfig = Field(default_factory=FreshnessConfig)
    seeds: SeedsConfig = Field(default_factory=SeedsConfig)
    callbacks: CallbacksConfig = Field(default_factory=CallbacksConfig)
    integrations: IntegrationsConfig = Field(default_factory=IntegrationsConfig)
    node_settings: NodeSettingsConfig = Field(default_factory=NodeSettingsConfig)
    strict: Annotated[
        Flag,
        Field(description="Errors of a project become an import error of the DAG file, not a failing DAG per domain."),
    ] = False
