"""The life of a pod that does one task's work: made or adopted, watched, judged, and taken along.

What every operator of ours over Airflow's `KubernetesPodOperator` shares, also over those that derive from it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from dbt_af_k8s.airflow.pod_log import LogClient
from dbt_af_k8s.airflow.pod_objects import MISSING, ScriptPodManager, is_missing, look, of_chain, one_line, owned_by
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.names import short_hash
from dbt_af_k8s.pods.values import KubernetesTarget

if TYPE_CHECKING:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator as _Operator
else:
    _Operator = object

#: Key of Airflow's task state store under which the rungs that were taken are kept over the tries.
RUNG_KEY = "dbt_af_k8s_memory_rung"


class PodLife(_Operator):
    """To be put before Airflow's operator among the bases of a class.

    A try that was cut off leaves its pod, and the next one adopts it. A task that is killed or cleared takes its pod
    along. Every failure leaves as `retry_error` where another try may do better (see `pods.verdict`), else as
    `failed_error`, with the reason in one line.
    """

    #: What the failures are.
    failed_error: ClassVar[type[Exception]]
    retry_error: ClassVar[type[Exception]]
    #: The pod's settings.
    pod_target: KubernetesTarget
    #: What fails, for a person: `The script of model.shop.orders`.
    pod_work: str
    #: An object that the pod mounts and is to own, and the volume; None where it mounts none of ours.
    pod_mounts: tuple[Mapping[str, Any], str] | None = None

    _end: Mapping[str, Any] | None = None
    _events: tuple[str, ...] = ()
    _is_seen: bool = False

    def rung(self, context: Any) -> int:
        """How many rungs of the memory ladder this try takes: one for each time that the pod ran out of memory.

        Where this Airflow keeps no state between tries (before 3.3), one for each try.
        """
        rungs = len(self.pod_target.memory_ladder)
        store = context.get("task_state_store")
        taken = context["ti"].try_number - 1 if store is None else store.get(RUNG_KEY)
        return min(max(int(taken or 0), 0), rungs)

    @cached_property
    def pod_manager(self) -> ScriptPodManager:
        """Airflow's, with a create that finds out whether a try that seemed to fail has made the pod."""
        return ScriptPodManager(kube_client=LogClient(self.client.api_client), callbacks=self.callbacks)

    def get_or_create_pod(self, pod_request_obj: Any, context: Any) -> Any:
        """The pod, with the object that it mounts; an adopted pod that has none yet gets it now."""
        pod = self._ended_alone(pod_request_obj, context) or super().get_or_create_pod(pod_request_obj, context)
        if self._killed:
            # The task was told to end while the pod was being made.
            self.pod_manager.try_to_delete(pod)
            raise AirflowException("the task was killed")
        if self.pod_mounts is not None:
            # The pod waits for its volume, so it may come first, and then it owns the object from the beginning.
            there = self.pod_manager.read_pod(pod)
            body = owned_by(there, *self.pod_mounts)
            if body is not None:
                self.pod_manager.make(body)
        return pod

    def _ended_alone(self, pod_request_obj: Any, context: Any) -> Any:
        """The pod of a try that was cut off, where it has ended since: its end counts, and nothing runs twice for it.

        Airflow's own would delete it and make another. What an earlier try has judged is not found any more.
        """
        pod = self.find_pod(pod_request_obj.metadata.namespace, context=context)
        if pod is None or pod.metadata.deletion_timestamp or pod.status is None:
            return None
        has_ended = pod.status.phase in ("Succeeded", "Failed") and pod.status.reason != "Evicted"
        return pod if has_ended else None

    def cleanup(self, pod: Any, remote_pod: Any, xcom_result: Any = None, context: Any = None) -> None:
        """See what the pod says of its end, before it is deleted."""
        if self._killed or not remote_pod:
            return
        seen = self._see(remote_pod)
        if seen is None:
            raise AirflowException("the pod is gone")
        self.before_deletion(seen)
        super().cleanup(pod, seen, xcom_result, context)

    def before_deletion(self, pod: Any) -> None:
        """Take from an ended pod what is to be kept of it."""
        for container in self.pod_target.logs.containers:
            self.pod_manager.copy_log(pod, container, self.log)

    def on_kill(self) -> None:
        """Take the pod along, also one whose making was cut off."""
        if self.pod is None and self.pod_request_obj is not None and not self._killed:
            self._killed = True
            self.pod_manager.delete_pod(self.pod_request_obj)
            return
        super().on_kill()

    def _see(self, remote_pod: Any) -> Any:
        """The pod as it is now, or as it was last where it had ended; None where it is gone. Kept for the verdict."""
        fresh = self.pod_manager.read_pod_if_any(remote_pod)
        if fresh is None and remote_pod.status is not None and remote_pod.status.phase in ("Succeeded", "Failed"):
            fresh = remote_pod
        self._is_seen = True
        if fresh is not None:
            self._end, self._events = look(self.pod_manager, fresh, with_events=self.pod_target.logs.events)
        return fresh

    @contextmanager
    def judged(self, context: Any) -> Iterator[None]:
        """Every failure inside leaves as one of our two errors, with its reason in one line and the events below it."""
        try:
            yield
        except (AirflowSkipException, AirflowFailException):
            raise
        except Exception as failure:
            if self._killed:
                raise
            if of_chain(failure, AirflowTaskTimeout) is not None:
                if self.pod is not None:
                    self.pod_manager.try_to_delete(self.pod)
                raise self.retry_error(f"{self._who()}: it ran longer than the task's time-out.") from None
            raise self._failed(failure, context) from None

    def _failed(self, failure: Exception, context: Any) -> Exception:
        from dbt_af_k8s.pods.verdict import Verdict, has_ended_well, judge_answer, judge_pod

        target, rung = self.pod_target, self.rung(context)
        answered, status, said = one_line(failure)
        if self._end is not None and has_ended_well(self._end) and of_chain(failure, JSONDecodeError) is not None:
            verdict = Verdict(f"its result is no JSON: {said}", is_retried=False)
        elif self._is_seen or is_missing(failure) or (status == MISSING and self.pod is not None):
            verdict = judge_pod(target, self._end, rung=rung, otherwise=said)
        else:
            self._leave_nothing()
            verdict = judge_answer(status, said) if answered else Verdict(said, is_retried=True)
        if verdict.is_out_of_memory:
            self.took_rung(context)
        reason = f"{self._who()}: {verdict.reason}."
        self.log.error("%s", reason)
        for line in self._events:
            self.log.info("  %s", line)
        if target.logs.pod and self._end is not None:
            self.log.info("%s", self.pod_manager.shown(self._end))
        return self.retry_error(reason) if verdict.is_retried else self.failed_error(reason)

    def took_rung(self, context: Any) -> None:
        """The pod ran out of memory: the next try takes the next rung of the ladder."""
        if (store := context.get("task_state_store")) is not None:
            store.set(RUNG_KEY, self.rung(context) + 1)

    def _leave_nothing(self) -> None:
        """A failure between the making of the pod and Airflow's knowing of it leaves no pod behind."""
        if self.pod is None and self.pod_request_obj is not None and self.pod_request_obj.metadata.namespace:
            self.pod_manager.try_to_delete(self.pod_request_obj)

    def _who(self) -> str:
        made = self.pod or self.pod_request_obj
        where = f" in pod {made.metadata.namespace}/{made.metadata.name}" if made is not None else ""
        return f"{self.pod_work} failed{where}"


def airflow_arguments(target: KubernetesTarget) -> dict[str, Any]:
    """The pod settings that Airflow's operator takes as arguments."""
    namespace = {} if target.namespace is None else {"namespace": target.namespace}
    return {
        **namespace,
        "startup_timeout_seconds": target.startup_timeout,
        "get_logs": target.logs.script,
        "container_name_log_prefix_enabled": False,
        "log_events_on_startup": target.logs.events,
        "log_pod_spec_on_failure": False,
        "on_finish_action": target.on_finish_action,
        "deferrable": target.deferrable,
        "logging_interval": target.logs.every or None,
        **access_arguments(target.cluster),
    }


def access_arguments(cluster: ClusterAccess) -> dict[str, Any]:
    """The cluster, as Airflow takes it; what is not given is left to Airflow."""
    given = {
        "kubernetes_conn_id": cluster.conn_id,
        "config_file": cluster.config_file,
        "cluster_context": cluster.context,
        "in_cluster": cluster.in_cluster,
    }
    return {key: value for key, value in given.items() if value is not None}


def mark_of_try(ti: Any) -> str:
    """What tells one try of one task from all others, in a few letters."""
    return short_hash("/".join((ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index), str(ti.try_number))))


def mark_of_run(ti: Any) -> str:
    """What tells one run of one DAG from all others, in a few letters."""
    return short_hash(f"{ti.dag_id}/{ti.run_id}")
