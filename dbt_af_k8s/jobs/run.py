"""A Job made ready for one run of one task: its name, its labels, and how its own task finds it again."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.k8s.names import LONGEST_LABEL, is_dns_label, safe_dns_label, safe_label_value
from dbt_af_k8s.names import short_hash

#: Labels and annotations of ours begin so.
PREFIX = "dbt-af-k8s/"
MANAGED_BY = {"app.kubernetes.io/managed-by": "dbt-af-k8s"}
#: Annotation of a Job whose end a task has told: it is not adopted again.
JUDGED = f"{PREFIX}judged"
#: Annotation of a Job that a killed task suspended: the next try lets it go on.
SUSPENDED = f"{PREFIX}suspended"
#: Label by which Kueue finds the queue of a Job; it then suspends and resumes the Job itself.
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
#: Annotations with the full ids, of which labels may hold only a part.
_IDS = ("dag", "task", "run")


@dataclass(frozen=True, slots=True)
class JobRun:
    """Whose job it is."""

    dag_id: str
    task_id: str
    run_id: str
    #: -1 for a task that is not mapped.
    map_index: int = -1

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the run's job, by which it is found again."""
        texts = (self.dag_id, self.task_id, self.run_id)
        labels = {f"{PREFIX}{name}": safe_label_value(text) for name, text in zip(_IDS, texts, strict=True)}
        if self.map_index >= 0:
            labels[f"{PREFIX}map-index"] = str(self.map_index)
        return labels

    @property
    def annotations(self) -> dict[str, str]:
        """The ids in full."""
        return dict(zip((f"{PREFIX}{name}" for name in _IDS), (self.dag_id, self.task_id, self.run_id), strict=True))

    @property
    def selector(self) -> str:
        """The labels as the API takes them."""
        return ",".join(f"{key}={value}" for key, value in sorted(self.labels.items()))

    def has_pod(self, pod: Mapping[str, Any]) -> bool:
        """Whether a pod belongs to this run of the DAG, whichever its task."""
        labels = pod["metadata"].get("labels") or {}
        return all(labels.get(key) == self.labels[key] for key in (f"{PREFIX}dag", f"{PREFIX}run"))

    @property
    def mark(self) -> str:
        """Eight characters that tell this run of this task from all others."""
        return short_hash("\n".join((self.dag_id, self.task_id, self.run_id, str(self.map_index))))


def prepared_job(
    job: Mapping[str, Any],
    run: JobRun,
    *,
    namespace: str | None,
    name_suffix: bool = True,
    taken: Collection[str] = (),
) -> dict[str, Any]:
    """The Job as it is sent: with namespace, labels for adoption, and a name of its own.

    A template without `metadata.name` takes its `generateName`, else the task's id, and always gets the suffix.
    `taken` are names of this run's former jobs, which stay for whoever looks into a failure. Without `name_suffix` the
    name is the template's.
    """
    metadata = dict(job.get("metadata") or {})
    spec = dict(job["spec"])
    template = dict(spec["template"])
    pod_metadata = dict(template.get("metadata") or {})
    generated = str(metadata.pop("generateName", "") or "").rstrip("-")
    base = str(metadata.get("name") or generated or run.task_id)
    if name_suffix or not metadata.get("name"):
        metadata["name"] = _name(base, run.mark, taken, longest_name(spec))
    if namespace is not None:
        metadata["namespace"] = namespace
    metadata["labels"] = {**(metadata.get("labels") or {}), **MANAGED_BY, **run.labels}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **run.annotations}
    pod_metadata["labels"] = {**(pod_metadata.get("labels") or {}), **run.labels}
    spec["template"] = {**template, "metadata": pod_metadata}
    return {**job, "metadata": metadata, "spec": spec}


def longest_name(spec: Mapping[str, Any]) -> int:
    """Longest name of a job, in characters: that of its pods' host names, which end in an index, is a DNS label."""
    if spec.get("completionMode") != "Indexed":
        return LONGEST_LABEL
    return LONGEST_LABEL - 1 - len(str(max(int(spec.get("completions") or 1) - 1, 0)))


def _name(base: str, mark: str, taken: Collection[str], longest: int) -> str:
    number, name = 1, ""
    while not name or name in taken:
        suffix = f"-{mark}" if number == 1 else f"-{mark}-{number}"
        label = base if is_dns_label(base) else safe_dns_label(base)
        name = label[: longest - len(suffix)].rstrip("-") + suffix
        number += 1
    return name


def names_of(jobs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of jobs as the API gives them, sorted."""
    return tuple(sorted(str(job["metadata"]["name"]) for job in jobs))


def to_adopt(jobs: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The job, among those of this run, that a task takes over instead of making one; None: there is none.

    One that is under way, else one that succeeded while no task looked. A failed one belongs to a try that is over.
    """
    own = [job for job in jobs if not job["metadata"].get("deletionTimestamp") and not _annotations(job).get(JUDGED)]
    newest_first = sorted(own, key=_age, reverse=True)
    for states in (("running",), ("complete",)):
        for job in newest_first:
            if state_of(job) in states:
                return job
    return None


def state_of(job: Mapping[str, Any]) -> str:
    """`running` (waiting and suspended included), `complete` or `failed`."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            return "complete" if condition["type"] == "Complete" else "failed"
    return "running"


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's containers have all ended, well or not."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def suspension(is_on: bool) -> dict[str, Any]:
    """The patch by which a killed task suspends its job, or the next try lets it go on."""
    return {"metadata": {"annotations": {SUSPENDED: "true" if is_on else None}}, "spec": {"suspend": is_on}}


def judgement(outcome: str) -> dict[str, Any]:
    """The patch that says that a task has told how the job ended."""
    return {"metadata": {"annotations": {JUDGED: outcome}}}


def was_suspended_by_us(job: Mapping[str, Any]) -> bool:
    """Whether a killed task suspended it."""
    return SUSPENDED in _annotations(job) and bool((job.get("spec") or {}).get("suspend"))


def _annotations(job: Mapping[str, Any]) -> Mapping[str, str]:
    return job["metadata"].get("annotations") or {}


def _age(job: Mapping[str, Any]) -> tuple[str, str]:
    return str(job["metadata"].get("creationTimestamp") or ""), str(job["metadata"]["name"])
