"""Why a pod failed, out of its status."""

from typing import Any

import pytest

from dbt_af_k8s.k8s.pod_trouble import PodTrouble, event_lines, pod_trouble


def ended(code: int, reason: str = "Error", name: str = "main", at: str = "2026-03-01T00:00:00Z", **more: Any) -> Any:
    return {"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at, **more}}}


def waiting(reason: str, message: str = "") -> Any:
    return {"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Running", "containerStatuses": [{"name": "main", "state": {"running": {}}}]}, None),
        ({"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]}, None),
        ({}, None),
        (
            {"containerStatuses": [ended(3)]},
            PodTrouble("exit", "container main ended with exit code 3", "main", 3),
        ),
        (
            {"containerStatuses": [ended(137)]},
            PodTrouble("exit", "container main ended with exit code 137 (killed)", "main", 137),
        ),
        (
            {"containerStatuses": [ended(127, "ContainerCannotRun", message="no\nsuch file.")]},
            PodTrouble(
                "exit", "container main ended with exit code 127 (ContainerCannotRun): no such file", "main", 127
            ),
        ),
        (
            {"containerStatuses": [ended(137, "OOMKilled")]},
            PodTrouble("oom", "container main ran out of memory (OOMKilled, exit code 137)", "main", 137),
        ),
        (
            {
                "containerStatuses": [
                    ended(143, name="sidecar", at="2026-03-01T00:00:09Z"),
                    ended(2, at="2026-03-01T00:00:01Z"),
                ]
            },
            PodTrouble("exit", "container main ended with exit code 2", "main", 2),
        ),
        (
            {"initContainerStatuses": [ended(1, name="fetch")], "containerStatuses": [waiting("PodInitializing")]},
            PodTrouble("exit", "container fetch ended with exit code 1", "fetch", 1),
        ),
        (
            {
                "phase": "Failed",
                "reason": "Evicted",
                "message": "The node was low on memory.",
                "containerStatuses": [ended(137)],
            },
            PodTrouble("evicted", "it was evicted: The node was low on memory"),
        ),
        (
            {
                "phase": "Failed",
                "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}],
            },
            PodTrouble("evicted", "it was evicted (PreemptionByScheduler)"),
        ),
        (
            {"phase": "Failed", "reason": "DeadlineExceeded", "containerStatuses": [ended(137)]},
            PodTrouble("deadline", "it took longer than its active deadline"),
        ),
        (
            {"phase": "Failed", "reason": "NodeLost"},
            PodTrouble("node", "its node gave it up (NodeLost)"),
        ),
        (
            {"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff", "Back-off pulling shop/etl")]},
            PodTrouble(
                "image",
                "the image of container main cannot be pulled (ImagePullBackOff): Back-off pulling shop/etl",
                "main",
            ),
        ),
        (
            {"phase": "Pending", "containerStatuses": [waiting("CreateContainerConfigError", "secret x not found")]},
            PodTrouble("start", "container main cannot start (CreateContainerConfigError): secret x not found", "main"),
        ),
        (
            {"containerStatuses": [{**waiting("CrashLoopBackOff"), "lastState": ended(4)["state"]}]},
            PodTrouble("exit", "container main ended with exit code 4", "main", 4),
        ),
        ({"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]}, None),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}],
            },
            PodTrouble("unschedulable", "no node takes it: 0/3 nodes are available"),
        ),
    ],
)
def test_the_reason_is_one_line(status: Any, expected: PodTrouble | None) -> None:
    found = pod_trouble({"status": status})
    assert found == expected
    assert found is None or "\n" not in found.text


def test_whose_fault_it_is() -> None:
    kinds = ("evicted", "node", "image", "start", "unschedulable", "exit", "oom", "deadline")
    assert [kind for kind in kinds if PodTrouble(kind, "").is_infrastructure] == list(kinds[:5])


def test_events_come_in_the_order_of_time() -> None:
    events = [
        {
            "type": "Warning",
            "reason": "Failed",
            "message": "pull\nfailed",
            "count": 3,
            "lastTimestamp": "2026-03-01T00:00:09Z",
            "involvedObject": {"name": "export-x7k"},
        },
        {"reason": "Scheduled", "message": "to node-1", "eventTime": "2026-03-01T00:00:01Z"},
    ]
    assert event_lines(events) == ["Normal Scheduled: to node-1", "Warning Failed (x3) export-x7k: pull failed"]
