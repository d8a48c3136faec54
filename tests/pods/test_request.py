"""What the operator gets besides the pod."""

from collections.abc import Callable

import pytest

from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.pods.manifest import config_map_for, pod_for
from dbt_af_k8s.pods.request import is_worth_another_try, pod_request
from dbt_af_k8s.pods.values import KubernetesTarget, LogSettings, Payload, PodRun

MakeTarget = Callable[..., KubernetesTarget]
TEXT = """
namespace: etl
kubernetes_conn_id: far
startup_timeout: 5m
active_deadline: 1h
on_finish_action: keep_pod
deferrable: true
xcom: false
log_every: 30
log_events: false
log_pod: true
sidecars: [{name: proxy, image: envoy}]
log_containers: [proxy]
pod_memory_guarantee: 1Gi
memory_ladder: [2Gi, 4Gi]
script_from: config_map
"""


def test_a_request_has_all_that_the_operator_needs(target: MakeTarget, payload: Payload, run: PodRun) -> None:
    made_of = target(TEXT)
    request = pod_request(made_of, payload, run, identity_binding="me", memory_rung=1)
    assert request.pod == pod_for(made_of, payload, run, identity_binding="me", memory_rung=1)
    assert request.config_map == config_map_for(made_of, payload, run) is not None
    assert (request.namespace, request.cluster) == ("etl", ClusterAccess("far"))
    assert (request.startup_timeout, request.active_deadline) == (300, 3600)
    assert (request.on_finish_action, request.deferrable, request.xcom) == ("keep_pod", True, False)
    assert request.logs == LogSettings(True, 30, ("proxy",), False, True)
    assert request.memory_rungs == 2


@pytest.mark.parametrize(
    ("written", "code", "again"),
    [("false", 1, False), ("true", 1, True), ("[75]", 75, True), ("[75]", 1, False)],
)
def test_which_exit_codes_are_worth_another_try(
    target: MakeTarget, payload: Payload, run: PodRun, written: str, code: int, again: bool
) -> None:
    request = pod_request(target(f"retry_script: {written}"), payload, run)
    assert is_worth_another_try(request, code) is again
