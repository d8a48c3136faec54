"""The life of a pod that does one task's work: made or adopted, watched, judged, and taken along.

What every operator of ours over Airflow's `KubernetesPodOperator` shares, also over those that derive from it.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.cncf.kubernetes.utils.container import container_is_succeeded
from airflow.providers.cncf.kubernetes.utils.pod_manager import OnFinishAction
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from dbt_af_k8s.airflow.pods.log import LogClient
from dbt_af_k8s.airflow.pods.objects import MISSING, ScriptPodManager, is_missing, look, of_chain, one_line, owned_by
from dbt_af_k8s.airflow.pods.trigger import quiet_trigger
from dbt_af_k8s.airflow.tries import first_try
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.names import short_hash
from dbt_af_k8s.pods import verdict
from dbt_af_k8s.pods.parts import BASE
from dbt_af_k8s.pods.result import MOST_LINES
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

    The end of the container `base` is the end, whatever other containers do. A try that was cut off leaves its pod, and
    the next one adopts it. A task that is killed, cleared or out of time takes its pod along, and never ends well.
    Every failure leaves as `retry_error` where another try may do better (see `pods.verdict`), else as `failed_error`,
    with the reason in one line.
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
    #: When the pod was made or adopted, and whether its script was seen to begin.
    _since: float | None = None
    _has_begun: bool | None = None

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
        return ScriptPodManager(self._framed.append, LogClient(self.client.api_client), self.callbacks)

    @cached_property
    def _framed(self) -> deque[str]:
        """Lines of the followed log that are for machines: they count where the pod is gone too soon."""
        return deque(maxlen=MOST_LINES)

    def build_pod_request_obj(self, context: Any = None, **options: Any) -> Any:
        """The pod as the target has it; Airflow adds its names and labels, and no container."""
        pushes, self.do_xcom_push = self.do_xcom_push, False
        try:
            return super().build_pod_request_obj(context, **options)
        finally:
            self.do_xcom_push = pushes

    def is_istio_enabled(self, pod: Any) -> bool:
        """No sidecar is treated in another way than all of them: it ends with the pod."""
        return False

    def get_or_create_pod(self, pod_request_obj: Any, context: Any) -> Any:
        """The pod, with the object that it mounts; an adopted pod that has none yet gets it now."""
        self._go_on_unless_killed()
        self._since, self._has_begun = time.monotonic(), False
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

    def _go_on_unless_killed(self) -> None:
        if self._killed:
            raise AirflowException("the task was killed")

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
        patience = _PAST_GRACE + (pod.spec.termination_grace_period_seconds or _GRACE)
        until, is_said = time.monotonic() + patience, False
        while not self._killed:
            there = self.pod_manager.read_pod_if_any(pod)
            if there is None or there.metadata.uid != pod.metadata.uid:
                return
            if not is_said:
                self.log.info("Waits for the end of pod %s, which is being deleted.", _name(pod))
                is_said = True
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
        if seen is None or self._end is None:
            raise AirflowException("the pod is gone")
        self.before_deletion(seen)
        has_ended_well, is_cut_off = verdict.has_ended_well(self._end), self.is_cut_off(self._end)
        for warns, words in verdict.companions(self._end):
            (self.log.warning if warns else self.log.info)("%s", f"{words[0].upper()}{words[1:]}.")
        if not has_ended_well and self.do_xcom_push and context is not None:
            self._push_xcom_with_fan_out(context["ti"], xcom_result)
        self._put_away(seen, has_ended_well=has_ended_well)
        code = verdict.exit_code(self._end)
        if self.skip_on_exit_code and code in self.skip_on_exit_code:
            raise AirflowSkipException(f"Pod {_name(seen)} returned exit code {code}. Skipping.")
        if not has_ended_well or is_cut_off:
            raise AirflowException(f"pod {_name(seen)} returned a failure")

    def is_cut_off(self, pod: Mapping[str, Any]) -> bool:
        """Whether the pod was deleted before its work was done, however that ended: exit code 0 does not say so."""
        return verdict.was_deleted_at_work(pod)

    def _put_away(self, pod: Any, *, has_ended_well: bool) -> None:
        """Delete the pod, unless it is to be kept, and see it gone. What the next try must not adopt gets a mark."""
        keeps = {
            OnFinishAction.DELETE_POD: False,
            OnFinishAction.DELETE_SUCCEEDED_POD: not has_ended_well,
            OnFinishAction.DELETE_ACTIVE_POD: pod.status.phase not in ("Running", "Pending"),
        }.get(self.on_finish_action, True)
        if keeps or not has_ended_well:
            self.patch_already_checked(pod, reraise=False)
        if keeps:
            self.log.info("Pod %s is kept, with all that still runs in it.", _name(pod))
            return
        try:
            self.pod_manager.delete_pod(pod)
            self._wait_until_gone(pod)
        except (ApiException, HTTPError) as refused:
            # Whether the script did well is known by now.
            self.log.warning("Pod %s cannot be deleted: %s", _name(pod), one_line(refused)[2])

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
        self._has_begun = True if event["status"] in ("success", "failed") else None
        if event["status"] == "failed" and self._has_ended_well(event):
            # The pod has failed, for another container has.
            event = {**event, "status": "success"}
        return super().trigger_reentry(context, event)

    def _has_ended_well(self, event: Mapping[str, Any]) -> bool:
        try:
            return container_is_succeeded(self.hook.get_pod(event["name"], event["namespace"]), BASE)
        except ApiException as refused:
            if refused.status != MISSING:
                raise
            return False

    def _write_logs(  # type: ignore[override]  # theirs tries again by a decorator
        self, pod: Any, follow: bool = False, since_time: Any = None
    ) -> None:
        """Airflow's own, for a pod that was waited for by the triggerer, would put a prefix before each line."""
        for line in self.pod_manager.lines_since(pod, BASE, since_time):
            self.pod_manager.hand_on(line)

    def await_pod_start(self, pod: Any) -> None:
        """Wait until the pod runs."""
        super().await_pod_start(pod)
        self._has_begun = True

    def defer(self, *, trigger: Any, **more: Any) -> Any:
        """Wait in the triggerer; where the trigger is Airflow's own for any cluster, by ours over it."""
        super().defer(trigger=quiet_trigger(trigger), **more)

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
        except TaskDeferred:
            if self._killed:
                raise self._killed_error() from None
            raise
        except (AirflowSkipException, AirflowFailException):
            if self._killed:
                raise self._killed_error() from None
            raise
        except Exception as failure:
            if self._killed:
                # However its pod ended: we have ended it.
                raise self._killed_error() from failure
            self._leave_none_at_work()
            if self._is_late or of_chain(failure, AirflowTaskTimeout) is not None:
                if self.pod is not None:
                    self.pod_manager.try_to_delete(self.pod)
                raise self.retry_error(f"{self._who()}: it ran longer than the task's time-out.") from None
            raise self._failed(failure, context) from None
        if self._killed:
            raise self._killed_error()

    def _killed_error(self) -> Exception:
        return self.retry_error(f"{self._who()}: the task was killed, and its pod deleted.")

    def _failed(self, failure: Exception, context: Any) -> Exception:
        target = self.pod_target
        answered, status, said = one_line(failure)
        judged = self.judge_result(failure)
        if judged is not None:
            pass
        elif self._is_seen or is_missing(failure) or (status == MISSING and self.pod is not None):
            judged = verdict.judge_pod(target, self._end, self._attempt(context), otherwise=said)
        else:
            self._leave_nothing()
            judged = verdict.judge_answer(status, said) if answered else verdict.Verdict(said, is_retried=True)
        if judged.is_out_of_memory:
            self.took_rung(context)
        reason = f"{self._who()}: {judged.reason}."
        self.log.error("%s", reason)
        for line in self._events:
            self.log.info("  %s", line)
        if target.logs.pod and self._end is not None:
            self.log.info("%s", self.pod_manager.shown(self._end))
        return self.retry_error(reason) if judged.is_retried else self.failed_error(reason)

    def judge_result(self, failure: Exception) -> verdict.Verdict | None:
        """The verdict on a failure that is about the result of a pod that ended well; None for any other."""
        return None

    def _attempt(self, context: Any) -> verdict.Attempt:
        if self._since is not None:
            seconds = time.monotonic() - self._since
        else:
            made = datetime.fromisoformat(self._end["metadata"]["creationTimestamp"]) if self._end else None
            seconds = max((datetime.now(UTC) - made).total_seconds(), 0) if made else 0
        ti = context["ti"]
        is_last = ti.try_number > ti.max_tries
        return verdict.Attempt(seconds, rung=self.rung(context), is_last=is_last, has_begun=self._has_begun)

    def took_rung(self, context: Any) -> None:
        """The pod ran out of memory: the next try takes the next rung of the ladder."""
        if (store := context.get("task_state_store")) is not None:
            store.set(RUNG_KEY, self.rung(context) + 1)

    def _leave_none_at_work(self) -> None:
        """A pod that was given up while it could still work goes, whatever is to be kept: the next try has its own."""
        if self.pod is not None and self._end is not None and verdict.is_at_work(self._end):
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
