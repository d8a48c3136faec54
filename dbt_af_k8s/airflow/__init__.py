"""The Airflow side: DAGs from a plan, and operators that also work alone in a hand-written DAG.

Importing this module imports nothing of Airflow; each public name is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbt_af_k8s.airflow.dags import dbt_dags
    from dbt_af_k8s.airflow.dbt_operator import DbtOperator
    from dbt_af_k8s.airflow.job_errors import JobFailedError, JobRefusedError
    from dbt_af_k8s.airflow.job_template import KubernetesJobTemplateOperator
    from dbt_af_k8s.airflow.pod_operator import DbtPodOperator
    from dbt_af_k8s.airflow.refresh import DbtRefreshOperator, Refresher, RefreshError
    from dbt_af_k8s.airflow.wait import DbtWaitSensor

__all__ = [
    "DbtOperator",
    "DbtPodOperator",
    "DbtRefreshOperator",
    "DbtWaitSensor",
    "JobFailedError",
    "JobRefusedError",
    "KubernetesJobTemplateOperator",
    "RefreshError",
    "Refresher",
    "dbt_dags",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name == "dbt_dags":
        return import_module("dbt_af_k8s.airflow.dags").dbt_dags
    if name == "DbtOperator":
        return import_module("dbt_af_k8s.airflow.dbt_operator").DbtOperator
    if name == "DbtPodOperator":
        return import_module("dbt_af_k8s.airflow.pod_operator").DbtPodOperator
    if name == "DbtWaitSensor":
        return import_module("dbt_af_k8s.airflow.wait").DbtWaitSensor
    if name == "KubernetesJobTemplateOperator":
        return import_module("dbt_af_k8s.airflow.job_template").KubernetesJobTemplateOperator
    if name in ("JobFailedError", "JobRefusedError"):
        return getattr(import_module("dbt_af_k8s.airflow.job_errors"), name)
    if name in ("DbtRefreshOperator", "RefreshError", "Refresher"):
        return getattr(import_module("dbt_af_k8s.airflow.refresh"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what is public."""
    return sorted(__all__)
