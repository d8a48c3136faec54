"""Pods as the place where an operator's dbt runs."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from airflow.sdk import BaseSensorOperator

from dbt_af_k8s.airflow.dbt_pods.work import DbtPodEngine, DbtPodWork
from dbt_af_k8s.airflow.pods.life import mark_of_run
from dbt_af_k8s.dbt.logs import LogLine
from dbt_af_k8s.dbt.place import OnLine, Outcome, PlaceRefusesError
from dbt_af_k8s.dbt.process import GRACE_SECONDS
from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.pods.clouds import EksCluster, GkeCluster
from dbt_af_k8s.pods.dbt_pod import DbtCall


class InPod:
    """One try of one task, with a pod as the place where its dbt runs (`dbt.place`)."""

    def __init__(
        self, make: Callable[[DbtCall, OnLine], DbtPodWork], invocation: DbtInvocation, context: Any, event: Any
    ):
        self._make = make
        self._invocation = invocation
        self._context = context
        self._event = event
        self._engine: DbtPodWork | None = None

    def run(
        self, words: Sequence[str], *, on_line: OnLine, see: OnLine, timeout: float | None, may_slice: bool
    ) -> Outcome:
        """Run dbt in a pod to its end."""
        self._engine = self._make(DbtCall(tuple(words), self._invocation, may_slice), on_line)
        answer = self._engine.go(self._context, self._event)
        for message in answer.told:
            see(LogLine(logging.INFO, message))
        assert answer.outcome is not None  # noqa: S101 (else there was an error)
        return answer.outcome

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Delete the pod; Kubernetes gives it its own time of grace."""
        if self._engine is not None:
            self._engine.on_kill()


def place_in_pod(
    operator: Any, invocation: DbtInvocation, context: Any, resumed: Mapping[str, Any] | None = None
) -> InPod:
    """A pod of an operator's task as a place for its dbt.

    `resumed` holds under `event` what the triggerer says, where it has waited for the pod.
    """
    if getattr(operator, "artifacts", None) is not None:
        operator.log.warning("dbt's artefacts stay in the pod: none are sent.")
    pod = operator.dbt_pod
    given = {
        "task_id": operator.task_id,
        "pod": pod,
        "execution_timeout": operator.execution_timeout,
        "retries": operator.retries,
    }
    if isinstance(operator, BaseSensorOperator):
        # A sensor begins anew when it is called again, so it has to see its pod through.
        given["deferrable"] = False
    engine = engine_for(pod.cloud, context)
    event = None if resumed is None else resumed["event"] or None
    return InPod(lambda call, on_line: engine(call=call, on_line=on_line, **given), invocation, context, event)


def engine_for(cloud: GkeCluster | EksCluster | None, context: Any) -> Callable[..., DbtPodWork]:
    """What makes the engine for a cluster of this cloud; its provider is imported only here.

    Raises `PlaceRefusesError` where the provider is not installed.
    """
    if cloud is None:
        return DbtPodEngine
    try:
        if isinstance(cloud, GkeCluster):
            from dbt_af_k8s.airflow.dbt_pods.gke import DbtGkePodEngine, cluster_arguments

            return partial(DbtGkePodEngine, **cluster_arguments(cloud, mark_of_run(context["ti"])))
        from dbt_af_k8s.airflow.dbt_pods.eks import DbtEksPodEngine, eks_arguments

        return partial(DbtEksPodEngine, **eks_arguments(cloud))
    except ModuleNotFoundError as missing:
        raise without_provider(cloud, missing) from None


def without_provider(cloud: GkeCluster | EksCluster, missing: ModuleNotFoundError) -> PlaceRefusesError:
    """The provider of a cloud is not there: which extra brings it."""
    extra, provider = ("gke", "google") if isinstance(cloud, GkeCluster) else ("eks", "amazon")
    return PlaceRefusesError(
        f"The runner `{extra}_pod` needs Airflow's provider apache-airflow-providers-{provider} (there is no module "
        f'`{missing.name}`): pip install "dbt-af-k8s[{extra}]" on the workers.'
    )
