"""dbt in a pod, for the operators of dbt: they ask for work, a pod does it, and its answer is judged as a local one."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.bases.operator import ExecutorSafeguard

from dbt_af_k8s.airflow.dbt_pods.manager import DbtPodManager
from dbt_af_k8s.airflow.dbt_pods.profile import profiles_of_connection
from dbt_af_k8s.airflow.pods.life import PodLife, airflow_arguments, mark_of_try
from dbt_af_k8s.airflow.pods.log import LogClient
from dbt_af_k8s.airflow.pods.objects import mounted_name, one_line
from dbt_af_k8s.dbt.place import OnLine, PlaceError, PlaceRefusesError
from dbt_af_k8s.dbt.pod_job import ANSWER_LINES, PodAnswer, read_answer
from dbt_af_k8s.pods.dbt_pod import PROFILE_VOLUME, DbtCall, dbt_pod_for, profile_secret
from dbt_af_k8s.pods.dbt_values import DbtPod
from dbt_af_k8s.pods.parts import BASE

#: dbt was killed without a word; in a pod that is the kernel, for want of memory.
_KILLED = -9
#: How often the log is asked for the answer.
_LOG_TRIES = 3


class DbtPodWork(PodLife):
    """The pod of one piece of work. No task of its own: it works inside of one, with that task's id and context.

    To be put before Airflow's operator among the bases of a class, as `PodLife`.
    """

    failed_error: ClassVar[type[Exception]] = PlaceRefusesError
    retry_error: ClassVar[type[Exception]] = PlaceError
    template_fields = ()

    def __init__(self, *, task_id: str, pod: DbtPod, call: DbtCall, on_line: OnLine, **base: Any) -> None:
        given = {
            **airflow_arguments(pod.target),
            "do_xcom_push": False,
            # Airflow's own five seconds would be a third of the time that a small model takes.
            "startup_check_interval_seconds": 1,
            **base,
        }
        super().__init__(task_id=task_id, **given)
        self.dbt_pod = pod
        self.call = call
        self.pod_target = pod.target
        nodes = ", ".join(node.unique_id for node in call.invocation.nodes[:3])
        more = len(call.invocation.nodes) - 3
        self.pod_work = (
            f"dbt {call.invocation.verb} of {nodes or 'a selection'}{f' and {more} more' if more > 0 else ''}"
        )
        self.on_line = on_line
        self.answer: PodAnswer | None = None
        self._no_log: str | None = None

    @cached_property
    def pod_manager(self) -> DbtPodManager:
        """One that hands on what dbt says."""
        return DbtPodManager(self.on_line, self._framed.append, LogClient(self.client.api_client), self.callbacks)

    def defer(self, *, trigger: Any, **more: Any) -> Any:
        """Wait in the triggerer; the operator whose dbt this is goes on by its own `resume`."""
        super().defer(trigger=trigger, **{**more, "method_name": "resume"})

    def go(self, context: Any, event: Mapping[str, Any] | None) -> PodAnswer:
        """Make the pod and see it to its end, or go on after the triggerer has waited; what dbt left is the result.

        Raises our two errors where dbt has not answered, or was not started.
        """
        failure: PlaceError | None = None
        try:
            self.prepare(context)
            with self.judged(context):
                if event is None:
                    # As Airflow's own task runner calls an operator.
                    sentinel = {f"{type(self).__name__}__sentinel": ExecutorSafeguard.sentinel_value}
                    self.execute(context, **sentinel)
                else:
                    self.trigger_reentry(context, dict(event))
        except PlaceError as caught:
            failure = caught
        self.answer = self.answer or read_answer(self._framed)
        if failure is not None:
            # The pod has failed because dbt has, or is gone since dbt has ended: then dbt's own words count. A pod that
            # was ended has no last word.
            if self.answer is None or self._was_stopped or self._killed:
                raise failure
            self.log.debug("The pod: %s", failure)
        if self.answer is None:
            why = f"its log cannot be read: {self._no_log}" if self._no_log else "it ended without an answer"
            raise PlaceError(f"{self._who()}: {why}. No result is no success.")
        if self.answer.outcome is None:
            raise PlaceRefusesError(f"{self._who()}: {self.answer.refused}")
        if self.answer.outcome.end.exit_code == _KILLED:
            self.took_rung(context)
        return self.answer

    def prepare(self, context: Any) -> None:
        """Fill in the pod of this run, and the Secret that it mounts."""
        rung = self.rung(context)
        secret = f"dbt-af-profile-{mark_of_try(context['ti'])}"
        pod = dbt_pod_for(self.dbt_pod, self.call, name=self.task_id, secret=secret, memory_rung=rung)
        memory = f", with {self.pod_target.memory_ladder[rung - 1]} of memory" if rung else ""
        self.log.info("In a pod of the image %s%s.", self.pod_target.image, memory)
        self.pod_template_dict = pod
        if self.dbt_pod.connection is not None:
            profiles = profiles_of_connection(self.dbt_pod.connection)
            body = profile_secret(self.dbt_pod, profiles, name=self.task_id, secret=secret)
            self.pod_mounts = (body, PROFILE_VOLUME)

    def is_cut_off(self, pod: Mapping[str, Any]) -> bool:
        """Dbt's own answer says whether its work was done."""
        return False

    def before_deletion(self, pod: Any) -> None:
        """Read dbt's answer, and take the Secret away, also where the pod is kept."""
        self._read(pod)
        self._remove_secret(pod)
        super().before_deletion(pod)

    def on_kill(self) -> None:
        """Take the pod along, and its Secret, which it owns."""
        super().on_kill()
        if self.pod is not None:
            self._remove_secret(self.pod)

    def _read(self, pod: Any) -> None:
        for _ in range(_LOG_TRIES):
            try:
                lines = self.pod_manager.end_of_log(pod, BASE, ANSWER_LINES)
            except Exception as failure:  # noqa: BLE001  told as the reason, where there is no answer
                self._no_log = one_line(failure)[2]
                continue
            self.answer, self._no_log = read_answer((*self._framed, *lines)), None
            return

    def _remove_secret(self, pod: Any) -> None:
        name = mounted_name(pod, PROFILE_VOLUME)
        refused = None if name is None else self.pod_manager.delete_secret(pod.metadata.namespace, name)
        if refused is not None:
            self.log.warning("The Secret %s goes with its pod; it cannot be deleted before: %s", name, refused)

    @property
    def _was_stopped(self) -> bool:
        return self.answer is not None and self.answer.outcome is not None and self.answer.outcome.end.was_stopped


class DbtPodEngine(DbtPodWork, KubernetesPodOperator):
    """In a cluster that a connection, a kube config or the worker's own pod leads to."""

    # Airflow looks for the constructor in the class itself.
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
