"""What a cluster takes of a Job, and yet goes wrong: warnings about a Job as its task would treat it."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.errors import Issue, warning
from dbt_af_k8s.jobs.run import QUEUE_LABEL
from dbt_af_k8s.jobs.sidecars import sidecar_advice

#: Seconds that a Job should outlive its end, so that whoever looks at it now and then sees the end.
LEAST_TTL = 60


def job_advice(
    job: Mapping[str, Any], *, on_kill_action: str, poll_every: float, node: str | None = None
) -> Iterator[Issue]:
    """Warnings about a Job that is to be sent; `poll_every` is the time between two looks at it, in seconds."""
    ttl, least = (job.get("spec") or {}).get("ttlSecondsAfterFinished"), max(LEAST_TTL, 2 * poll_every)
    if ttl is not None and ttl < least:
        yield warning(
            "job-goes-too-soon",
            f"The Job goes {ttl} s after its end (`ttlSecondsAfterFinished`), and is looked at every {poll_every:g} s: "
            "its end may be missed, and then the task fails.",
            f"Write {least:g} or more, or let the task tidy up by `delete_completed`.",
            node=node,
            key="spec.ttlSecondsAfterFinished",
        )
    yield from sidecar_advice(job, node=node)
    queue = ((job.get("metadata") or {}).get("labels") or {}).get(QUEUE_LABEL)
    if queue is not None and on_kill_action == "suspend":
        yield warning(
            "kueue-resumes-job",
            f"The Job is in the queue `{queue}`, where Kueue itself starts what is suspended: the Job of a killed task "
            "would go on.",
            "Write `on_kill_action: delete`.",
            node=node,
            key="on_kill_action",
        )
