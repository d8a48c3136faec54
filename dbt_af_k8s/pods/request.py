"""Everything that an operator needs to run a script in a pod, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.pods.manifest import config_map_for, pod_for
from dbt_af_k8s.pods.values import KubernetesTarget, LogSettings, Payload, PodRun


@dataclass(frozen=True, slots=True)
class PodRequest:
    """A pod, and how it is started, watched and cleaned up. Times in seconds."""

    pod: Mapping[str, Any]
    #: To be made with the pod and owned by it, or None.
    config_map: Mapping[str, Any] | None
    #: None: that of the connection, else Airflow's.
    namespace: str | None
    cluster: ClusterAccess
    startup_timeout: int
    active_deadline: int | None
    #: `delete_pod`, `delete_succeeded_pod`, `delete_active_pod` or `keep_pod`.
    on_finish_action: str
    deferrable: bool
    #: Whether the script's result is read.
    xcom: bool
    logs: LogSettings
    #: Whether a failure of the script itself is tried again, and for which exit codes (none: for all).
    retry_script: bool
    retry_exit_codes: tuple[int, ...]
    #: How many rungs the memory ladder has.
    memory_rungs: int


def pod_request(
    target: KubernetesTarget,
    payload: Payload,
    run: PodRun,
    *,
    identity_binding: str | None = None,
    memory_rung: int = 0,
) -> PodRequest:
    """The request for one try of one run; the arguments are those of `pod_for`."""
    return PodRequest(
        pod=pod_for(target, payload, run, identity_binding=identity_binding, memory_rung=memory_rung),
        config_map=config_map_for(target, payload, run),
        namespace=target.namespace,
        cluster=target.cluster,
        startup_timeout=target.startup_timeout,
        active_deadline=target.active_deadline,
        on_finish_action=target.on_finish_action,
        deferrable=target.deferrable,
        xcom=target.xcom,
        logs=target.logs,
        retry_script=target.retry_script,
        retry_exit_codes=target.retry_exit_codes,
        memory_rungs=len(target.memory_ladder),
    )


def is_worth_another_try(request: PodRequest, exit_code: int) -> bool:
    """Whether a script that ended with this exit code is to be tried again."""
    return request.retry_script and (not request.retry_exit_codes or exit_code in request.retry_exit_codes)
