"""What a `kubernetes_job` target says, read and checked. Plans hold these values: this module imports nothing slow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbt_af_k8s.jobs.tail import TailSettings
from dbt_af_k8s.k8s.cluster import ClusterAccess


@dataclass(frozen=True, slots=True)
class VolumeClaim:
    """A PersistentVolumeClaim that is made before a job and removed after it, also when the job fails.

    `name` is what templates call it; the claim itself gets a suffix of its run. With `keep` it has the name as it is,
    is never removed, and what is there already is used.
    """

    name: str
    #: A Kubernetes quantity, such as `10Gi`.
    size: str
    #: None: the cluster's default class.
    storage_class: str | None = None
    access_modes: tuple[str, ...] = ("ReadWriteOnce",)
    keep: bool = False


@dataclass(frozen=True, slots=True)
class JobTarget:
    """A target of type `kubernetes_job`, with a node's changes where there are some."""

    #: Name of the target in profiles.yml.
    name: str
    #: Name of the template in a search path, or a full path; None: the node has to name one.
    template: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    #: Folders, relative ones below the project.
    search_paths: tuple[str, ...] = ()
    namespace: str | None = None
    cluster: ClusterAccess = ClusterAccess()
    name_suffix: bool = True
    tail: TailSettings = TailSettings()
    delete_completed: bool = False
    write_rendered_to: str | None = None
    #: `delete`, `suspend` or `keep`.
    on_kill_action: str = "delete"
    #: Seconds between two looks at the job.
    poll_every: int = 5
    #: Seconds until a pod must run; 0: for ever.
    startup_timeout: int = 1200
    deferrable: bool = False
    claim: VolumeClaim | None = None
    #: The keys as they were written, for changes of a node.
    written: Mapping[str, Any] = field(default_factory=dict)
