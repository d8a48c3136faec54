"""A cluster of Google's Kubernetes Engine for one run of a DAG: a setup task makes it, a teardown task deletes it."""

from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowFailException

from dbt_af_k8s.airflow.jobs.volume_claim import as_setup, as_teardown
from dbt_af_k8s.airflow.pods.life import mark_of_run
from dbt_af_k8s.pods.clouds import GkeCluster


class _GkeClusterOperator(BaseOperator):
    """A task that is about one cluster. `base` goes to Airflow's `BaseOperator`."""

    template_fields = ("cluster",)
    ui_color = "#dbe7fb"

    def __init__(self, *, task_id: str, cloud: GkeCluster, **base: Any) -> None:
        super().__init__(task_id=task_id, **base)
        self.cloud = cloud
        self.cluster = f"{cloud.project_id}/{cloud.location}/{cloud.cluster_name}"

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Write the name of this run's cluster into the field that Airflow shows."""
        name = self.cloud.name_in_run(mark_of_run(context["ti"]))
        self.cluster = f"{self.cloud.project_id}/{self.cloud.location}/{name}"

    def execute(self, context: Any) -> Any:
        """Do it, by the provider's own operator."""
        # Importing the provider takes seconds, and a parse of the DAG file needs nothing of it.
        from dbt_af_k8s.airflow.dbt_pods.place import without_provider

        try:
            worker = self.worker(mark_of_run(context["ti"]))
        except ModuleNotFoundError as missing:
            raise AirflowFailException(str(without_provider(self.cloud, missing))) from None
        sentinel = {f"{type(worker).__name__}__sentinel": ExecutorSafeguard.sentinel_value}
        return worker.execute(context, **sentinel)

    def worker(self, mark: str) -> Any:
        """The provider's operator that does it."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """What both operators of the provider take."""
        return {
            "task_id": self.task_id,
            "project_id": self.cloud.project_id,
            "location": self.cloud.location,
            "gcp_conn_id": self.cloud.gcp_conn_id,
            "impersonation_chain": list(self.cloud.impersonation_chain) or None,
            "deferrable": False,
        }


class GkeClusterMakeOperator(_GkeClusterOperator):
    """Makes the cluster; one that is there already (an earlier try) is taken by the provider."""

    def worker(self, mark: str) -> Any:
        """The provider's operator that makes it."""
        from airflow.providers.google.cloud.operators.kubernetes_engine import GKECreateClusterOperator

        body = {**(self.cloud.create or {}), "name": self.cloud.name_in_run(mark)}
        return GKECreateClusterOperator(body=body, **self.arguments())


class GkeClusterDeleteOperator(_GkeClusterOperator):
    """Deletes the cluster; one that is gone already is fine for the provider."""

    def worker(self, mark: str) -> Any:
        """The provider's operator that deletes it."""
        from airflow.providers.google.cloud.operators.kubernetes_engine import GKEDeleteClusterOperator

        return GKEDeleteClusterOperator(cluster_name=self.cloud.name_in_run(mark), **self.arguments())


def cluster_operator(cloud: GkeCluster, *, is_made: bool, **base: Any) -> BaseOperator:
    """The setup task that makes a cluster, or the teardown task that deletes it."""
    if is_made:
        return as_setup(GkeClusterMakeOperator(cloud=cloud, **base))
    return as_teardown(GkeClusterDeleteOperator(cloud=cloud, **base))
