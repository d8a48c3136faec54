"""The pods that a plan's tasks send into the cluster around Airflow, as they are sent, each kind of them once. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dbt_af_k8s.errors import ProjectError, UsageError
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.plan.build import Build
from dbt_af_k8s.plan.objects import Templates, objects_of
from dbt_af_k8s.plan.values import DagPlan, TaskPlan
from dbt_af_k8s.pods.values import PodRun

_SOME_RUN = PodRun(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 2, tzinfo=UTC))
_CONTAINERS = ("initContainers", "containers")
#: What differs from task to task in pods that a cluster judges alike.
_OF_TASKS = ("args", "command", "env", "workingDir")


@dataclass(frozen=True, slots=True)
class SentPod:
    """One pod, and whose it is."""

    #: Empty: Airflow's own.
    namespace: str
    #: `dag_id.task_id` of the first task that sends such a pod.
    task: str
    pod: Mapping[str, Any]
    #: Whether its task makes a Secret beside it.
    makes_secret: bool = False

    @property
    def images(self) -> tuple[str, ...]:
        """All that a node pulls for it."""
        containers = (each for part in _CONTAINERS for each in self.pod["spec"].get(part) or ())
        return tuple(str(each["image"]) for each in containers if each.get("image"))

    @property
    def pull_secrets(self) -> tuple[str, ...]:
        """The Secrets with the logins of registries."""
        return tuple(str(each["name"]) for each in self.pod["spec"].get("imagePullSecrets") or ())


def sent_pods(built: Build, templates: Templates) -> tuple[SentPod, ...]:
    """The pods of all tasks, and those of their jobs; what cannot be rendered is left to `check` to tell."""
    found: dict[str, SentPod] = {}
    for dag in built.plan.dags:
        for task in dag.tasks:
            if _is_here(task):
                for sent in _pods_of(dag, task, templates):
                    found.setdefault(_kind_of(sent), sent)
    return tuple(found.values())


def _is_here(task: TaskPlan) -> bool:
    """Whether its pods run in the cluster around Airflow."""
    access: ClusterAccess | None = None
    if task.dbt_pod is not None and task.dbt_pod.cloud is None:
        access = task.dbt_pod.target.cluster
    elif task.pod is not None or task.job is not None:
        access = (task.pod or task.job).target.cluster  # type: ignore[union-attr]
    return access is not None and not access.conn_id and not access.context


def _pods_of(dag: DagPlan, task: TaskPlan, templates: Templates) -> Iterator[SentPod]:
    try:
        objects = objects_of(task, _SOME_RUN, dag_id=dag.dag_id, templates=templates)
    except (ProjectError, UsageError):
        return
    has_secret = task.dbt_pod is not None and task.dbt_pod.connection is not None
    for each in objects:
        pod = each if each["kind"] == "Pod" else each["spec"]["template"] if each["kind"] == "Job" else None
        if pod is not None:
            metadata = {key: value for key, value in (pod.get("metadata") or {}).items() if key != "name"}
            whole = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
            namespace = str(each["metadata"].get("namespace") or "")
            yield SentPod(namespace, f"{dag.dag_id}.{task.task_id}", whole, has_secret)


def _kind_of(sent: SentPod) -> str:
    spec = dict(sent.pod["spec"])
    for part in _CONTAINERS:
        spec[part] = [
            {key: value for key, value in each.items() if key not in _OF_TASKS} for each in spec.get(part) or ()
        ]
    return json.dumps([sent.namespace, spec, sent.makes_secret], sort_keys=True, default=str)
