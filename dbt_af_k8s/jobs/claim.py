"""The PersistentVolumeClaim of a job, as it is sent."""

from typing import Any

from dbt_af_k8s.jobs.run import MANAGED_BY, JobRun
from dbt_af_k8s.jobs.values import VolumeClaim
from dbt_af_k8s.k8s.names import LONGEST_LABEL
from dbt_af_k8s.names import short_hash


def claim_name(claim: VolumeClaim, dag_id: str, run_id: str) -> str:
    """The name of the claim of a run: one that is kept has it as it is written, any other one for each run."""
    if claim.keep:
        return claim.name
    mark = short_hash(f"{dag_id}\n{run_id}\n{claim.name}")
    return f"{claim.name[: LONGEST_LABEL - len(mark) - 1].rstrip('-')}-{mark}"


def claim_object(claim: VolumeClaim, run: JobRun, *, namespace: str | None) -> dict[str, Any]:
    """The claim; `run` is that of the task which makes it."""
    spec: dict[str, Any] = {
        "accessModes": list(claim.access_modes),
        "resources": {"requests": {"storage": claim.size}},
    }
    if claim.storage_class is not None:
        spec["storageClassName"] = claim.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": claim_name(claim, run.dag_id, run.run_id),
            **({} if namespace is None else {"namespace": namespace}),
            "labels": {**MANAGED_BY, **run.labels},
            "annotations": run.annotations,
        },
        "spec": spec,
    }
