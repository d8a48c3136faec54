"""The status of a pod as its kubelet writes it: phase, conditions, and the state of each container."""

from collections.abc import Mapping
from typing import Any

from cluster_server.store import now


def container_status(
    container: Mapping[str, Any], state: Mapping[str, Any], restarts: int, last: Any
) -> dict[str, Any]:
    """One container's entry. `state` is one of `waiting`, `running`, `terminated` with what belongs to it."""
    is_running = "running" in state
    made = "terminated" in state or is_running
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": f"stand-in://{container['image']}" if made else "",
        "ready": is_running,
        "started": is_running,
        "restartCount": restarts,
        "state": dict(state),
        "lastState": dict(last or {}),
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """A container that does not run yet."""
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def running() -> dict[str, Any]:
    """A container that runs since now."""
    return {"running": {"startedAt": now()}}


def terminated(code: int, reason: str, started: str | None, message: str = "") -> dict[str, Any]:
    """A container that ended now."""
    told = {"message": message} if message else {}
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now(), **told}}


def condition(kind: str, is_true: bool, reason: str = "", message: str = "") -> dict[str, Any]:
    """A condition of the pod."""
    told = {key: value for key, value in (("reason", reason), ("message", message)) if value}
    return {"type": kind, "status": "True" if is_true else "False", "lastTransitionTime": now(), **told}


def set_condition(status: dict[str, Any], made: dict[str, Any]) -> None:
    """Put a condition in its place; one that is the same keeps its time."""
    conditions = status.setdefault("conditions", [])
    for number, old in enumerate(conditions):
        if old["type"] == made["type"]:
            if {**old, "lastTransitionTime": ""} != {**made, "lastTransitionTime": ""}:
                conditions[number] = made
            return
    conditions.append(made)
