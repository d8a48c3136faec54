"""How a failed try is judged: the reason in one line, and whether another try helps."""

from collections.abc import Callable
from typing import Any

import pytest

from dbt_af_k8s.pods.values import KubernetesTarget
from dbt_af_k8s.pods.verdict import has_ended_well, judge_answer, judge_pod

MakeTarget = Callable[..., KubernetesTarget]
LADDER = "{pod_memory_guarantee: 1Gi, memory_ladder: [2Gi, 4Gi]}"


def pod(phase: str = "Failed", *, meta: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "export-x", **(meta or {})}, "status": {"phase": phase, **status}}


def ended(code: int, reason: str = "Error", name: str = "base", at: str = "1") -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at}}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"name": "base", "state": {"waiting": {"reason": reason, "message": message}}}


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient cpu."}
DRAINED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
SIDECARS = [ended(137, name="airflow-xcom-sidecar", at="0"), ended(3)]


@pytest.mark.parametrize(
    ("told", "reason", "is_retried"),
    [
        (None, "the pod is gone", True),
        (pod(containerStatuses=[ended(3)]), "container base ended with exit code 3", False),
        (pod(containerStatuses=SIDECARS), "container base ended with exit code 3", False),
        (pod(containerStatuses=[ended(143)], meta={"deletionTimestamp": "now"}), "the pod was deleted", True),
        (pod(containerStatuses=[ended(137)], conditions=[DRAINED]), "EvictionByEvictionAPI", True),
        (pod(initContainerStatuses=[ended(2, name="migrate")]), "container migrate ended with exit code 2", False),
        (pod(reason="Evicted", message="The node was low on disk."), "it was evicted: The node was low on disk", True),
        (pod(reason="DeadlineExceeded"), "longer than its active deadline", False),
        (pod(reason="NodeLost"), "its node gave it up (NodeLost)", True),
        (pod("Pending", containerStatuses=[waiting("ImagePullBackOff", "not found")]), "cannot be pulled", True),
        (pod("Pending", containerStatuses=[waiting("InvalidImageName")]), "InvalidImageName", False),
        (pod("Pending", containerStatuses=[waiting("CreateContainerConfigError", "no secret")]), "no secret", True),
        (pod("Pending", conditions=[UNSCHEDULABLE]), "no node takes it: 0/3 nodes are available", True),
        (pod("Pending"), "the pod did not start within 1200 s: what Airflow says", True),
        (pod("Unknown"), "does not answer any more", True),
        (pod("Running"), "what Airflow says", True),
        (pod(containerStatuses=[ended(137, "OOMKilled")]), "ran out of memory", False),
    ],
)
def test_one_reason_and_its_class(target: MakeTarget, told: Any, reason: str, is_retried: bool) -> None:
    verdict = judge_pod(target(), told, rung=0, otherwise="what Airflow says")
    assert reason in verdict.reason
    assert "\n" not in verdict.reason
    assert (verdict.is_retried, verdict.is_out_of_memory) == (is_retried, False)


@pytest.mark.parametrize(
    ("written", "code", "is_retried"),
    [("true", 1, True), ("[75, 3]", 3, True), ("[75]", 3, False), ("false", 3, False)],
)
def test_the_script_is_tried_again_where_that_is_asked_for(
    target: MakeTarget, written: str, code: int, is_retried: bool
) -> None:
    verdict = judge_pod(target(f"retry_script: {written}"), pod(containerStatuses=[ended(code)]), rung=0, otherwise="")
    assert verdict.is_retried is is_retried


@pytest.mark.parametrize(
    ("rung", "told", "goes_on"),
    [(0, "the next try gets 2Gi", True), (1, "the next try gets 4Gi", True), (2, "with 4Gi", False)],
)
def test_the_memory_ladder_has_an_end(target: MakeTarget, rung: int, told: str, goes_on: bool) -> None:
    verdict = judge_pod(target(LADDER), pod(containerStatuses=[ended(137, "OOMKilled")]), rung=rung, otherwise="")
    assert told in verdict.reason
    assert (verdict.is_retried, verdict.is_out_of_memory) == (goes_on, goes_on)


@pytest.mark.parametrize(
    ("status", "said", "is_retried"),
    [
        (500, "etcd", True),
        (503, "", True),
        (429, "slow down", True),
        (409, "conflict", True),
        (None, "connection refused", True),
        (403, "pods is forbidden: User cannot create", False),
        (403, "exceeded quota: team", True),
        (404, "namespaces not found", False),
        (422, "Pod is invalid", False),
    ],
)
def test_answers_of_the_api(status: int | None, said: str, is_retried: bool) -> None:
    verdict = judge_answer(status, said)
    assert verdict.is_retried is is_retried
    assert said in verdict.reason


def test_a_script_that_ended_well() -> None:
    assert has_ended_well(pod("Running", containerStatuses=[ended(0)]))
    assert not has_ended_well(pod(containerStatuses=[ended(1)]))
    assert not has_ended_well(pod(containerStatuses=[ended(0, name="other")]))
    assert not has_ended_well(pod("Pending"))
