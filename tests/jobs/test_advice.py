"""Jobs that a cluster would take, and that go wrong all the same."""

from typing import Any

import pytest

from dbt_af_k8s.jobs.advice import job_advice
from dbt_af_k8s.jobs.run import QUEUE_LABEL

QUEUED = {QUEUE_LABEL: "gpus"}


@pytest.mark.parametrize(
    ("ttl", "labels", "kill", "every", "codes"),
    [
        (None, {}, "suspend", 5, []),
        (60, QUEUED, "delete", 5, []),
        (59, {}, "keep", 5, ["job-goes-too-soon"]),
        (0, {}, "delete", 5, ["job-goes-too-soon"]),
        (100, {}, "delete", 60, ["job-goes-too-soon"]),
        (120, {}, "delete", 60, []),
        (None, QUEUED, "suspend", 5, ["kueue-resumes-job"]),
        (1, QUEUED, "suspend", 5, ["job-goes-too-soon", "kueue-resumes-job"]),
    ],
)
def test_what_is_told_of_a_job(
    ttl: int | None, labels: dict[str, str], kill: str, every: float, codes: list[str]
) -> None:
    job: dict[str, Any] = {"metadata": {"labels": labels}, "spec": {"ttlSecondsAfterFinished": ttl}}
    told = list(job_advice(job, on_kill_action=kill, poll_every=every, node="model.shop.export"))
    assert [issue.code for issue in told] == codes
    assert not any(issue.is_error for issue in told)
