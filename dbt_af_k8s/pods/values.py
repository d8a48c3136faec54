"""A script, and the targets that it runs on, read and checked. Parts that Kubernetes has a form for are plain mappings.

Plans hold these values, and plans are read at every parse of a DAG file: this module imports nothing that is slow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dbt_af_k8s.k8s.cluster import ClusterAccess

#: One object as Kubernetes writes it.
KubernetesObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What comes into the task's log."""

    script: bool = True
    #: Seconds between two looks at the log of a deferred pod; 0: only at its end.
    every: int = 60
    #: Names of containers besides `base`.
    containers: tuple[str, ...] = ()
    #: Whether a failed pod's events, and the whole pod, are told.
    events: bool = True
    pod: bool = False


@dataclass(frozen=True, slots=True)
class WorkloadIdentity:
    """Who the pod is for a cloud: what that adds to the pod."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    env: tuple[KubernetesObject, ...] = ()
    volumes: tuple[KubernetesObject, ...] = ()
    mounts: tuple[KubernetesObject, ...] = ()


@dataclass(frozen=True, slots=True)
class KubernetesTarget:
    """A target of type `kubernetes`. None: not given, so the cluster or Airflow decides."""

    #: Name of the target in profiles.yml.
    name: str
    image: str
    image_pull_policy: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    python: str = "python"
    #: `env`, `config_map` or `image`.
    script_from: str = "env"
    #: Path of the script in the image, for `image`.
    script_path: str | None = None
    namespace: str | None = None
    cluster: ClusterAccess = ClusterAccess()
    #: Resource -> quantity.
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    #: Memory of the tries after running out of memory, rising.
    memory_ladder: tuple[str, ...] = ()
    tolerations: tuple[KubernetesObject, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: KubernetesObject = field(default_factory=dict)
    topology_spread: tuple[KubernetesObject, ...] = ()
    priority_class: str | None = None
    runtime_class: str | None = None
    service_account: str | None = None
    mount_service_account_token: bool | None = None
    workload_identity: WorkloadIdentity = WorkloadIdentity()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    #: `{name, value}` or `{name, valueFrom}`, in the order written.
    env: tuple[KubernetesObject, ...] = ()
    env_from: tuple[KubernetesObject, ...] = ()
    volumes: tuple[KubernetesObject, ...] = ()
    mounts: tuple[KubernetesObject, ...] = ()
    #: Of every container that says nothing else, and of the pod.
    container_defaults: KubernetesObject = field(default_factory=dict)
    pod_security_context: KubernetesObject = field(default_factory=dict)
    #: Of the script's own container, over the defaults.
    security_context: KubernetesObject = field(default_factory=dict)
    init_containers: tuple[KubernetesObject, ...] = ()
    sidecars: tuple[KubernetesObject, ...] = ()
    #: Seconds.
    active_deadline: int | None = None
    startup_timeout: int = 1200
    on_finish_action: str = "delete_pod"
    deferrable: bool = False
    xcom: bool = True
    logs: LogSettings = LogSettings()
    #: Whether a script that failed is tried again: always, or for these exit codes.
    retry_script: bool = False
    retry_exit_codes: tuple[int, ...] = ()
    #: `metadata` and `spec`, merged over everything else.
    pod: KubernetesObject = field(default_factory=dict)
    #: The keys as they were written, for changes of a node.
    written: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VenvTarget:
    """A target of type `venv`: a Python environment of its own on the worker."""

    #: Name of the target in profiles.yml.
    name: str
    #: What pip installs, as in a requirements file.
    requirements: tuple[str, ...] = ()
    #: `3.12`; None: the Python that Airflow runs on.
    python_version: str | None = None
    system_site_packages: bool = False
    pip_install_options: tuple[str, ...] = ()
    #: The first is the index, the others are extra ones. `${NAME}` is a variable of the worker.
    index_urls: tuple[str, ...] = ()
    #: Whether the script sees the worker's environment.
    inherit_env: bool = False
    #: Variables of the script, as pairs in the order written.
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Payload:
    """What is known of a script when planning."""

    #: unique_id of the node.
    node: str
    #: Name of the node, with its version.
    name: str
    #: The script's file, relative to its package: `models/sales/export.py`. Tracebacks name it.
    file: str
    #: The script.
    source: str
    #: The node's dbt config.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: Name of a ref or source -> relation, as pairs sorted by name.
    refs: tuple[tuple[str, str], ...] = ()
    #: The node's own relation, if dbt gave it one.
    this: str | None = None


@dataclass(frozen=True, slots=True)
class PodRun:
    """What is known of a script only when it runs. Times are aware."""

    start: datetime
    end: datetime
    conf: Mapping[str, Any] = field(default_factory=dict)
    #: Name of the run's own ConfigMap, for a target that wants one; None: named after the node.
    config_map: str | None = None
