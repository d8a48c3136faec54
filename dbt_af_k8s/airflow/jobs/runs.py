"""Whose job or volume claim it is, out of Airflow's context."""

from collections.abc import Mapping
from typing import Any

from dbt_af_k8s.jobs.claim import claim_name
from dbt_af_k8s.jobs.run import JobRun
from dbt_af_k8s.jobs.values import VolumeClaim


def run_of(context: Mapping[str, Any]) -> JobRun:
    """The run that a task belongs to."""
    instance = context["ti"]
    index = getattr(instance, "map_index", -1)
    return JobRun(instance.dag_id, instance.task_id, instance.run_id, -1 if index is None else int(index))


def claim_name_in(context: Mapping[str, Any], claim: VolumeClaim) -> str:
    """The name of a claim in the run of a task."""
    instance = context["ti"]
    return claim_name(claim, instance.dag_id, instance.run_id)
