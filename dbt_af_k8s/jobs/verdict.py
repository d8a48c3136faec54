"""How a Job stands, and why it failed, in one line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dbt_af_k8s.jobs.run import QUEUE_LABEL, state_of
from dbt_af_k8s.k8s.pod_trouble import PodTrouble, pod_trouble

#: What the reasons of a failed Job mean. Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/
_REASONS = {
    "BackoffLimitExceeded": "more pods failed than `backoffLimit` allows",
    "DeadlineExceeded": "it took longer than `activeDeadlineSeconds`",
    "PodFailurePolicy": "`podFailurePolicy` ends it",
    "FailedIndexes": "some indexes failed",
    "MaxFailedIndexesExceeded": "more indexes failed than `maxFailedIndexes` allows",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How many pods stand where."""

    active: int
    ready: int
    succeeded: int
    failed: int
    #: None: one success is enough.
    wanted: int | None
    is_suspended: bool
    #: Kueue's queue, if any.
    queue: str | None

    def __str__(self) -> str:
        """One line for a log."""
        if self.is_suspended:
            return f"suspended{f', waiting in the queue {self.queue}' if self.queue else ''}"
        of = f" of {self.wanted}" if self.wanted is not None else ""
        return f"{self.succeeded}{of} succeeded, {self.active} active ({self.ready} ready), {self.failed} failed"


def progress_of(job: Mapping[str, Any]) -> Progress:
    """Count the pods of a Job, as its status says."""
    status, spec = job.get("status") or {}, job.get("spec") or {}
    return Progress(
        active=int(status.get("active") or 0),
        ready=int(status.get("ready") or 0),
        succeeded=int(status.get("succeeded") or 0),
        failed=int(status.get("failed") or 0),
        wanted=spec.get("completions"),
        is_suspended=bool(spec.get("suspend")),
        queue=(job["metadata"].get("labels") or {}).get(QUEUE_LABEL),
    )


def failure_of(job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> str:
    """Why a failed Job failed: what it says itself, and what its last failed pod does."""
    name = full_name(job)
    conditions = (job.get("status") or {}).get("conditions") or ()
    failed: Mapping[str, Any] = next(
        (each for each in conditions if each.get("type") == "Failed" and each.get("status") == "True"), {}
    )
    reason = str(failed.get("reason") or "no reason given")
    words = _REASONS.get(reason) or " ".join(str(failed.get("message") or "").split())
    indexes = (job.get("status") or {}).get("failedIndexes")
    told = f"Job {name} failed: {reason}{f', {words}' if words else ''}{f' (indexes {indexes})' if indexes else ''}"
    pod = last_trouble(pods)
    return f"{told}. {pod}" if pod else f"{told}."


def last_trouble(pods: Iterable[Mapping[str, Any]]) -> str:
    """What the pod that failed last says, as a sentence; empty where none says anything."""
    found = [(pod, trouble) for pod in pods if (trouble := pod_trouble(pod)) is not None]
    # A pod that was ended because the whole Job was (143) explains nothing where another one does.
    found.sort(key=lambda each: (_explains(each[1]), _end(each[0]), str(each[0]["metadata"]["name"])))
    if not found:
        return ""
    pod, trouble = found[-1]
    return f"Pod {pod['metadata']['name']}: {trouble.text}."


def _explains(trouble: PodTrouble) -> bool:
    return trouble.exit_code != 143


def _end(pod: Mapping[str, Any]) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ends = [str(((each.get("state") or {}).get("terminated") or {}).get("finishedAt") or "") for each in statuses]
    return max(ends, default="")


def stuck(pods: Iterable[Mapping[str, Any]], now: datetime, patience: int) -> str | None:
    """Why no pod of a Job gets to run, where that has lasted longer than `patience` (seconds); None: it is fine.

    A pod that waits while another one of the Job runs or has ended is just in the queue.
    """
    pods = list(pods)
    phases = [(pod.get("status") or {}).get("phase") for pod in pods]
    if not pods or any(phase != "Pending" for phase in phases):
        return None
    oldest = min(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))
    begun = oldest["metadata"].get("creationTimestamp")
    if not begun or (now - datetime.fromisoformat(str(begun).replace("Z", "+00:00"))).total_seconds() <= patience:
        return None
    return last_trouble(pods) or f"Pod {oldest['metadata']['name']}: it does not start, and does not say why."


def seconds_of(job: Mapping[str, Any]) -> float | None:
    """How long a Job ran, from its start to its end, in seconds."""
    status = job.get("status") or {}
    begun = status.get("startTime")
    failed = [each for each in status.get("conditions") or () if each.get("type") == "Failed"]
    ended = status.get("completionTime") or (failed[0].get("lastTransitionTime") if failed else None)
    if not begun or not ended:
        return None
    start, end = (datetime.fromisoformat(str(each).replace("Z", "+00:00")) for each in (begun, ended))
    return (end - start).total_seconds()


def full_name(job: Mapping[str, Any]) -> str:
    """`namespace/name`."""
    return f"{job['metadata'].get('namespace')}/{job['metadata']['name']}"


def is_over(job: Mapping[str, Any]) -> bool:
    """Whether the Job has come to its end."""
    return state_of(job) != "running"
