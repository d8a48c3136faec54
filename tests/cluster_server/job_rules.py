"""What a job must be beyond its schema, and the values that the server fills in.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/
"""

import uuid
from collections.abc import Mapping
from typing import Any

from cluster_server.names import Problems
from cluster_server.pod_rules import fill_pod, pod_problems


def fill_job(spec: dict[str, Any]) -> None:
    """Set the defaults of a job's spec."""
    if spec.get("parallelism") is None and spec.get("completions") is None:
        spec["completions"] = 1
    defaults = {
        "parallelism": 1,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed",
    }
    for key, value in defaults.items():
        spec.setdefault(key, value)
    spec.setdefault("backoffLimit", 2147483647 if "backoffLimitPerIndex" in spec else 6)
    template = spec.setdefault("template", {})
    fill_pod(template.setdefault("spec", {}))


def job_problems(spec: Mapping[str, Any]) -> Problems:
    """What is wrong with a job's spec, as pairs of field and message."""
    found: Problems = []
    for key in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        value = spec.get(key)
        if value is not None and value < 0:
            found.append((f"spec.{key}", f"Invalid value: {value}: must be greater than or equal to 0"))
    if spec.get("completionMode") not in ("NonIndexed", "Indexed"):
        found.append(("spec.completionMode", f'Unsupported value: "{spec.get("completionMode")}"'))
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        found.append(("spec.completions", "Required value: when completion mode is Indexed"))
    if "backoffLimitPerIndex" in spec and spec.get("completionMode") != "Indexed":
        found.append(("spec.backoffLimitPerIndex", "Invalid value: requires indexed completion mode"))
    if spec.get("selector") and not spec.get("manualSelector"):
        found.append(("spec.selector", "Invalid value: `selector` not auto-generated"))
    template = spec["template"]["spec"]
    problems = pod_problems(template, "spec.template.spec")
    if template.get("restartPolicy") not in ("Never", "OnFailure"):
        told = f'Required value: valid values: "OnFailure", "Never", not "{template.get("restartPolicy")}"'
        problems.append(("spec.template.spec.restartPolicy", told))
    return [*found, *problems]


def job_change_problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> Problems:
    """What an update of a job's spec may not do."""
    fixed = ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"]
    if old.get("completionMode") != "Indexed":
        fixed.append("completions")
    if not old.get("suspend"):
        fixed.append("template")
    return [(f"spec.{key}", "Invalid value: field is immutable") for key in fixed if old.get(key) != new.get(key)]


def own_pods(job: dict[str, Any]) -> None:
    """Give a new job its uid, and its pods the labels by which it selects them."""
    metadata, template = job["metadata"], job["spec"]["template"]
    metadata["uid"] = str(uuid.uuid4())
    own = {"controller-uid": metadata["uid"], "job-name": metadata.get("name") or ""}
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    for key, value in own.items():
        labels[key] = labels[f"batch.kubernetes.io/{key}"] = value
    if not job["spec"].get("manualSelector"):
        job["spec"]["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": metadata["uid"]}}
