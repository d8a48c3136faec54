"""How a job stands, and why it failed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dbt_af_k8s.jobs.verdict import failure_of, last_trouble, progress_of, seconds_of, stuck

JOB: dict[str, Any] = {"metadata": {"name": "export-1", "namespace": "shop", "labels": {}}, "spec": {}, "status": {}}
NOW = datetime(2026, 3, 1, 0, 20, tzinfo=UTC)


def failed(reason: str, message: str = "", **status: Any) -> dict[str, Any]:
    condition = {"type": "Failed", "status": "True", "reason": reason, "message": message}
    return {**JOB, "status": {"conditions": [condition], **status}}


def pod(name: str, code: int | None = None, phase: str = "Failed", at: str = "00", **status: Any) -> dict[str, Any]:
    ended = {"exitCode": code, "reason": "Error", "finishedAt": f"2026-03-01T00:00:{at}Z"}
    statuses = [] if code is None else [{"name": "main", "state": {"terminated": ended}}]
    about = {"name": name, "creationTimestamp": f"2026-03-01T00:00:{at}Z"}
    return {"metadata": about, "status": {"phase": phase, "containerStatuses": statuses, **status}}


@pytest.mark.parametrize(
    ("job", "pods", "expected"),
    [
        (
            failed("BackoffLimitExceeded"),
            [pod("b", 3, at="09"), pod("a", 1, at="01"), pod("c", 143, at="30")],
            (
                "Job shop/export-1 failed: BackoffLimitExceeded, more pods failed than `backoffLimit` allows. "
                "Pod b: container main ended with exit code 3."
            ),
        ),
        (
            failed("DeadlineExceeded"),
            [],
            "Job shop/export-1 failed: DeadlineExceeded, it took longer than `activeDeadlineSeconds`.",
        ),
        (
            failed("FailedIndexes", failedIndexes="1,4-6"),
            [],
            "Job shop/export-1 failed: FailedIndexes, some indexes failed (indexes 1,4-6).",
        ),
        (failed("Odd", "some\nwords"), [], "Job shop/export-1 failed: Odd, some words."),
    ],
)
def test_the_failure_is_one_line(job: dict[str, Any], pods: list[dict[str, Any]], expected: str) -> None:
    assert failure_of(job, pods) == expected


def test_a_pod_that_was_ended_with_the_job_explains_only_what_no_other_does() -> None:
    assert last_trouble([pod("c", 143)]) == "Pod c: container main ended with exit code 143 (asked to end)."
    assert last_trouble([pod("a", 0)]) == ""


@pytest.mark.parametrize(
    ("pods", "patience", "expected"),
    [
        ([], 60, None),
        ([pod("a", phase="Pending")], 3600, None),
        ([pod("a", phase="Pending")], 60, "Pod a: it does not start, and does not say why."),
        ([pod("a", phase="Pending"), pod("b", phase="Running")], 60, None),
        ([pod("a", phase="Pending"), pod("b", phase="Succeeded")], 60, None),
        (
            [
                pod(
                    "a",
                    phase="Pending",
                    containerStatuses=[{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
                )
            ],
            60,
            "Pod a: the image of container main cannot be pulled (ImagePullBackOff).",
        ),
    ],
)
def test_a_job_is_stuck_when_no_pod_gets_to_run(
    pods: list[dict[str, Any]], patience: int, expected: str | None
) -> None:
    assert stuck(pods, NOW, patience) == expected


def test_progress_is_one_line() -> None:
    job = {**JOB, "spec": {"completions": 3}, "status": {"active": 2, "ready": 1, "succeeded": 1, "failed": 4}}
    assert str(progress_of(job)) == "1 of 3 succeeded, 2 active (1 ready), 4 failed"
    assert str(progress_of({**JOB, "spec": {"suspend": True}})) == "suspended"
    queued = {**JOB, "metadata": {**JOB["metadata"], "labels": {"kueue.x-k8s.io/queue-name": "gpus"}}}
    assert str(progress_of({**queued, "spec": {"suspend": True}})) == "suspended, waiting in the queue gpus"


def test_how_long_it_took() -> None:
    assert seconds_of(JOB) is None
    done = {"startTime": "2026-03-01T00:00:00Z", "completionTime": "2026-03-01T00:01:30Z"}
    assert seconds_of({**JOB, "status": done}) == 90
    condition = {"type": "Failed", "status": "True", "lastTransitionTime": "2026-03-01T00:00:05Z"}
    assert seconds_of({**JOB, "status": {"startTime": done["startTime"], "conditions": [condition]}}) == 5
