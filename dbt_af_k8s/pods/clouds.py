"""Clusters of clouds, as the operators of their providers for Airflow take them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Longest name of a cluster of GKE.
_LONGEST_GKE_NAME = 40


@dataclass(frozen=True, slots=True)
class GkeCluster:
    """A cluster of Google's Kubernetes Engine."""

    project_id: str
    #: Zone or region.
    location: str
    cluster_name: str
    #: Airflow connection of type Google Cloud.
    gcp_conn_id: str = "google_cloud_default"
    #: Service account to act as, or a chain of them.
    impersonation_chain: tuple[str, ...] = ()
    use_internal_ip: bool = False
    use_dns_endpoint: bool = False
    #: The cluster that each run of a DAG makes before its pods and deletes after them, as GKE's API writes it; its name
    #: is made for the run. None: the cluster is there.
    create: Mapping[str, Any] | None = None

    def name_in_run(self, mark: str) -> str:
        """Name of the cluster in a run; `mark` tells the run from all others."""
        if self.create is None:
            return self.cluster_name
        return f"{self.cluster_name[: _LONGEST_GKE_NAME - len(mark) - 1].rstrip('-')}-{mark}"


@dataclass(frozen=True, slots=True)
class EksCluster:
    """A cluster of Amazon's Elastic Kubernetes Service."""

    cluster_name: str
    #: None: as AWS's own configuration says.
    region: str | None = None
    #: Airflow connection of type AWS. None: AWS's own configuration.
    aws_conn_id: str | None = "aws_default"
