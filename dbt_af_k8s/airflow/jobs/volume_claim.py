"""The volume claim of a job: a setup task makes it, a teardown task removes it, whatever became of the job."""

import time
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from dbt_af_k8s.airflow.cluster_calls import Cluster, ClusterError
from dbt_af_k8s.airflow.jobs.errors import JobFailedError, JobRefusedError, refusal
from dbt_af_k8s.airflow.jobs.runs import claim_name_in, run_of
from dbt_af_k8s.airflow.jobs.template import DELETION, KubernetesJobTemplateOperator
from dbt_af_k8s.jobs.claim import claim_object
from dbt_af_k8s.jobs.run import MANAGED_BY, has_ended
from dbt_af_k8s.jobs.values import VolumeClaim
from dbt_af_k8s.k8s.cluster import ClusterAccess

#: Seconds between two looks for pods that have ended meanwhile.
_ROUND = 5


class _ClaimOperator(BaseOperator):
    """A task that is about one claim. `base` goes to Airflow's `BaseOperator`."""

    ui_color = "#e8e8d8"

    def __init__(
        self, *, task_id: str, claim: VolumeClaim, namespace: str | None, access: ClusterAccess, **base: Any
    ) -> None:
        super().__init__(task_id=task_id, **base)
        self.claim = claim
        self.namespace = namespace
        self.access = access

    def execute(self, context: Any) -> str:
        """Do it; the result is the claim's name."""
        try:
            cluster = Cluster(self.access)
            return self._do(cluster, self.namespace or cluster.namespace(), context)
        except ClusterError as error:
            raise refusal(error) from None

    def _do(self, cluster: Cluster, namespace: str, context: Mapping[str, Any]) -> str:
        raise NotImplementedError

    def _see_off(self, cluster: Cluster, there: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        """Wait until a claim that is being deleted is gone, and take away the run's ended pods, which hold it.

        `JobFailedError`, for another try, where it is not gone after two minutes.
        """
        namespace, name = str(there["metadata"]["namespace"]), str(there["metadata"]["name"])
        run = run_of(context)
        end = time.monotonic() + DELETION
        while True:
            holding = cluster.pods_with_claim(namespace, name)
            for pod in holding:
                if has_ended(pod) and run.has_pod(pod) and not pod["metadata"].get("deletionTimestamp"):
                    self.log.info("Removing the ended pod %s, which holds the claim.", pod["metadata"]["name"])
                    cluster.delete_pod(pod)
            try:
                cluster.wait_until_gone("PersistentVolumeClaim", there, _ROUND)
                return
            except ClusterError as still_there:
                if time.monotonic() < end:
                    continue
                pods = ", ".join(str(pod["metadata"]["name"]) for pod in holding)
                by = f" Pods that use it: {pods}." if pods else ""
                raise JobFailedError(f"{still_there}, {DELETION} s in all.{by}") from None


class VolumeClaimMakeOperator(_ClaimOperator):
    """Makes a claim. One that is there is taken where it is ours (an earlier try), or where it is to be kept.

    One that is being deleted is never taken: it is waited for until it is gone.
    """

    def _do(self, cluster: Cluster, namespace: str, context: Mapping[str, Any]) -> str:
        thing = claim_object(self.claim, run_of(context), namespace=namespace)
        name = str(thing["metadata"]["name"])
        try:
            cluster.create_claim(thing)
        except ClusterError as error:
            if error.status != 409:
                raise
            there = cluster.claim(namespace, name)
            if there is None or there["metadata"].get("deletionTimestamp"):
                if there is not None:
                    self._see_off(cluster, there, context)
                cluster.create_claim(thing)
                self.log.info("Made PersistentVolumeClaim %s/%s of %s.", namespace, name, self.claim.size)
                return name
            if not self.claim.keep and not MANAGED_BY.items() <= (there["metadata"].get("labels") or {}).items():
                raise JobRefusedError(
                    f"There is a PersistentVolumeClaim {namespace}/{name} already, and it is none of ours."
                ) from None
            self.log.info("PersistentVolumeClaim %s/%s is there already.", namespace, name)
            return name
        self.log.info("Made PersistentVolumeClaim %s/%s of %s.", namespace, name, self.claim.size)
        return name


class VolumeClaimRemoveOperator(_ClaimOperator):
    """Removes a claim, unless it is to be kept. One that is gone already is fine.

    A pod holds its claim, also after it has ended, so the run's ended pods are removed first. The task is done when the
    claim is gone; one that something else holds fails it, with the name of who holds it.
    """

    def _do(self, cluster: Cluster, namespace: str, context: Mapping[str, Any]) -> str:
        name = claim_name_in(context, self.claim)
        if self.claim.keep:
            self.log.info("PersistentVolumeClaim %s/%s is kept.", namespace, name)
            return name
        there = cluster.claim(namespace, name)
        if there is None:
            self.log.info("PersistentVolumeClaim %s/%s is gone already.", namespace, name)
            return name
        cluster.delete_claim(namespace, name)
        self._see_off(cluster, there, context)
        self.log.info("Removed PersistentVolumeClaim %s/%s.", namespace, name)
        return name


def with_volume_claim(job: KubernetesJobTemplateOperator, claim: VolumeClaim) -> KubernetesJobTemplateOperator:
    """Put a setup task that makes a claim before a job, and a teardown task that removes it after it.

    They are called `<task_id>__volume` and `<task_id>__volume_removal`, and use the job's cluster and namespace. The
    template knows the claim's name as `volume_claim`. What is upstream of the job alone does not hold the setup up;
    put it upstream of the setup (`job.upstream_list`) where the claim is not to be made before. Not for mapped tasks.
    Returns the job.
    """
    job.claim = claim
    shared: dict[str, Any] = {
        "claim": claim,
        "namespace": job.namespace,
        "access": job.access(),
        "dag": job.dag,
        "task_group": job.task_group,
    }
    name = job.label
    make = as_setup(VolumeClaimMakeOperator(task_id=f"{name}__volume", **shared))
    remove = as_teardown(VolumeClaimRemoveOperator(task_id=f"{name}__volume_removal", **shared))
    make >> remove
    make >> job >> remove
    return job


def as_setup(operator: BaseOperator) -> BaseOperator:
    """The operator as a setup task, made before what it is for."""
    operator.as_setup()  # type: ignore[no-untyped-call]
    return operator


def as_teardown(operator: BaseOperator) -> BaseOperator:
    """The operator as a teardown task: it runs whatever became of what is before it, where the setup succeeded."""
    operator.as_teardown()
    return operator
