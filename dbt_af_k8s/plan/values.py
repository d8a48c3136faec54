"""The plan's values: every DAG, task, edge and wait, frozen, with the reason for each.

The plan holds no secret, no SQL (but the scripts that travel into pods) and no path of the machine that made it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.config.settings_integrations import CallbackSettings
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.errors import Issue
from dbt_af_k8s.plan.scripts import ClaimPlan, JobPlan, PodPlan, VenvPlan
from dbt_af_k8s.pods.clouds import GkeCluster
from dbt_af_k8s.pods.dbt_values import DbtPod

#: Version of the plan's JSON; goes up when a reader of the old form would be wrong.
PLAN_VERSION = 1


class DagKind(StrEnum):
    """What a DAG is for."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    BACKFILL = "backfill"
    LARGE_TESTS = "large_tests"
    MAINTENANCE = "maintenance"
    FRESHNESS = "freshness"
    RUN_MODEL = "run_model"


#: Kinds of DAG whose nodes all stand in other DAGs, too: no part of a summary of the whole.
REPEATING_KINDS = (DagKind.BACKFILL, DagKind.RUN_MODEL)


class TaskKind(StrEnum):
    """What a task does."""

    RUN = "run"
    SEED = "seed"
    SNAPSHOT = "snapshot"
    TEST = "test"
    #: Several nodes and their tests in one dbt process (`granularity: fused`).
    BUILD = "build"
    WAIT = "wait"
    FRESHNESS = "freshness"
    MAINTENANCE = "maintenance"
    ENDPOINT = "endpoint"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """What a wait task waits for: one task of another DAG, and the calendar of that DAG."""

    dag_id: str
    #: The task after which the upstream node counts as done, its blocking tests included.
    task_id: str
    #: unique_id of the upstream node.
    node: str
    #: `last` or `all`.
    policy: str
    #: Five-field cron, IANA time zone, start date and catchup of the upstream DAG.
    cron: str
    timezone: str
    start_date: datetime
    catchup: bool
    #: Where `task_id` only closes others: those, whose skips it does not show. Sorted; else empty.
    work: tuple[str, ...] = ()
    #: What a run does for which no upstream run can exist yet: `skip`, `wait` for the first one, or `run` all the same.
    first_runs: str = "skip"

    def renamed(self, ids: Mapping["TaskRef", str]) -> "WaitsFor":
        """The same wait under new task ids; an id that is not in `ids` stays."""
        task_id, *work = (ids.get(TaskRef(self.dag_id, old), old) for old in (self.task_id, *self.work))
        return replace(self, task_id=task_id, work=tuple(sorted({*work} - {task_id})))


@dataclass(frozen=True, slots=True)
class NotWaited:
    """An edge of the dbt graph that is on purpose neither an edge nor a wait of the plan."""

    #: unique_id of the upstream node, and of the node that would have waited.
    node: str
    downstream: str
    #: `skip` (asked for in `dependencies`), `manual` (either side has no calendar) or `left-out`.
    code: str
    because: str


@dataclass(frozen=True, slots=True)
class Because:
    """One decision and the rule that made it: `target`, `warehouse`, "the node's own dbt_target"."""

    what: str
    value: str
    rule: str


@dataclass(frozen=True, slots=True, order=True)
class TaskRef:
    """A task of any DAG."""

    dag_id: str
    task_id: str


class Control(StrEnum):
    """What a task does that runs no fixed dbt node: steps of DAGs that a person starts with a form, volume claims."""

    #: Reads the form of a backfill, and settles which nodes run.
    BACKFILL_CHOOSE = "backfill-choose"
    #: Runs its dbt nodes if the form of the backfill asks for them.
    BACKFILL_NODE = "backfill-node"
    #: Starts the next chunk of a backfill, if there is one.
    BACKFILL_NEXT = "backfill-next"
    #: Runs what the form selects.
    RUN_SELECTION = "run-selection"
    #: Make the volume claim of a job before it, and remove it after it, whatever became of it.
    CLAIM_MAKE = "claim-make"
    CLAIM_REMOVE = "claim-remove"
    #: Make the cluster of a run before its pods, say that it is there, and delete it, whatever became of the pods.
    CLUSTER_MAKE = "cluster-make"
    CLUSTER_DELETE = "cluster-delete"


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """What a `refresh` task tells to read a model anew."""

    #: `tableau`, or the name of what makes a provider of the project's own: a dotted path, or a key of its `Config`.
    provider: str
    #: unique_id of the node or exposure on whose behalf.
    of: str
    #: What to refresh, as the provider names it; plain JSON values.
    resources: tuple[Mapping[str, Any], ...] = ()
    #: What the settings tell the provider; plain JSON values.
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArtifactsPlan:
    """Who gets dbt's manifest and results after each task that runs dbt."""

    provider: str
    #: Name of the dbt project.
    project: str
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Whether the task fails where they cannot be sent.
    required: bool = False


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One Airflow task."""

    task_id: str
    kind: TaskKind
    #: unique_ids of the dbt nodes that the task runs, sorted.
    nodes: tuple[str, ...] = ()
    #: Task ids that come before it in the same DAG, sorted.
    upstream: tuple[str, ...] = ()
    #: Id of its task group, or None.
    group: str | None = None
    #: Full name for people where the id was cut or changed; else None.
    display_name: str | None = None
    target: str | None = None
    #: Where dbt runs; what that needs stands in `runner_options` (`dbt_api`) or `dbt_pod` (runners of pods).
    runner: str | None = None
    runner_options: DbtApiOptions | None = None
    dbt_pod: DbtPod | None = None
    #: Why it runs where and when it does, in one sentence.
    because: str = ""
    pool: str | None = None
    queue: str | None = None
    executor: str | None = None
    executor_config: Mapping[str, Any] | None = None
    priority_weight: int | None = None
    retry: RetrySettings = RetrySettings()
    #: Longest time of one try, in seconds; None: no limit.
    timeout: int | None = None
    owner: str | None = None
    #: Runs of this task at once over all runs of the DAG; None: no limit.
    max_active: int | None = None
    #: The dbt command of `run`, `seed`, `snapshot`, `test` and `build` tasks.
    dbt: DbtInvocation | None = None
    #: A script in place of dbt; `runner` says what runs it: `kubernetes`, `local_process` (a pod's script without the
    #: pod), `venv`, or `kubernetes_job` (a job made from a template).
    pod: PodPlan | None = None
    venv: VenvPlan | None = None
    job: JobPlan | None = None
    #: The volume claim that a task makes or removes.
    claim: ClaimPlan | None = None
    #: The cluster of Google's that a task makes or deletes for a run.
    cluster: GkeCluster | None = None
    #: What a `wait` task waits for, how often it looks and how long it waits, in seconds.
    waits_for: WaitsFor | None = None
    poke: int | None = None
    #: A deferred wait looks more and more seldom, up to this many seconds; None: as often as at first.
    longest_poke: int | None = None
    deferrable: bool = True
    #: Outside this window of time the task is skipped and what is downstream goes on.
    enable_from: datetime | None = None
    disable_from: datetime | None = None
    #: Edges of the dbt graph that this task does not have, each with the reason.
    not_waited: tuple[NotWaited, ...] = ()
    #: A `freshness` task that goes on looking (every `poke` seconds, for `timeout`) until its source is fresh.
    gate: bool = False
    #: Tasks that must not be running when this one starts (maintenance of a node that is being built).
    not_while: tuple[TaskRef, ...] = ()
    #: Seeds: run only when the file differs from what the last run loaded.
    on_change: bool = False
    refresh: RefreshPlan | None = None
    control: Control | None = None


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of the form with which a person starts a DAG."""

    name: str
    #: `string`, `boolean`, `object` (a JSON object) or `interval` (an ISO 8601 moment).
    type: str
    title: str
    description: str
    #: Text, boolean or None; an `object` starts empty.
    default: str | bool | None = None
    #: All that may be chosen; empty: anything of the type.
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DagPlan:
    """One Airflow DAG."""

    dag_id: str
    kind: DagKind
    domain: str
    #: Five-field cron, or None: only a person starts it.
    schedule: str | None
    #: The schedule as the project writes it (`@daily`, `nightly`), for people.
    schedule_name: str
    timezone: str
    start_date: datetime
    catchup: bool = False
    max_active_runs: int = 1
    max_active_tasks: int | None = None
    tags: tuple[str, ...] = ()
    owner: str = "dbt"
    doc_md: str = ""
    #: In an order in which every task comes after its upstream ones.
    tasks: tuple[TaskPlan, ...] = ()
    #: Fields of the trigger form besides `start_dttm` and `end_dttm`, which every DAG has.
    form: tuple[FormField, ...] = ()
    #: What Airflow calls for runs of the DAG and, by their kind, for its tasks.
    callbacks: CallbackSettings = CallbackSettings()
    artifacts: ArtifactsPlan | None = None
    #: Errors that broke the domain. Then the only task is a failing one of kind `endpoint` that tells them.
    problems: tuple[Issue, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether the DAG stands only to say what is wrong with its domain."""
        return bool(self.problems)


#: How the reason begins of what a selection leaves out.
OUTSIDE = "outside the "


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A manifest entry without a task, and why."""

    node: str
    because: str

    @property
    def is_outside_selection(self) -> bool:
        """Whether `select`, `exclude` or the default selector leave it out, as `because` says."""
        return self.because.startswith(OUTSIDE)


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole project as DAGs."""

    project: str
    manifest_sha256: str
    dbt_version: str
    dags: tuple[DagPlan, ...]
    left_out: tuple[LeftOut, ...] = ()
    issues: tuple[Issue, ...] = ()
    #: Pools that the plan's tasks name: name -> (slots, description).
    pools: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    version: int = PLAN_VERSION

    def dag(self, dag_id: str) -> DagPlan | None:
        """The DAG of that id, or None."""
        return next((dag for dag in self.dags if dag.dag_id == dag_id), None)
