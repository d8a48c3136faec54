"""What a failed try of a script means: one line for people, and whether another try helps.

Infrastructure (a pod evicted or deleted, a node lost, an image that cannot be pulled now, no room in the cluster, an
API in trouble) is tried again; what the script itself did is not, unless the target asks for it. A pod that ran out of
memory is tried again while its memory ladder has a rung left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.k8s.pod_trouble import PodTrouble, pod_trouble
from dbt_af_k8s.pods.parts import BASE
from dbt_af_k8s.pods.values import KubernetesTarget

#: Reasons that no patience mends: the name of the image is none, or it may not be pulled.
_NEVER = ("InvalidImageName", "ErrImageNeverPull")
#: Answers of the API that may be another one next time: too many requests, and a server in trouble.
_PASSING = (408, 409, 429)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one try ended."""

    #: One line, without the pod's name.
    reason: str
    is_retried: bool
    #: Whether the next try takes the next rung of the memory ladder.
    is_out_of_memory: bool = False


def judge_pod(target: KubernetesTarget, pod: Mapping[str, Any] | None, *, rung: int, otherwise: str) -> Verdict:
    """Judge a pod that did not do well. `pod` is the API's object as it was last; None: it is gone.

    `rung` says how many rungs of the memory ladder the try has taken. `otherwise` is what is known where the pod
    itself tells nothing.
    """
    if pod is None:
        return Verdict("the pod is gone: it was deleted while the script ran", is_retried=True)
    trouble = pod_trouble(_without_helpers(pod))
    is_deleted = bool(pod["metadata"].get("deletionTimestamp"))
    if is_deleted and (trouble is None or trouble.kind == "exit"):
        return Verdict("the pod was deleted while the script ran", is_retried=True)
    if trouble is not None:
        return _of_trouble(target, trouble, rung)
    status = pod.get("status") or {}
    if status.get("phase") == "Pending":
        said = f"the pod did not start within {target.startup_timeout} s: {otherwise}"
        return Verdict(said, is_retried=True)
    if status.get("phase") == "Unknown":
        return Verdict("the node of the pod does not answer any more", is_retried=True)
    return Verdict(otherwise, is_retried=True)


def has_ended_well(pod: Mapping[str, Any]) -> bool:
    """Whether the script has ended with exit code 0, whatever else is wrong."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated")
        if container.get("name") == BASE and ended is not None:
            return bool(ended.get("exitCode") == 0)
    return False


def is_at_work(pod: Mapping[str, Any]) -> bool:
    """Whether the script of a pod has not ended: it runs, or may begin to."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return False
    own = [each for each in status.get("containerStatuses") or () if each.get("name") == BASE]
    return not any((each.get("state") or {}).get("terminated") for each in own)


def judge_answer(status: int | None, said: str) -> Verdict:
    """Judge a try that the API of the cluster ended by an answer of this status; None: it did not answer."""
    if status is None:
        return Verdict(f"the cluster does not answer: {said}", is_retried=True)
    is_quota = status == 403 and "exceeded quota" in said
    return Verdict(f"the cluster answers {status}: {said}", is_retried=status >= 500 or status in _PASSING or is_quota)


def _of_trouble(target: KubernetesTarget, trouble: PodTrouble, rung: int) -> Verdict:
    if trouble.kind == "oom":
        return _out_of_memory(target, trouble, rung)
    if trouble.kind == "exit" and trouble.container == BASE:
        codes = target.retry_exit_codes
        is_retried = target.retry_script and (not codes or trouble.exit_code in codes)
        return Verdict(trouble.text, is_retried)
    if trouble.kind in ("exit", "deadline"):
        return Verdict(trouble.text, is_retried=target.retry_script and not target.retry_exit_codes)
    return Verdict(trouble.text, is_retried=not any(reason in trouble.text for reason in _NEVER))


def _out_of_memory(target: KubernetesTarget, trouble: PodTrouble, rung: int) -> Verdict:
    ladder = target.memory_ladder
    if rung < len(ladder):
        reason = f"{trouble.text}; the next try gets {ladder[rung]}"
        return Verdict(reason, is_retried=True, is_out_of_memory=True)
    limit = ladder[-1] if ladder else target.limits.get("memory")
    had = f" with {limit}" if limit else ""
    hint = "" if ladder else "; `memory_ladder` would try again with more"
    return Verdict(f"{trouble.text}{had}{hint}", is_retried=target.retry_script and not target.retry_exit_codes)


def _without_helpers(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod without what its sidecars say, once the script has ended: they end because it did."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    own = [each for each in containers if each.get("name") == BASE]
    if not any((each.get("state") or {}).get("terminated") for each in own):
        return pod
    return {**pod, "status": {**status, "containerStatuses": own, "initContainerStatuses": ()}}
