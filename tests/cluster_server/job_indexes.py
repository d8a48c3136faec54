"""The indexes of an indexed job."""

from collections.abc import Mapping, Sequence
from typing import Any

_INDEX = "batch.kubernetes.io/job-completion-index"


def index_of(pod: Mapping[str, Any]) -> int | None:
    """The index of a pod, if it has one."""
    text = (pod["metadata"].get("annotations") or {}).get(_INDEX)
    return None if text is None else int(text)


def missing_indexes(spec: Mapping[str, Any], taken: Sequence[int | None]) -> list[int]:
    """The indexes that still want a pod; none for a job without indexes."""
    if spec["completionMode"] != "Indexed":
        return []
    return [index for index in range(spec["completions"]) if index not in taken]


def with_index(pod: dict[str, Any], job: str, index: int) -> None:
    """Tell a pod its index: by annotation, label, host name, and the variable `JOB_COMPLETION_INDEX`."""
    metadata, spec = pod["metadata"], pod["spec"]
    metadata.setdefault("annotations", {})[_INDEX] = str(index)
    metadata.setdefault("labels", {})[_INDEX] = str(index)
    spec["hostname"] = f"{job}-{index}"
    told = {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{_INDEX}']"}}}
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        if all(variable["name"] != told["name"] for variable in container.get("env") or ()):
            container.setdefault("env", []).append(told)


def written_ranges(indexes: Sequence[int]) -> str:
    """`0,2-4` for 0, 2, 3 and 4."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
