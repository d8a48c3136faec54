"""Why a pod failed, or does not start: one line out of what Kubernetes says about it.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and .../debug/debug-application/debug-pods/
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Reasons for which a container waits that no patience mends.
_IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_START_REASONS = (
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"),
    *("PreCreateHookError", "PreStartHookError", "PostStartHookError"),
)
#: Exit codes that a signal makes, with what people take them for.
_SIGNALS = {130: "interrupted", 137: "killed", 139: "a crash of the program itself", 143: "asked to end"}
#: Longest text of Kubernetes' own that a line repeats, in characters.
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class PodTrouble:
    """What is wrong with a pod.

    `kind` is `evicted`, `deadline`, `node`, `oom`, `exit`, `image`, `start` or `unschedulable`; `text` is for people.
    """

    kind: str
    text: str
    container: str | None = None
    exit_code: int | None = None

    @property
    def is_infrastructure(self) -> bool:
        """Whether the cluster did it, not the program in the container."""
        return self.kind not in ("exit", "oom", "deadline")


def pod_trouble(pod: Mapping[str, Any]) -> PodTrouble | None:
    """The first thing that explains why the pod failed, or why it does not start; None where nothing does.

    `pod` is the object as the API gives it, in plain JSON.
    """
    status = pod.get("status") or {}
    return _of_the_pod(status) or _of_a_container(status) or _of_a_wait(status)


def _of_the_pod(status: Mapping[str, Any]) -> PodTrouble | None:
    """What happened to the pod as a whole: it explains the exit codes of its containers."""
    reason, message = str(status.get("reason") or ""), _told(status.get("message"))
    if reason == "DeadlineExceeded":
        return PodTrouble("deadline", f"it took longer than its active deadline{message}")
    if reason == "Evicted":
        return PodTrouble("evicted", f"it was evicted{message}")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            kind = "node" if condition.get("reason") == "DeletionByPodGC" else "evicted"
            return PodTrouble(kind, f"it was evicted ({condition.get('reason')}){_told(condition.get('message'))}")
    if status.get("phase") == "Failed" and reason:
        return PodTrouble("node", f"its node gave it up ({reason}){message}")
    return None


def _of_a_container(status: Mapping[str, Any]) -> PodTrouble | None:
    ended = [
        (container, state)
        for container, state in _states(status, "terminated")
        if state.get("exitCode") or state.get("reason") == "OOMKilled"
    ]
    for container, state in sorted(ended, key=lambda each: str(each[1].get("finishedAt") or "")):
        code = int(state.get("exitCode") or 0)
        if state.get("reason") == "OOMKilled":
            text = f"container {container} ran out of memory (OOMKilled, exit code {code})"
            return PodTrouble("oom", text, container, code)
        words = _SIGNALS.get(code)
        reason = state.get("reason")
        notes = [words] if words else []
        if reason and reason not in ("Error", "Completed"):
            notes.append(str(reason))
        note = f" ({', '.join(notes)})" if notes else ""
        text = f"container {container} ended with exit code {code}{note}{_told(state.get('message'))}"
        return PodTrouble("exit", text, container, code)
    return None


def _of_a_wait(status: Mapping[str, Any]) -> PodTrouble | None:
    for container, state in _states(status, "waiting"):
        reason = str(state.get("reason") or "")
        if reason in _IMAGE_REASONS:
            text = f"the image of container {container} cannot be pulled ({reason}){_told(state.get('message'))}"
            return PodTrouble("image", text, container)
        if reason in _START_REASONS:
            text = f"container {container} cannot start ({reason}){_told(state.get('message'))}"
            return PodTrouble("start", text, container)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return PodTrouble("unschedulable", f"no node takes it{_told(condition.get('message'))}")
    return None


def _states(status: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(key) or ():
            now, before = container.get("state") or {}, container.get("lastState") or {}
            state = now.get(kind) or (before.get(kind) if "waiting" in now else None)
            if state is not None:
                yield str(container.get("name")), state


def _told(message: Any) -> str:
    """Kubernetes' own words, on one line."""
    text = " ".join(str(message or "").split()).rstrip(".")
    text = "".join(letter for letter in text if letter.isprintable())
    if not text:
        return ""
    return f": {text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}"


def event_lines(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Events of an object for a log, oldest first: `Warning FailedScheduling (x3) shop-x7k: 0/3 nodes ...`."""
    return [_event_line(event) for event in sorted(events, key=_when)]


def _event_line(event: Mapping[str, Any]) -> str:
    name = (event.get("involvedObject") or {}).get("name")
    words = (event.get("type") or "Normal", f"{event.get('reason') or 'Event'}{_count(event)}", name)
    return " ".join(str(word) for word in words if word) + _told(event.get("message"))


def _when(event: Mapping[str, Any]) -> tuple[str, str]:
    moment = event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or ""
    return str(moment), str((event.get("metadata") or {}).get("name") or "")


def _count(event: Mapping[str, Any]) -> str:
    count = event.get("count") or (event.get("series") or {}).get("count") or 1
    return f" (x{count})" if count > 1 else ""
