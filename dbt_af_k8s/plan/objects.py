"""The Kubernetes objects of a task, as they are sent for one run."""

from collections.abc import Mapping
from typing import Any

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.build import Build
from dbt_af_k8s.plan.explain import explain
from dbt_af_k8s.plan.scripts import PodPlan
from dbt_af_k8s.plan.values import DagPlan, TaskPlan
from dbt_af_k8s.pods.payload import too_large_conf
from dbt_af_k8s.pods.request import pod_request
from dbt_af_k8s.pods.values import PodRun

KubernetesObjects = tuple[Mapping[str, Any], ...]


def task_with_objects(build: Build, name: str) -> tuple[DagPlan, TaskPlan]:
    """The task that runs the node of this name in Kubernetes, and its DAG.

    Raises `UsageError` where no node, or more than one, is called so, and where its task sends nothing to Kubernetes.
    """
    found = explain(build, name)
    if len(found) > 1:
        named = ", ".join(f"`{each.node}`" for each in found)
        raise UsageError(f"{len(found)} nodes are called `{name}`: {named}. Name one by its unique_id.")
    (node,) = found
    if node.dag_id is None:
        raise UsageError(f"`{node.node}` has no task: {node.left_out or 'nothing runs it'}.")
    dag = build.plan.dag(node.dag_id)
    task = next((task for task in dag.tasks if task.task_id == node.task_id), None) if dag else None
    if dag is None or task is None or task.pod is None:
        target = task.target if task else None
        raise UsageError(
            f"`{node.node}` runs on target `{target or 'default'}` by `{task.runner if task else None}`, and sends "
            "nothing to Kubernetes."
        )
    return dag, task


def objects_of(task: TaskPlan, run: PodRun, *, memory_rung: int = 0) -> KubernetesObjects:
    """What is sent for one run of the task, in the order of `kubectl apply`; empty for a task that sends nothing.

    `memory_rung` says how many rungs of the memory ladder are taken. Raises `UsageError` where the run's
    configuration does not fit into a pod.
    """
    if task.pod is not None:
        return _pod_objects(task.pod, run, memory_rung)
    return ()


def _pod_objects(pod: PodPlan, run: PodRun, memory_rung: int) -> KubernetesObjects:
    too_large = too_large_conf(run.conf)
    if too_large is not None:
        raise UsageError(too_large)
    request = pod_request(pod.target, pod.payload, run, identity_binding=pod.identity_binding, memory_rung=memory_rung)
    return (request.pod,) if request.config_map is None else (request.config_map, request.pod)
