"""What a task runs that is no dbt: a Python script or a job, and its target. Plain values, as all of the plan."""

from dataclasses import dataclass

from dbt_af_k8s.jobs.values import JobTarget, VolumeClaim
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.pods.values import KubernetesTarget, Payload, VenvTarget


@dataclass(frozen=True, slots=True)
class PodPlan:
    """A script in a pod. `pods.request.pod_request` makes the pod of a run from it, for Airflow and for `render`."""

    target: KubernetesTarget
    payload: Payload
    #: Value of the label `aadpodidbinding`, or None.
    identity_binding: str | None = None


@dataclass(frozen=True, slots=True)
class VenvPlan:
    """A script in a Python environment of its own on the worker."""

    target: VenvTarget
    payload: Payload


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A Kubernetes Job from a template, which is told what the script is about."""

    target: JobTarget
    payload: Payload


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """The volume claim of a job, which tasks of their own make before it and remove after it."""

    claim: VolumeClaim
    #: None: that of the connection, else Airflow's.
    namespace: str | None = None
    cluster: ClusterAccess = ClusterAccess()


#: What `TaskPlan` may hold in place of a dbt command.
ScriptPlan = PodPlan | VenvPlan | JobPlan
