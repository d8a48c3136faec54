"""The life of a pod that does one task's work: made or adopted, watched, judged, and taken along.

What every operator of ours over Airflow's `KubernetesPodOperator` shares, also over those that derive from it.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from dbt_af_k8s.airflow.pods.log import LogClient
from dbt_af_k8s.airflow.pods.objects import MISSING, ScriptPodManager, is_missing, look, of_chain, one_line, owned_by
from dbt_af_k8s.airflow.tries import first_try
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.names import short_hash
from dbt_af_k8s.pods.values import KubernetesTarget

if TYPE_CHECKING:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator as _Operator
else:
    _Operator = object

#: Key of Airflow's task state store under which the rungs that were taken are kept over the tries.
RUNG_KEY = "dbt_af_k8s_memory_rung"
#: How long a deleted pod may take beyond its time of grace, and how often it is looked at (seconds).
_PAST_GRACE, _LOOK_EVERY = 30.0, 0.5
#: Kubernetes' own time of grace (seconds).
_GRACE = 30


class PodLife(_Operator):
    """To be put before Airflow's operator among the bases of a class.

    A try that was cut off leaves its pod, and the next one adopts it. A task that is killed, cleared or out of time
    takes its pod along. Every failure leaves as `retry_error` where another try may do better (see `pods.verdict`),
    else as `failed_error`, with the reason in one line.
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
    _is_late: bool = False

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
        pod = self._left_behind(pod_request_obj, context) or super().get_or_create_pod(pod_request_obj, context)
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

    def _left_behind(self, pod_request_obj: Any, context: Any) -> Any:
        """The pod of a try that was cut off, where it has ended since: its end counts, and nothing runs twice for it.

        Airflow's own would delete it and make another. One that is at work Airflow adopts, but for two kinds: a pod
        that is being deleted, and one that works for this task as it was before somebody cleared it. They are waited
        for, so that no two work at once. What an earlier try has judged is not found any more.
        """
        pod = self.find_pod(pod_request_obj.metadata.namespace, context=context)
        if pod is None or pod.status is None:
            return None
        has_ended = pod.status.phase in ("Succeeded", "Failed")
        if not pod.metadata.deletion_timestamp and self._is_out_of_date(pod, context):
            self.log.info("Pod %s is of this task as it was before it was cleared: it does not count.", _name(pod))
            if has_ended:
                self.patch_already_checked(pod, reraise=False)
                self.process_pod_deletion(pod, reraise=False)
                return None
            self.pod_manager.delete_pod(pod)
        elif not pod.metadata.deletion_timestamp:
            return pod if has_ended and pod.status.reason != "Evicted" else None
        self._wait_until_gone(pod)
        return None

    def _is_out_of_date(self, pod: Any, context: Any) -> bool:
        """Whether a pod is of a try before the one that began when somebody cleared the task."""
        number = str((pod.metadata.labels or {}).get("try_number") or "")
        return number.isdigit() and int(number) < first_try(context["ti"], self.retries)

    def _wait_until_gone(self, pod: Any) -> None:
        """Wait for the end of a pod that is being deleted; one whose node does not answer is let be in the end."""
        self.log.info("Waits for the end of pod %s, which is being deleted.", _name(pod))
        patience = _PAST_GRACE + (pod.spec.termination_grace_period_seconds or _GRACE)
        until = time.monotonic() + patience
        while not self._killed:
            there = self.pod_manager.read_pod_if_any(pod)
            if there is None or there.metadata.uid != pod.metadata.uid:
                return
            if time.monotonic() > until:
                self.log.warning("Pod %s is still there after %d s: the next one does not wait.", _name(pod), patience)
                self.patch_already_checked(there, reraise=False)
                return
            time.sleep(_LOOK_EVERY)

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

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> Any:
        """As Airflow's; what wakes the task may be that its time is up."""
        deadline = event.get("_execution_deadline")
        self._is_late = event["status"] == "timeout" and deadline is not None and time.time() >= deadline
        return super().trigger_reentry(context, event)

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
            self._leave_none_at_work()
            if self._is_late or of_chain(failure, AirflowTaskTimeout) is not None:
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

    def _leave_none_at_work(self) -> None:
        """A pod that was given up while it could still work goes, whatever is to be kept: the next try has its own."""
        from dbt_af_k8s.pods.verdict import is_at_work

        if self.pod is not None and self._end is not None and is_at_work(self._end):
            self.pod_manager.try_to_delete(self.pod)

    def _leave_nothing(self) -> None:
        """A failure between the making of the pod and Airflow's knowing of it leaves no pod behind."""
        if self.pod is None and self.pod_request_obj is not None and self.pod_request_obj.metadata.namespace:
            self.pod_manager.try_to_delete(self.pod_request_obj)

    def _who(self) -> str:
        made = self.pod or self.pod_request_obj
        where = f" in pod {made.metadata.namespace}/{made.metadata.name}" if made is not None else ""
        return f"{self.pod_work} failed{where}"


def _name(pod: Any) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


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
