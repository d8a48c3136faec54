"""What a task runs that is no dbt: a Python script, and the target it runs on. Plain values, as all of the plan."""

from dataclasses import dataclass

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


#: What `TaskPlan` may hold in place of a dbt command.
ScriptPlan = PodPlan | VenvPlan
