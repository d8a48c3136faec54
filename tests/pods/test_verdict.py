"""How a failed try is judged: the reason in one line, and whether another try helps."""

from collections.abc import Callable
from typing import Any

import pytest

from dbt_af_k8s.pods.values import KubernetesTarget
from dbt_af_k8s.pods.verdict import (
    Attempt,
    companions,
    has_ended_well,
    judge_answer,
    judge_pod,
    was_deleted_at_work,
)

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
SIDECARS = [ended(137, name="proxy", at="0"), ended(3)]
RUNS = {"name": "base", "state": {"running": {}}}
DELETED = {"deletionTimestamp": "now"}
AIRFLOW = "what Airflow says"


@pytest.mark.parametrize(
    ("told", "reason", "is_retried"),
    [
        (None, "the pod is gone", True),
        (pod(containerStatuses=[ended(3)]), "container base ended with exit code 3", False),
        (pod(containerStatuses=SIDECARS), "container base ended with exit code 3", False),
        (pod(containerStatuses=[ended(143)], meta=DELETED), "the pod was deleted while the script ran", True),
        (pod(containerStatuses=[RUNS], meta=DELETED), "the pod was deleted while the script ran", True),
        (pod("Pending", meta=DELETED), "the pod was deleted before the script began", True),
        (
            pod("Pending", containerStatuses=[waiting("ContainerCreating")], meta=DELETED),
            "before the script began",
            True,
        ),
        (pod(containerStatuses=[ended(137)], conditions=[DRAINED]), "EvictionByEvictionAPI", True),
        (
            pod(initContainerStatuses=[ended(2, name="migrate")], containerStatuses=[waiting("PodInitializing")]),
            "the script did not begin: after 6 s container migrate ended with exit code 2",
            False,
        ),
        (
            pod("Pending", initContainerStatuses=[ended(137, "OOMKilled", name="proxy")]),
            "the script did not begin: after 6 s container proxy ran out of memory (OOMKilled, exit code 137)",
            False,
        ),
        (
            pod("Pending", initContainerStatuses=[ended(0, "Completed", name="proxy")]),
            "did not begin within 6 s: what Airflow says; container proxy ended with exit code 0 (Completed)",
            True,
        ),
        (pod(reason="Evicted", message="The node was low on disk."), "it was evicted: The node was low on disk", True),
        (pod(reason="DeadlineExceeded"), "longer than its active deadline", False),
        (pod(reason="NodeLost"), "its node gave it up (NodeLost)", True),
        (pod("Pending", containerStatuses=[waiting("ImagePullBackOff", "not found")]), "cannot be pulled", True),
        (pod("Pending", containerStatuses=[waiting("InvalidImageName")]), "InvalidImageName", False),
        (pod("Pending", containerStatuses=[waiting("CreateContainerConfigError", "no secret")]), "no secret", True),
        (pod("Pending", conditions=[UNSCHEDULABLE]), "no node takes it: 0/3 nodes are available", True),
        (pod("Pending"), "the script did not begin within 6 s: what Airflow says", True),
        (pod("Unknown"), "does not answer any more", True),
        (pod("Running"), "what Airflow says", True),
        (pod(containerStatuses=[ended(137, "OOMKilled")]), "ran out of memory", False),
    ],
)
def test_one_reason_and_its_class(target: MakeTarget, told: Any, reason: str, is_retried: bool) -> None:
    verdict = judge_pod(target(), told, Attempt(6), otherwise=AIRFLOW)
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
    verdict = judge_pod(
        target(f"retry_script: {written}"), pod(containerStatuses=[ended(code)]), Attempt(6), otherwise=""
    )
    assert verdict.is_retried is is_retried


@pytest.mark.parametrize(
    ("rung", "told", "goes_on"),
    [(0, "the next try gets 2Gi", True), (1, "the next try gets 4Gi", True), (2, "with 4Gi", False)],
)
def test_the_memory_ladder_has_an_end(target: MakeTarget, rung: int, told: str, goes_on: bool) -> None:
    ended_so = pod(containerStatuses=[ended(137, "OOMKilled")])
    verdict = judge_pod(target(LADDER), ended_so, Attempt(6, rung), otherwise="")
    assert told in verdict.reason
    assert (verdict.is_retried, verdict.is_out_of_memory) == (goes_on, goes_on)
    last = judge_pod(target(LADDER), ended_so, Attempt(6, rung, is_last=True), otherwise="")
    assert "the next try gets" not in last.reason
    assert ("this was the last: raise `retries`" in last.reason) is goes_on


@pytest.mark.parametrize(
    ("has_begun", "words"),
    [
        (None, "it was deleted"),
        (False, "it was deleted before the script was seen to run"),
        (True, "while the script ran"),
    ],
)
def test_when_a_pod_that_is_gone_was_deleted(target: MakeTarget, has_begun: bool | None, words: str) -> None:
    assert judge_pod(target(), None, Attempt(6, has_begun=has_begun), otherwise="").reason.endswith(words)


def deleted(at: str, finished: str | None, grace: int = 30) -> dict[str, Any]:
    base = ended(0, at=finished) if finished else RUNS
    return pod(containerStatuses=[base], meta={"deletionTimestamp": at, "deletionGracePeriodSeconds": grace})


@pytest.mark.parametrize(
    ("told", "is_cut_off"),
    [
        (pod(containerStatuses=[ended(0)]), False),
        (deleted("2026-03-01T00:00:30Z", "2026-02-28T23:59:59Z"), False),
        (deleted("2026-03-01T00:00:30Z", "2026-03-01T00:00:00Z"), True),
        (deleted("2026-03-01T00:00:30Z", "2026-03-01T00:00:05Z"), True),
        (deleted("2026-03-01T00:00:05Z", "2026-03-01T00:00:01Z", grace=0), False),
        (deleted("2026-03-01T00:00:30Z", None), True),
    ],
)
def test_exit_code_0_after_the_deletion_is_no_success(told: Any, is_cut_off: bool) -> None:
    assert was_deleted_at_work(told) is is_cut_off


def test_what_is_told_of_other_containers() -> None:
    mesh = {"name": "linkerd-proxy", "state": {"running": {}}}
    image = {"name": "log", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    told = companions(
        pod("Running", containerStatuses=[ended(0), mesh, ended(3, name="agent"), ended(0, name="done"), image])
    )
    assert list(told) == [
        (False, "container linkerd-proxy goes on after the script, and ends with its pod"),
        (True, "container agent ended with exit code 3 beside the script; that does not count"),
        (True, "container log waits (ImagePullBackOff) still, and the script did without it"),
    ]


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
