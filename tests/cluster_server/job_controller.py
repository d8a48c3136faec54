"""The controller of jobs: makes their pods, counts how they end, and says when a job is complete or has failed.

Between failures it waits a fraction of Kubernetes' 10 seconds. `podFailurePolicy` and `successPolicy` are not followed.
Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

import asyncio
import copy
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cluster_server.answers import Refused
from cluster_server.deletion import delete
from cluster_server.job_indexes import index_of, missing_indexes, with_index, written_ranges
from cluster_server.kinds import JOB, POD
from cluster_server.pod_status import condition, set_condition
from cluster_server.recorder import Recorder
from cluster_server.store import Store, Thing, now

#: Seconds before the first pod after a failure; each next waits twice as long.
BACK_OFF = 0.1


@dataclass
class Tally:
    """What became of a job's pods, also of those that are gone."""

    #: uid of each pod -> `active`, `Succeeded` or `Failed`.
    ends: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, int] = field(default_factory=dict)
    not_before: float = 0.0

    def count(self, end: str) -> int:
        return len([each for each in self.ends.values() if each == end])

    def indexes_with(self, end: str) -> list[int]:
        return sorted({self.indexes[uid] for uid, each in self.ends.items() if each == end and uid in self.indexes})


class JobController:
    """One for all jobs."""

    def __init__(self, store: Store, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        self._tallies: dict[str, Tally] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            seen = self._store.revision
            for job in list(self._store.all(JOB)):
                if "deletionTimestamp" not in job["metadata"]:
                    self._reconcile(job)
            if seen == self._store.revision:
                await self._store.changed(0.1)
            else:
                await asyncio.sleep(0)

    def _reconcile(self, job: Thing) -> None:
        status = job.get("status") or {}
        if _is(status, "Complete") or _is(status, "Failed"):
            self._delete_after_ttl(job)
            return
        tally = self._tallies.setdefault(job["metadata"]["uid"], Tally())
        pods = self._pods(job)
        self._count(job, tally, pods)
        active = [pod for pod in pods if tally.ends[pod["metadata"]["uid"]] == "active"]
        if job["spec"].get("suspend"):
            self._suspend(job, active)
            return
        if _is(status, "Suspended"):
            self._recorder.tell(job, "Resumed", "Job resumed", by="job-controller")
        if failure := self._failure(job, tally, active):
            self._fail(job, tally, active, *failure)
        elif self._is_complete(job, tally, active):
            self._complete(job, tally)
        else:
            self._write(job, tally, active)
            self._make_pods(job, tally, active)

    def _pods(self, job: Thing) -> list[Thing]:
        uid, namespace = job["metadata"]["uid"], job["metadata"]["namespace"]
        own = [pod for pod in self._store.all(POD, namespace) if _is_owned(pod, uid)]
        return sorted(own, key=lambda pod: pod["metadata"]["creationTimestamp"])

    def _count(self, job: Thing, tally: Tally, pods: list[Thing]) -> None:
        here = {}
        for pod in pods:
            uid, phase = pod["metadata"]["uid"], (pod.get("status") or {}).get("phase")
            here[uid] = phase if phase in ("Succeeded", "Failed") else "active"
            if "deletionTimestamp" in pod["metadata"] and here[uid] == "active":
                here[uid] = "Failed"
        for uid, before in list(tally.ends.items()):
            if before == "active":
                tally.ends[uid] = here.get(uid, "gone" if job["spec"].get("suspend") else "Failed")
                if tally.ends[uid] == "Failed":
                    wait = BACK_OFF * 2 ** min(tally.count("Failed"), 4)
                    tally.not_before = time.monotonic() + wait
        for uid in here:
            tally.ends.setdefault(uid, here[uid])

    def _suspend(self, job: Thing, active: list[Thing]) -> None:
        tally = self._tallies[job["metadata"]["uid"]]
        for pod in active:
            tally.ends[pod["metadata"]["uid"]] = "gone"
            delete(self._store, POD, pod, {})
        if not _is(job.get("status") or {}, "Suspended"):
            self._recorder.tell(job, "Suspended", "Job suspended", by="job-controller")

        def change(stored: Thing) -> None:
            stored["status"].pop("startTime", None)
            stored["status"].pop("active", None)
            set_condition(stored["status"], condition("Suspended", True, "JobSuspended", "Job suspended"))

        self._change(job, change)

    def _failure(self, job: Thing, tally: Tally, active: list[Thing]) -> tuple[str, str] | None:
        spec, started = job["spec"], (job.get("status") or {}).get("startTime")
        restarts = sum(
            each.get("restartCount", 0)
            for pod in active
            for each in (pod.get("status") or {}).get("containerStatuses") or ()
        )
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is not None and started and _age(started) >= deadline:
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        if "backoffLimitPerIndex" in spec:
            given_up = self._given_up(job, tally)
            if given_up and len(tally.indexes_with("Succeeded")) + len(given_up) == spec["completions"]:
                return "FailedIndexes", "Job has failed indexes"
            if len(given_up) > spec.get("maxFailedIndexes", spec["completions"]):
                return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        if tally.count("Failed") + restarts > spec["backoffLimit"]:
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        return None

    def _given_up(self, job: Thing, tally: Tally) -> list[int]:
        """Indexes that failed more often than each may."""
        limit = job["spec"].get("backoffLimitPerIndex")
        if limit is None:
            return []
        failed = [tally.indexes[uid] for uid, end in tally.ends.items() if end == "Failed" and uid in tally.indexes]
        return sorted(index for index in set(failed) if failed.count(index) > limit)

    def _is_complete(self, job: Thing, tally: Tally, active: list[Thing]) -> bool:
        wanted = job["spec"].get("completions")
        if job["spec"]["completionMode"] == "Indexed":
            return len(tally.indexes_with("Succeeded")) >= wanted
        if wanted is None:
            return tally.count("Succeeded") > 0 and not active
        return tally.count("Succeeded") >= wanted

    def _fail(self, job: Thing, tally: Tally, active: list[Thing], reason: str, message: str) -> None:
        for pod in active:
            tally.ends[pod["metadata"]["uid"]] = "Failed"
            delete(self._store, POD, pod, {})
        self._recorder.tell(job, reason, message, by="job-controller", warns=True)

        def change(stored: Thing) -> None:
            for kind in ("FailureTarget", "Failed"):
                set_condition(stored["status"], condition(kind, True, reason, message))

        self._write(job, tally, [])
        self._change(job, change)

    def _complete(self, job: Thing, tally: Tally) -> None:
        self._recorder.tell(job, "Completed", "Job completed", by="job-controller")
        told = "Reached expected number of succeeded pods"

        def change(stored: Thing) -> None:
            stored["status"]["completionTime"] = now()
            for kind in ("SuccessCriteriaMet", "Complete"):
                set_condition(stored["status"], condition(kind, True, "CompletionsReached", told))

        self._write(job, tally, [])
        self._change(job, change)

    def _write(self, job: Thing, tally: Tally, active: list[Thing]) -> None:
        ready = [pod for pod in active if _is_ready(pod)]

        def change(stored: Thing) -> None:
            status = stored["status"]
            status.setdefault("startTime", now())
            status |= {
                "ready": len(ready),
                "terminating": 0,
                "uncountedTerminatedPods": {},
            }
            for key, value in (
                ("active", len(active)),
                ("succeeded", tally.count("Succeeded")),
                ("failed", tally.count("Failed")),
            ):
                status.pop(key, None)
                if value:
                    status[key] = value
            if stored["spec"]["completionMode"] == "Indexed":
                status["completedIndexes"] = written_ranges(tally.indexes_with("Succeeded"))
                status["succeeded"] = len(tally.indexes_with("Succeeded"))
                if "backoffLimitPerIndex" in stored["spec"]:
                    status["failedIndexes"] = written_ranges(self._given_up(stored, tally))
            if _is(status, "Suspended"):
                set_condition(status, condition("Suspended", False, "JobResumed", "Job resumed"))

        self._change(job, change)

    def _make_pods(self, job: Thing, tally: Tally, active: list[Thing]) -> None:
        spec = job["spec"]
        if time.monotonic() < tally.not_before:
            return
        wanted = spec["parallelism"]
        if spec.get("completions") is not None:
            wanted = min(wanted, spec["completions"] - tally.count("Succeeded"))
        elif tally.count("Succeeded"):
            wanted = 0
        taken = [index_of(pod) for pod in active]
        free = missing_indexes(spec, [*tally.indexes_with("Succeeded"), *self._given_up(job, tally), *taken])
        for _ in range(max(wanted - len(active), 0)):
            index = free.pop(0) if free else None
            if spec["completionMode"] == "Indexed" and index is None:
                return
            try:
                pod = self._make_pod(job, index)
            except Refused as refused:
                self._recorder.tell(job, "FailedCreate", f"Error creating: {refused}", by="job-controller", warns=True)
                tally.not_before = time.monotonic() + 0.3
                return
            tally.ends[pod["metadata"]["uid"]] = "active"
            if index is not None:
                tally.indexes[pod["metadata"]["uid"]] = index
            told = f"Created pod: {pod['metadata']['name']}"
            self._recorder.tell(job, "SuccessfulCreate", told, by="job-controller")

    def _make_pod(self, job: Thing, index: int | None) -> Thing:
        from cluster_server.admission import admit_new

        template = copy.deepcopy(job["spec"]["template"])
        metadata = template.setdefault("metadata", {})
        metadata.pop("name", None)
        metadata["generateName"] = f"{job['metadata']['name'][:50]}-" + ("" if index is None else f"{index}-")
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": job["metadata"]["name"],
            "uid": job["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        metadata["ownerReferences"] = [owner]
        pod = {"metadata": metadata, "spec": template["spec"]}
        if index is not None:
            with_index(pod, job["metadata"]["name"], index)
        namespace = job["metadata"]["namespace"]
        return self._store.create(POD, admit_new(self._store, POD, namespace, pod))

    def _delete_after_ttl(self, job: Thing) -> None:
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        ends = [
            each["lastTransitionTime"] for each in job["status"]["conditions"] if each["type"] in ("Complete", "Failed")
        ]
        if seconds is not None and _age(max(ends)) >= seconds:
            delete(self._store, JOB, job, {"propagationPolicy": "Background"})

    def _change(self, job: Thing, change: object) -> None:
        self._store.change(JOB, job["metadata"]["namespace"], job["metadata"]["name"], change)  # type: ignore[arg-type]


def _is_ready(pod: Thing) -> bool:
    """Whether all of its containers run."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _is(status: Thing, kind: str) -> bool:
    return any(each["type"] == kind and each["status"] == "True" for each in status.get("conditions") or ())


def _is_owned(pod: Thing, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences") or ())


def _age(stamp: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()
