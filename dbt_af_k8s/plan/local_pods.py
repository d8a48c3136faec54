"""The same plan for a machine without a cluster."""

from dataclasses import replace

from dbt_af_k8s.plan.values import DagPlan, TaskPlan

#: Runners of a pod's script: in the pod, and without one.
IN_POD, IN_PROCESS = "kubernetes", "local_process"


def without_pods(dag: DagPlan) -> DagPlan:
    """The DAG with every script of a pod as a process of the machine that runs the task."""
    return replace(dag, tasks=tuple(_without_pod(task) for task in dag.tasks))


def _without_pod(task: TaskPlan) -> TaskPlan:
    return replace(task, runner=IN_PROCESS) if task.runner == IN_POD and task.pod is not None else task
