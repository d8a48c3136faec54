"""Which cluster, and how one gets into it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Which cluster, as Airflow's Kubernetes hook takes it. Nothing given: the one that Airflow runs in."""

    conn_id: str | None = None
    #: Path of a kubeconfig on the worker.
    config_file: str | None = None
    #: Context of the kubeconfig.
    context: str | None = None
    in_cluster: bool | None = None
