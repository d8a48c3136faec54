"""dbt in a pod of Amazon's Elastic Kubernetes Service. Imports Airflow's provider for Amazon: only for who uses it."""

from typing import Any

from airflow.providers.amazon.aws.operators.eks import EksPodOperator

from dbt_af_k8s.airflow.dbt_pods.work import DbtPodWork
from dbt_af_k8s.pods.clouds import EksCluster


class DbtEksPodEngine(DbtPodWork, EksPodOperator):  # type: ignore[misc]
    """The pod of one piece of work, in a cluster that Amazon's API leads to."""

    # Airflow looks for the constructor in the class itself.
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)


def eks_arguments(cloud: EksCluster) -> dict[str, Any]:
    """The cluster as the provider's operator takes it."""
    return {"cluster_name": cloud.cluster_name, "region": cloud.region, "aws_conn_id": cloud.aws_conn_id}
