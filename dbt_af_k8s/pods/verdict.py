"""What a failed try of a script means: one line for people, and whether another try helps.

Infrastructure (a pod evicted or deleted, a node lost, an image that cannot be pulled now, no room in the cluster, an
API in trouble) is tried again; what the script itself did is not, unless the target asks for it. A pod that ran out of
memory is tried again while its memory ladder has a rung left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dbt_af_k8s.k8s.pod_trouble import PodTrouble, pod_trouble
from dbt_af_k8s.pods.parts import BASE
from dbt_af_k8s.pods.values import KubernetesTarget

#: Reasons that no patience mends: the name of the image is none, or it may not be pulled.
_NEVER = ("InvalidImageName", "ErrImageNeverPull")
#: Answers of the API that may be another one next time: too many requests, and a server in trouble.
_PASSING = (408, 409, 429)
#: When a pod was deleted, by whether its script had begun; and when one was that is gone, by how it was seen last: it
#: may have begun between the last look and its end.
_WHEN = {False: " before the script began", True: " while the script ran"}
_WHEN_GONE = {None: "", False: " before the script was seen to run", True: " while the script ran"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one try ended."""

    #: One line, without the pod's name.
    reason: str
    is_retried: bool
    #: Whether the next try takes the next rung of the memory ladder.
    is_out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of a try besides its pod."""

    #: Since the pod was made.
    seconds: float
    #: How many rungs of the memory ladder it has taken.
    rung: int = 0
    #: Whether Airflow makes no other.
    is_last: bool = False
    #: Whether the script had begun when the pod was seen last; None: nobody saw it.
    has_begun: bool | None = None


def judge_pod(target: KubernetesTarget, pod: Mapping[str, Any] | None, attempt: Attempt, *, otherwise: str) -> Verdict:
    """Judge a pod that did not do well. `pod` is the API's object as it was last; None: it is gone.

    `otherwise` is what is known where the pod itself tells nothing.
    """
    if pod is None:
        return Verdict(f"the pod is gone: it was deleted{_WHEN_GONE[attempt.has_begun]}", is_retried=True)
    has_begun = any("running" in state or "terminated" in state for name, state in _states(pod) if name == BASE)
    trouble = pod_trouble(pod if _end_of(pod, BASE) is None else _without_helpers(pod))
    is_deleted = bool(pod["metadata"].get("deletionTimestamp"))
    if is_deleted and (trouble is None or trouble.kind == "exit"):
        return Verdict(f"the pod was deleted{_WHEN[has_begun]}", is_retried=True)
    if trouble is not None and not has_begun and trouble.container not in (None, BASE):
        said = f"the script did not begin: after {attempt.seconds:.0f} s {trouble.text}"
        return replace(_of_trouble(target, trouble, attempt), reason=said)
    if trouble is not None:
        return _of_trouble(target, trouble, attempt)
    status = pod.get("status") or {}
    if status.get("phase") == "Pending":
        held_up = "; ".join((otherwise, *(f"container {name} {words}" for name, words in _helpers_states(pod))))
        return Verdict(f"the script did not begin within {attempt.seconds:.0f} s: {held_up}", is_retried=True)
    if status.get("phase") == "Unknown":
        return Verdict("the node of the pod does not answer any more", is_retried=True)
    return Verdict(otherwise, is_retried=True)


def exit_code(pod: Mapping[str, Any]) -> int | None:
    """The script's exit code; None where it has not ended."""
    ended = _end_of(pod, BASE)
    return None if ended is None else int(ended.get("exitCode") or 0)


def has_ended_well(pod: Mapping[str, Any]) -> bool:
    """Whether the script has ended with exit code 0, whatever else is wrong."""
    return exit_code(pod) == 0


def was_deleted_at_work(pod: Mapping[str, Any]) -> bool:
    """Whether the pod was deleted before its script ended: the script may have left its work half done.

    Kubernetes tells when the time of grace is over, in whole seconds.
    """
    ended, metadata = _end_of(pod, BASE), pod["metadata"]
    if not metadata.get("deletionTimestamp"):
        return False
    if ended is None or not ended.get("finishedAt"):
        return True
    grace = timedelta(seconds=int(metadata.get("deletionGracePeriodSeconds") or 0))
    return datetime.fromisoformat(ended["finishedAt"]) >= datetime.fromisoformat(metadata["deletionTimestamp"]) - grace


def companions(pod: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """What there is to tell of the other containers of a pod whose script has ended: whether it warns, and the words.

    A sidecar that Kubernetes itself ends with the pod (an init container that is restarted) is none of them.
    """
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        name, state = container.get("name"), container.get("state") or {}
        if name == BASE:
            continue
        if "running" in state:
            yield False, f"container {name} goes on after the script, and ends with its pod"
        elif (state.get("terminated") or {}).get("exitCode"):
            yield True, f"container {name} {_words_of(state)} beside the script; that does not count"
        elif "waiting" in state and (words := _words_of(state)):
            yield True, f"container {name} {words} still, and the script did without it"


def is_at_work(pod: Mapping[str, Any]) -> bool:
    """Whether the script of a pod has not ended: it runs, or may begin to."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return False
    return _end_of(pod, BASE) is None


def judge_answer(status: int | None, said: str) -> Verdict:
    """Judge a try that the API of the cluster ended by an answer of this status; None: it did not answer."""
    if status is None:
        return Verdict(f"the cluster does not answer: {said}", is_retried=True)
    is_quota = status == 403 and "exceeded quota" in said
    return Verdict(f"the cluster answers {status}: {said}", is_retried=status >= 500 or status in _PASSING or is_quota)


def _of_trouble(target: KubernetesTarget, trouble: PodTrouble, attempt: Attempt) -> Verdict:
    if trouble.kind == "oom" and trouble.container == BASE:
        return _out_of_memory(target, trouble, attempt)
    if trouble.kind == "exit" and trouble.container == BASE:
        codes = target.retry_exit_codes
        is_retried = target.retry_script and (not codes or trouble.exit_code in codes)
        return Verdict(trouble.text, is_retried)
    if trouble.kind in ("exit", "oom", "deadline"):
        return Verdict(trouble.text, is_retried=target.retry_script and not target.retry_exit_codes)
    return Verdict(trouble.text, is_retried=not any(reason in trouble.text for reason in _NEVER))


def _out_of_memory(target: KubernetesTarget, trouble: PodTrouble, attempt: Attempt) -> Verdict:
    ladder = target.memory_ladder
    if attempt.rung < len(ladder):
        more = ladder[attempt.rung]
        reason = f"{trouble.text}; the next try gets {more}"
        if attempt.is_last:
            reason = f"{trouble.text}; a next try would get {more}, but this was the last: raise `retries`"
        return Verdict(reason, is_retried=True, is_out_of_memory=True)
    limit = ladder[-1] if ladder else target.limits.get("memory")
    had = f" with {limit}" if limit else ""
    hint = "" if ladder else "; `memory_ladder` would try again with more"
    return Verdict(f"{trouble.text}{had}{hint}", is_retried=target.retry_script and not target.retry_exit_codes)


def _without_helpers(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod without what its sidecars say: once the script has ended they end because it did."""
    status = pod.get("status") or {}
    own = [each for each in status.get("containerStatuses") or () if each.get("name") == BASE]
    return {**pod, "status": {**status, "containerStatuses": own, "initContainerStatuses": ()}}


def _states(pod: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    status = pod.get("status") or {}
    for key in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(key) or ():
            yield str(container.get("name")), container.get("state") or {}


def _end_of(pod: Mapping[str, Any], container: str) -> Mapping[str, Any] | None:
    """How a container ended; None where it has not."""
    return next((state.get("terminated") for name, state in _states(pod) if name == container), None)


def _helpers_states(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The other containers that began, or cannot, each with how it stands."""
    for name, state in _states(pod):
        if name != BASE and (words := _words_of(state)):
            yield name, words


def _words_of(state: Mapping[str, Any]) -> str:
    ended = state.get("terminated")
    if ended is not None:
        reason = ended.get("reason")
        return f"ended with exit code {ended.get('exitCode')}{f' ({reason})' if reason not in (None, 'Error') else ''}"
    waits = (state.get("waiting") or {}).get("reason")
    if waits in ("PodInitializing", "ContainerCreating"):
        return ""
    return f"waits ({waits})" if waits else "runs" if "running" in state else ""
