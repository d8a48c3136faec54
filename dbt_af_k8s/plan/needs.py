"""What a plan needs of the systems around it: pools, connections, and places in the cluster. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.plan.build import Build
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import TaskPlan
from dbt_af_k8s.pods.dbt_values import DbtPod

#: Every Airflow has it.
_DEFAULT_POOL = "default_pool"
_KUBERNETES = ("kubernetes", "kubernetes_job")
#: Without it Airflow's AWS hook takes what AWS's own configuration says.
_AWS_DEFAULT = "aws_default"


@dataclass(frozen=True, slots=True, order=True)
class NeededConnection:
    """An Airflow connection that tasks name."""

    conn_id: str
    #: As Airflow calls its type; empty: any.
    conn_type: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """Names, sorted, each once."""

    pools: tuple[str, ...] = ()
    connections: tuple[NeededConnection, ...] = ()
    #: Of pods and jobs in the cluster around Airflow; one that names none takes Airflow's own.
    namespaces: tuple[str, ...] = ()
    #: Pairs of namespace (empty: Airflow's own) and name.
    service_accounts: tuple[tuple[str, str], ...] = ()
    images: tuple[str, ...] = ()
    #: Whether a target or a runner is Kubernetes at all.
    has_kubernetes: bool = False


@dataclass(frozen=True, slots=True)
class _Pod:
    """As much as is looked at of the pods of a target or a runner; empty texts: not given."""

    image: str
    namespace: str
    service_account: str
    connection: NeededConnection | None
    #: Whether it runs in the cluster around Airflow.
    is_here: bool


def needs_of(built: Build) -> Needs:
    """What the plan of a project needs: its tasks' pools and runners, and the targets of its profile."""
    tasks = [task for dag in built.plan.dags for task in dag.tasks]
    dbt_pods = [task.dbt_pod for task in tasks if task.dbt_pod is not None]
    pods = [*_of_targets(built.inputs), *map(_of_dbt_pod, dbt_pods)]
    here = [pod for pod in pods if pod.is_here]
    connections = {pod.connection for pod in pods if pod.connection is not None}
    connections |= {NeededConnection(pod.connection.conn_id) for pod in dbt_pods if pod.connection is not None}
    connections |= set(_of_servers(tasks))
    return Needs(
        pools=_sorted(task.pool for task in tasks if task.pool and task.pool != _DEFAULT_POOL),
        connections=tuple(sorted(connections)),
        namespaces=_sorted(pod.namespace for pod in here if pod.namespace),
        service_accounts=tuple(sorted({(pod.namespace, pod.service_account) for pod in here if pod.service_account})),
        images=_sorted(pod.image for pod in pods if pod.image),
        has_kubernetes=bool(pods),
    )


def _of_targets(inputs: PlanInputs) -> Iterator[_Pod]:
    common = inputs.settings.kubernetes
    if common.local:
        return
    # What all targets have in common stands in the settings; a target's own word goes before it.
    defaults = {
        key: value
        for key, value in (("namespace", common.namespace), ("kubernetes_conn_id", common.kubernetes_conn_id))
        if value is not None
    }
    for written in inputs.profile.python_targets.values():
        if written.get("type") in _KUBERNETES:
            target = {**defaults, **written}
            conn_id = _text(target, "kubernetes_conn_id")
            yield _Pod(
                _text(target, "image_name"),
                _text(target, "namespace"),
                _text(target, "service_account"),
                NeededConnection(conn_id, "kubernetes") if conn_id else None,
                is_here=not conn_id and not target.get("context"),
            )


def _of_dbt_pod(pod: DbtPod) -> _Pod:
    target, access = pod.target, pod.target.cluster
    connection = None
    if pod.gke is not None:
        connection = NeededConnection(pod.gke.gcp_conn_id, "google_cloud_platform")
    elif pod.eks is not None:
        aws = pod.eks.aws_conn_id
        connection = NeededConnection(aws, "aws") if aws and aws != _AWS_DEFAULT else None
    elif access.conn_id is not None:
        connection = NeededConnection(access.conn_id, "kubernetes")
    is_here = pod.cloud is None and not access.conn_id and not access.context
    return _Pod(target.image, target.namespace or "", target.service_account or "", connection, is_here)


def _of_servers(tasks: Iterable[TaskPlan]) -> Iterator[NeededConnection]:
    for task in tasks:
        if task.runner_options is not None:
            yield NeededConnection(task.runner_options.conn_id, "http")


def _text(target: Mapping[str, Any], key: str) -> str:
    found = target.get(key)
    return found if isinstance(found, str) else ""


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
