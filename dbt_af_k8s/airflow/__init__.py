"""The Airflow side: DAGs from a plan, and operators that also work alone in a hand-written DAG.

Importing this module imports nothing of Airflow; each public name is loaded when it is first asked for.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbt_af_k8s.airflow.api_operator import DbtApiOperator
    from dbt_af_k8s.airflow.build import DbtBuildOperator
    from dbt_af_k8s.airflow.dags import dbt_dags
    from dbt_af_k8s.airflow.dbt_operator import DbtOperator
    from dbt_af_k8s.airflow.freshness import DbtFreshnessOperator, DbtFreshnessSensor
    from dbt_af_k8s.airflow.integrations.refresh import DbtRefreshOperator, Refresher, RefreshError
    from dbt_af_k8s.airflow.jobs.errors import JobFailedError, JobRefusedError
    from dbt_af_k8s.airflow.jobs.template import KubernetesJobTemplateOperator
    from dbt_af_k8s.airflow.jobs.volume_claim import with_volume_claim
    from dbt_af_k8s.airflow.maintenance import DbtMaintenanceOperator
    from dbt_af_k8s.airflow.pods.operator import DbtPodOperator
    from dbt_af_k8s.airflow.seed import DbtSeedOnChangeOperator
    from dbt_af_k8s.airflow.waits.sensor import DbtWaitSensor
    from dbt_af_k8s.jobs.values import VolumeClaim

__all__ = [
    "DbtApiOperator",
    "DbtBuildOperator",
    "DbtFreshnessOperator",
    "DbtFreshnessSensor",
    "DbtMaintenanceOperator",
    "DbtOperator",
    "DbtPodOperator",
    "DbtRefreshOperator",
    "DbtSeedOnChangeOperator",
    "DbtWaitSensor",
    "JobFailedError",
    "JobRefusedError",
    "KubernetesJobTemplateOperator",
    "RefreshError",
    "Refresher",
    "VolumeClaim",
    "dbt_dags",
    "with_volume_claim",
]

#: Where each public name lives.
_MODULES: Mapping[str, str] = {
    "DbtApiOperator": "api_operator",
    "DbtBuildOperator": "build",
    "DbtFreshnessOperator": "freshness",
    "DbtFreshnessSensor": "freshness",
    "DbtMaintenanceOperator": "maintenance",
    "DbtOperator": "dbt_operator",
    "DbtPodOperator": "pods.operator",
    "DbtRefreshOperator": "integrations.refresh",
    "DbtSeedOnChangeOperator": "seed",
    "DbtWaitSensor": "waits.sensor",
    "JobFailedError": "jobs.errors",
    "JobRefusedError": "jobs.errors",
    "KubernetesJobTemplateOperator": "jobs.template",
    "RefreshError": "integrations.refresh",
    "Refresher": "integrations.refresh",
    "VolumeClaim": "jobs.volume_claim",
    "dbt_dags": "dags",
    "with_volume_claim": "jobs.volume_claim",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    module = _MODULES.get(name)
    if module is not None:
        import_module("dbt_af_k8s.config.airflow_version").check_airflow()
        return getattr(import_module(f"dbt_af_k8s.airflow.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what is public."""
    return sorted(__all__)
