"""Resolved options of runners: one value per runner. A name here is the name of a key in the settings, too.

That is what lets a node say no more than what is different for it: `changed` puts its keys over those of a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

LOCAL, DBT_API = "local", "dbt_api"
KUBERNETES_POD, GKE_POD, EKS_POD = "kubernetes_pod", "gke_pod", "eks_pod"


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """What the options of all runners are."""


@dataclass(frozen=True, slots=True)
class LocalOptions(RunnerOptions):
    """dbt beside Airflow's worker."""

    #: The dbt program: a name on the PATH or a path. None: the one of the environment that runs the task.
    dbt: str | None = None


@dataclass(frozen=True, slots=True)
class DbtApiOptions(RunnerOptions):
    """dbt behind an HTTP server with the API of dbt's own one."""

    #: Airflow connection of type HTTP: address and credentials.
    conn_id: str = "dbt_api_default"
    #: What the server is told as `project_dir`: its name for the project, or a path there. None: nothing is told.
    project_dir: str | None = None
    #: Seconds between two looks once a run takes long; the first ones come sooner.
    poke: int = 15
    #: Seconds that one request may take, and that the server may be out of reach before a try fails.
    request_timeout: int = 30
    patience: int = 600
    #: Whether the triggerer waits, which takes no worker slot.
    deferrable: bool = True


@dataclass(frozen=True, slots=True)
class KubernetesPodOptions(RunnerOptions):
    """dbt in a pod. Paths are those of the image."""

    #: Pod settings: keys of a target of type `kubernetes`. They are read where the plan is made (`pods.target`).
    pod: Mapping[str, Any] = field(default_factory=dict)
    project_dir: str = "/dbt/project"
    #: Folder of profiles.yml; None: as dbt finds it.
    profiles_dir: str | None = None
    #: Relative to the project; None: where dbt_project.yml says.
    manifest: str | None = None
    #: The dbt program; None: the one beside the image's Python.
    dbt: str | None = None
    #: Airflow connection of which the pod's profiles.yml is made; None: the image, or Secrets, have it.
    conn_id: str | None = None
    #: Keys of the profile's output besides those that the connection gives.
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GkePodOptions(KubernetesPodOptions):
    """dbt in a pod of Google's Kubernetes Engine."""

    #: Must be given, as the two below.
    project_id: str = ""
    location: str = ""
    cluster_name: str = ""
    gcp_conn_id: str = "google_cloud_default"
    impersonation_chain: tuple[str, ...] = ()
    use_internal_ip: bool = False
    use_dns_endpoint: bool = False
    #: The cluster that each run of a DAG makes and deletes, as GKE's API writes it; None: it is there.
    create: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class EksPodOptions(KubernetesPodOptions):
    """dbt in a pod of Amazon's Elastic Kubernetes Service."""

    #: Must be given.
    cluster_name: str = ""
    region: str | None = None
    aws_conn_id: str | None = "aws_default"


#: The options of each runner that has some.
OPTIONS: Mapping[str, type[RunnerOptions]] = MappingProxyType(
    {
        LOCAL: LocalOptions,
        DBT_API: DbtApiOptions,
        KUBERNETES_POD: KubernetesPodOptions,
        GKE_POD: GkePodOptions,
        EKS_POD: EksPodOptions,
    }
)


@dataclass(frozen=True, slots=True)
class RunnerRule:
    """Where dbt runs for the targets that match `pattern` (a name or a shell-style pattern)."""

    pattern: str
    #: `local`, `kubernetes_pod`, `gke_pod`, `eks_pod` or `dbt_api`.
    runner: str
    #: None: the runner has none.
    options: RunnerOptions | None = None

    @property
    def dbt(self) -> str | None:
        """The dbt program that the row names."""
        return self.options.dbt if isinstance(self.options, LocalOptions | KubernetesPodOptions) else None


@dataclass(frozen=True, slots=True)
class NodeRunner:
    """The runner that a node asks for, and the options that it gives; the others are those of a row of `runners`."""

    runner: str
    given: Mapping[str, Any] = field(default_factory=dict)


def changed(runner: str, options: RunnerOptions | None, given: Mapping[str, Any]) -> RunnerOptions | None:
    """Options with the keys that are given over them; None for the options means the runner's defaults."""
    if runner not in OPTIONS:
        return None
    base: Any = OPTIONS[runner]() if options is None else options
    if isinstance(base, KubernetesPodOptions):
        given = {**given, "pod": {**base.pod, **given.get("pod", {})}}
    changed_options: RunnerOptions = replace(base, **given)
    return changed_options


def told(options: RunnerOptions | None) -> str:
    """The options that are not the default, for a person: `conn_id: dbt_prod, poke: 60`; may be empty."""
    if options is None:
        return ""
    pairs = ((each.name, getattr(options, each.name)) for each in fields(options))
    return ", ".join(f"{name}: {value}" for name, value in pairs if value != getattr(type(options)(), name))
