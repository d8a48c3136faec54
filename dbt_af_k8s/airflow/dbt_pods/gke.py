"""dbt in a pod of Google's Kubernetes Engine. Imports Airflow's provider for Google: only for who uses it."""

from typing import Any

from airflow.providers.google.cloud.operators.kubernetes_engine import GKEStartPodOperator

from dbt_af_k8s.airflow.dbt_pods.work import DbtPodWork
from dbt_af_k8s.pods.clouds import GkeCluster


class DbtGkePodEngine(DbtPodWork, GKEStartPodOperator):  # type: ignore[misc]
    """The pod of one piece of work, in a cluster that Google's API leads to."""

    # Airflow looks for the constructor in the class itself.
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)


def cluster_arguments(cloud: GkeCluster, mark: str) -> dict[str, Any]:
    """The cluster as the provider's operator takes it; `mark` tells the run."""
    return {
        "project_id": cloud.project_id,
        "location": cloud.location,
        "cluster_name": cloud.name_in_run(mark),
        "gcp_conn_id": cloud.gcp_conn_id,
        "impersonation_chain": list(cloud.impersonation_chain) or None,
        "use_internal_ip": cloud.use_internal_ip,
        "use_dns_endpoint": cloud.use_dns_endpoint,
    }
