"""How the task of a job fails."""

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dbt_af_k8s.airflow.cluster_calls import ClusterError
from dbt_af_k8s.errors import DbtAfK8sError

#: Statuses with which a cluster refuses what another try would not mend.
_REFUSED = (400, 401, 403, 404, 405, 415, 422)


class JobFailedError(AirflowException, DbtAfK8sError):
    """The job failed, or was lost; Airflow retries the task as its settings say."""


class JobRefusedError(AirflowFailException, DbtAfK8sError):
    """The template makes no job that the cluster takes; Airflow does not retry the task."""


def lost(name: str) -> JobFailedError:
    """The job was there, and is not any more."""
    return JobFailedError(
        f"Job {name} is gone, and nobody saw its end: somebody deleted it, or `ttlSecondsAfterFinished` is too short."
    )


def refusal(error: ClusterError) -> AirflowException:
    """A refused call: for good where the cluster would say the same again."""
    if error.status in _REFUSED:
        return JobRefusedError(str(error))
    return JobFailedError(str(error))
