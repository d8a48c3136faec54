"""Where and how dbt runs in a pod, as values. Plans hold them: this module imports nothing that is slow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbt_af_k8s.pods.clouds import EksCluster, GkeCluster
from dbt_af_k8s.pods.values import KubernetesTarget


@dataclass(frozen=True, slots=True)
class ConnectionProfile:
    """A profiles.yml that is made from an Airflow connection when a task runs. Nothing in it is secret."""

    conn_id: str
    #: Names of the profile and of its only target.
    profile: str
    target: str
    #: Type of the target: dbt's adapter.
    adapter: str
    #: Keys of the output besides those that the connection gives; these win.
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DbtPod:
    """Where and how dbt runs in a pod, for all runs of a task. Paths are those of the image."""

    target: KubernetesTarget
    project_dir: str
    #: Relative to the project, or absolute; and what it must hold: SHA-256 of its bytes, hex.
    manifest: str
    manifest_sha256: str
    profiles_dir: str | None = None
    connection: ConnectionProfile | None = None
    #: Value of the label `aadpodidbinding`, or None.
    identity_binding: str | None = None
    #: Whose cluster it is; None: any, by a connection or kube config.
    gke: GkeCluster | None = None
    eks: EksCluster | None = None

    @property
    def cloud(self) -> GkeCluster | EksCluster | None:
        """The cluster of a cloud, if it is one."""
        return self.gke or self.eks
