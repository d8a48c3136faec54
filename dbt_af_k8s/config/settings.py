"""Resolved settings: every key has its value, every duration is in seconds. Planning reads these only.

What a person writes is `config.written.Config` (pydantic); `config.resolve` turns one into the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dbt_af_k8s.config.settings_integrations import CallbackSettings, IntegrationSettings
from dbt_af_k8s.config.settings_runners import NodeRunner, RunnerRule


@dataclass(frozen=True, slots=True)
class DomainSettings:
    """Where a node's domain comes from."""

    #: Ordered sources of the domain: `group`, `meta`, `folder`. The first that gives a name wins.
    sources: tuple[str, ...] = ("folder",)
    #: Which folder below the resource path names the domain: 1 is the first. Shallower nodes take their last folder.
    folder_depth: int = 1
    #: Nodes of packages: `own`, a domain named after the package, or `folder`, by their folders as the project's are.
    packages: str = "own"


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """Names of dbt targets (`outputs` in profiles.yml) by purpose; None means the profile's default."""

    default: str | None = None
    tests: str | None = None
    maintenance: str | None = None
    backfill: str | None = None


@dataclass(frozen=True, slots=True)
class NamedSchedule:
    """A schedule of the settings: a five-field cron and its time zone (None: the DAGs' time zone)."""

    name: str
    cron: str
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """The schedule of nodes that name none, and the named ones."""

    default: str = "@daily"
    named: tuple[NamedSchedule, ...] = ()


@dataclass(frozen=True, slots=True)
class WaitSettings:
    """How a DAG waits for another one's nodes."""

    #: `dag`: one wait per upstream node and policy for the whole DAG; `task`: one per downstream task.
    per: str = "dag"
    timeout: int = 24 * 3600
    #: Seconds between two looks: at first, and at most once the wait has lasted long.
    poke: int = 60
    longest_poke: int = 300
    deferrable: bool = True
    #: Runs before the upstream DAG's first one: `skip`, `wait` or `run`.
    first_runs: str = "skip"


@dataclass(frozen=True, slots=True)
class FusedSettings:
    """Which nodes may share a task, and how many."""

    most_nodes: int = 30
    #: Seconds.
    most_time: int = 60
    #: Materializations of models, or `seed`, `snapshot`, `test`: cheap without a recorded run time, and only with one.
    cheap: tuple[str, ...] = ("view", "seed", "test")
    measured: tuple[str, ...] = ("table",)


@dataclass(frozen=True, slots=True)
class FreshnessSettings:
    """How sources are looked at."""

    #: Schedule of the freshness DAGs; None: the shortest schedule of the domain.
    schedule: str | None = None
    #: Whether a node on a source with `error_after` waits until the source is fresh.
    gate: bool = True
    #: How often and how long a gate looks, in seconds.
    poke: int = 300
    timeout: int = 6 * 3600


@dataclass(frozen=True, slots=True)
class MaintenanceSettings:
    """The maintenance DAGs."""

    schedule: str = "@daily"


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """What all Kubernetes targets have in common."""

    #: Value of the pods' label `aadpodidbinding` (Azure's pod identity), or None.
    airflow_identity_binding_selector: str | None = None
    #: Namespace and Airflow connection of targets that name none.
    namespace: str | None = None
    kubernetes_conn_id: str | None = None
    #: Whether scripts run as processes of the worker: no pod is made.
    local: bool = False


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Retries of one task kind, resolved. Delays in seconds."""

    retries: int = 2
    delay: int = 60
    exponential_backoff: bool = True
    max_delay: int = 1800


@dataclass(frozen=True, slots=True)
class DagSettings:
    """What every DAG gets."""

    start_date: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    catchup: bool = False
    max_active_runs: int = 1
    #: Most tasks of one DAG at once over its runs; None: Airflow's own default.
    max_active_tasks: int | None = None
    timezone: str = "UTC"
    prefix: str = ""
    tags: tuple[str, ...] = ()
    owner: str = "dbt"
    #: `plain` or `dbt_af`.
    task_ids: str = "plain"
    #: Longest time of one dbt task, in seconds; None: no limit.
    task_timeout: int | None = None
    #: Seconds for which the last compiled plan stands in where the manifest cannot be read.
    last_good_plan: int = 3600
    #: Kinds of DAG to make besides the scheduled and manual ones.
    kinds: tuple[str, ...] = ("large_tests", "backfill", "maintenance", "freshness", "run_model")


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """One Airflow pool and the tasks that take a slot of it. The first pool that matches a task is its pool."""

    name: str
    slots: int
    description: str = ""
    #: Shell-style patterns; an empty tuple matches all.
    targets: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskRule:
    """How Airflow runs the tasks that match; rows, the first that gives a value wins, a node's own meta before all."""

    targets: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    queue: str | None = None
    executor: str | None = None
    executor_config: Mapping[str, Any] | None = None
    priority_weight: int | None = None


@dataclass(frozen=True, slots=True)
class NodeSettingsPlaces:
    """Where node settings are read, in order: `meta.dbt_af_k8s`, `meta`, `config`."""

    places: tuple[str, ...] = ("meta.dbt_af_k8s", "meta", "config")
    #: Names of node settings that are not ours in bare `meta` and `config` (only `meta.dbt_af_k8s` counts for them).
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """`dbt_af_k8s.yml`, resolved."""

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    domains: DomainSettings = DomainSettings()
    targets: TargetSettings = TargetSettings()
    runners: tuple[RunnerRule, ...] = ()
    schedules: ScheduleSettings = ScheduleSettings()
    #: Tests of one model: `model` in one dbt process, or `test` for one task each.
    tests_per: str = "model"
    waits: WaitSettings = WaitSettings()
    #: `node`: a task for each node; `fused`: cheap chains share one.
    granularity: str = "node"
    fused: FusedSettings = FusedSettings()
    #: Task kind -> retries; has every kind of `config.resolve.RETRY_KINDS`.
    retries: Mapping[str, RetrySettings] = field(default_factory=dict)
    dags: DagSettings = DagSettings()
    pools: tuple[PoolSettings, ...] = ()
    tasks: tuple[TaskRule, ...] = ()
    node_settings: NodeSettingsPlaces = NodeSettingsPlaces()
    freshness: FreshnessSettings = FreshnessSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    #: Seeds run on their `schedule`, or on `change` of their file only.
    seeds_run_on: str = "schedule"
    callbacks: CallbackSettings = CallbackSettings()
    integrations: IntegrationSettings = IntegrationSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of a node's `dependencies`: how it waits for one upstream node."""

    #: The key as written: a node's name, or its unique_id.
    name: str
    skip: bool = False
    #: `last` or `all`.
    wait_policy: str = "last"


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The settings of one dbt node, whatever place of its config they came from. None: not given."""

    schedule: str | None = None
    schedule_shift: int = 0
    #: `minute`, `hour`, `day` or `week`.
    schedule_shift_unit: str = "minute"
    dependencies: tuple[Dependency, ...] = ()
    enable_from: datetime | None = None
    disable_from: datetime | None = None
    domain_start_date: datetime | None = None
    domain: str | None = None
    dbt_target: str | None = None
    #: Where dbt runs for this node, whatever `runners` says.
    runner: NodeRunner | None = None
    env: Mapping[str, Any] = field(default_factory=dict)
    #: Changes to the Kubernetes target, by its keys.
    kubernetes: Mapping[str, Any] = field(default_factory=dict)
    py_cluster: str | None = None
    sql_cluster: str | None = None
    daily_sql_cluster: str | None = None
    bf_cluster: str | None = None
    maintenance: Mapping[str, Any] = field(default_factory=dict)
    airflow_parallelism: int | None = None
    tableau_refresh_tasks: tuple[Mapping[str, Any], ...] = ()
    owner: str | None = None
    pool: str | None = None
    queue: str | None = None
    executor: str | None = None
    executor_config: Mapping[str, Any] | None = None
    priority_weight: int | None = None
    retries: int | None = None
    #: The places where `env` and `kubernetes` were found, for messages.
    env_place: str = "meta"
    kubernetes_place: str = "meta"


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of profiles.yml, read as far as planning needs: no password is ever asked for."""

    name: str
    #: The profile's own `target`, or None where it names none.
    default_target: str | None
    #: Target name -> its `type` (`duckdb`, `postgres`, `kubernetes`, `venv`, ...). Ordered as in the file.
    target_types: Mapping[str, str] = field(default_factory=dict)
    #: Target name -> the whole output, for targets that are no warehouse (`kubernetes`, `kubernetes_job`, `venv`).
    python_targets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Name of the file, for messages about its targets.
    file: str = "profiles.yml"
    #: Whether there is a profiles.yml at all; without one every target name is taken as a warehouse.
    found: bool = True
    #: Targets that are there, and whose `type` cannot be read; what is wrong with them is told.
    broken_targets: tuple[str, ...] = ()
    #: Warehouse target -> the environment variables that it needs and that are not set where the plan is made.
    unset_variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
