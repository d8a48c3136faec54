"""A script in a pod: the plan's pod goes in, a verdict comes out. A thin layer over Airflow's own pod operator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from json import JSONDecodeError
from pathlib import Path
from typing import Any, ClassVar

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from dbt_af_k8s.airflow.dbt_operator import span_text
from dbt_af_k8s.airflow.pod_log import LogClient
from dbt_af_k8s.airflow.pod_objects import (
    MISSING,
    ScriptPodManager,
    config_map_of_pod,
    is_missing,
    look,
    of_chain,
    one_line,
)
from dbt_af_k8s.airflow.script_run import ScriptCalendar, ScriptFailedError, ScriptRetryError
from dbt_af_k8s.errors import ProjectError
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.names import short_hash
from dbt_af_k8s.plan.scripts import PodPlan
from dbt_af_k8s.pods.values import Payload, PodRun
from dbt_af_k8s.schedule.values import Interval

#: Key of Airflow's task state store under which the rungs that were taken are kept over the tries.
RUNG_KEY = "dbt_af_k8s_memory_rung"


class DbtPodOperator(KubernetesPodOperator):
    """Runs a script in a pod, and tells in one line why it failed.

    `pod` is the plan of the pod and `calendar` that of the DAG; `DbtPodOperator.for_script` makes both from plain
    arguments. `base` goes to Airflow's `KubernetesPodOperator`, and wins over what the plan says.

    Raises `ScriptRetryError` where another try may do better (see `pods.verdict`), else `ScriptFailedError`. A try that
    was cut off leaves its pod, and the next one adopts it. A task that is killed or cleared takes its pod along.
    """

    #: Shown in Airflow under "Rendered Templates". Nothing of the pod is a template: a script may hold `{{`.
    template_fields = ("command",)
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    ui_color = "#e6e0f3"

    def __init__(self, *, task_id: str, pod: PodPlan, calendar: ScriptCalendar | None = None, **base: Any) -> None:
        target = pod.target
        given: dict[str, Any] = {
            "namespace": target.namespace,
            "startup_timeout_seconds": target.startup_timeout,
            "get_logs": target.logs.script,
            "container_name_log_prefix_enabled": False,
            "log_events_on_startup": target.logs.events,
            "log_pod_spec_on_failure": False,
            "on_finish_action": target.on_finish_action,
            "deferrable": target.deferrable,
            "logging_interval": target.logs.every or None,
            "do_xcom_push": target.xcom,
            **_access(target.cluster),
            **base,
        }
        super().__init__(task_id=task_id, **given)
        self.pod_plan = pod
        self.calendar = calendar or ScriptCalendar()
        self.command = f"script of {pod.payload.node} on target {target.name}, image {target.image}"
        self._config_map: Mapping[str, Any] | None = None
        self._end: Mapping[str, Any] | None = None
        self._events: tuple[str, ...] = ()
        self._is_seen = False

    @classmethod
    def for_script(
        cls,
        *,
        task_id: str,
        script: str | Path,
        target: Mapping[str, Any],
        refs: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        **base: Any,
    ) -> "DbtPodOperator":
        """The operator for a hand-written DAG, without dbt.

        `script` is the text of a script, or the path of its file. `target` has the keys of a `kubernetes` target of
        profiles.yml. `refs` are names and relations that the script asks for, `config` what it gets as its config.
        `cron` and `timezone` are those of the DAG: a run by hand takes its interval from them.

        Raises `ProjectError` with everything that is wrong with the target.
        """
        from dbt_af_k8s.pods.payload import payload_issues
        from dbt_af_k8s.pods.target import read_target

        file, source = "script.py", str(script)
        if isinstance(script, Path):
            file, source = script.name, script.read_text(encoding="utf-8")
        payload = Payload(task_id, task_id, file, source, config or {}, tuple(sorted((refs or {}).items())))
        made, issues = read_target({"type": "kubernetes", **target}, name=task_id, file=f"task {task_id}")
        if made is not None:
            issues = (*issues, *payload_issues(payload, made.script_from))
        errors = [issue for issue in issues if issue.is_error]
        if made is None or errors:
            raise ProjectError(errors)
        calendar = ScriptCalendar(cron=cron, timezone=timezone)
        return cls(task_id=task_id, pod=PodPlan(replace(made, written={}), payload), calendar=calendar, **base)

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Write the interval into the field that Airflow shows. Nothing in it is a template."""
        self.command = f"{self.command}\n{self.calendar.told(context, self.pod_plan.payload.node)}"

    def execute(self, context: Any) -> Any:
        """Make the pod, or find the one that an earlier try has left, and see it to its end."""
        self.prepare(context)
        with self._judged(context):
            return super().execute(context)

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> Any:
        """Go on after the triggerer has waited."""
        with self._judged(context):
            return super().trigger_reentry(context, event)

    def prepare(self, context: Any) -> None:
        """Fill in the pod of this run. Skips the task where its node does not run."""
        from dbt_af_k8s.pods.payload import too_large_conf
        from dbt_af_k8s.pods.request import pod_request

        plan, ti = self.pod_plan, context["ti"]
        run = self.calendar.run_of(context, plan.payload.node)
        too_large = too_large_conf(run.conf)
        if too_large is not None:
            raise ScriptFailedError(too_large)
        rung = self.rung(context)
        memory = f", with {plan.target.memory_ladder[rung - 1]} of memory" if rung else ""
        self.log.info("%s, %s%s", self.command, span_text(Interval(run.start, run.end)), memory)
        mark = short_hash("/".join((ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index), str(ti.try_number))))
        named = PodRun(run.start, run.end, run.conf, f"dbt-af-script-{mark}")
        request = pod_request(
            plan.target, plan.payload, named, identity_binding=plan.identity_binding, memory_rung=rung
        )
        self.pod_template_dict, self._config_map = dict(request.pod), request.config_map

    def rung(self, context: Any) -> int:
        """How many rungs of the memory ladder this try takes: one for each time that the pod ran out of memory.

        Where this Airflow keeps no state between tries (before 3.3), one for each try.
        """
        rungs = len(self.pod_plan.target.memory_ladder)
        store = context.get("task_state_store")
        taken = context["ti"].try_number - 1 if store is None else store.get(RUNG_KEY)
        return min(max(int(taken or 0), 0), rungs)

    @cached_property
    def pod_manager(self) -> ScriptPodManager:
        """Airflow's, with a create that finds out whether a try that seemed to fail has made the pod."""
        return ScriptPodManager(kube_client=LogClient(self.client.api_client), callbacks=self.callbacks)

    def get_or_create_pod(self, pod_request_obj: Any, context: Any) -> Any:
        """The pod, with its ConfigMap where the target wants one; an adopted pod that has none yet gets it now."""
        pod = self._ended_alone(pod_request_obj, context) or super().get_or_create_pod(pod_request_obj, context)
        if self._killed:
            # The task was told to end while the pod was being made.
            self.pod_manager.try_to_delete(pod)
            raise AirflowException("the task was killed")
        if self._config_map is not None:
            # The pod waits for its volume, so it may come first, and then it owns the ConfigMap from the beginning.
            there = self.pod_manager.read_pod(pod)
            body = config_map_of_pod(self._config_map, there)
            if body is not None:
                self.pod_manager.make_config_map(body)
        return pod

    def _ended_alone(self, pod_request_obj: Any, context: Any) -> Any:
        """The pod of a try that was cut off, where it has ended since: its end counts, and no script runs twice for it.

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
        for container in self.pod_plan.target.logs.containers:
            self.pod_manager.copy_log(seen, container, self.log)
        super().cleanup(pod, seen, xcom_result, context)

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
            self._end, self._events = look(self.pod_manager, fresh, with_events=self.pod_plan.target.logs.events)
        return fresh

    @contextmanager
    def _judged(self, context: Any) -> Iterator[None]:
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
                raise ScriptRetryError(f"{self._who()}: it ran longer than the task's time-out.") from None
            raise self._failed(failure, context) from None

    def _failed(self, failure: Exception, context: Any) -> AirflowException:
        from dbt_af_k8s.pods.verdict import Verdict, has_ended_well, judge_answer, judge_pod

        target, rung = self.pod_plan.target, self.rung(context)
        answered, status, said = one_line(failure)
        if self._end is not None and has_ended_well(self._end) and of_chain(failure, JSONDecodeError) is not None:
            verdict = Verdict(f"its result is no JSON: {said}", is_retried=False)
        elif self._is_seen or is_missing(failure) or (status == MISSING and self.pod is not None):
            verdict = judge_pod(target, self._end, rung=rung, otherwise=said)
        else:
            self._leave_nothing()
            verdict = judge_answer(status, said) if answered else Verdict(said, is_retried=True)
        if verdict.is_out_of_memory and (store := context.get("task_state_store")) is not None:
            store.set(RUNG_KEY, rung + 1)
        reason = f"{self._who()}: {verdict.reason}."
        self.log.error("%s", reason)
        for line in self._events:
            self.log.info("  %s", line)
        if target.logs.pod and self._end is not None:
            self.log.info("%s", self.pod_manager.shown(self._end))
        if verdict.is_retried:
            return ScriptRetryError(reason)
        return ScriptFailedError(reason)

    def _leave_nothing(self) -> None:
        """A failure between the making of the pod and Airflow's knowing of it leaves no pod behind."""
        if self.pod is None and self.pod_request_obj is not None and self.pod_request_obj.metadata.namespace:
            self.pod_manager.try_to_delete(self.pod_request_obj)

    def _who(self) -> str:
        made = self.pod or self.pod_request_obj
        where = f" in pod {made.metadata.namespace}/{made.metadata.name}" if made is not None else ""
        return f"The script of {self.pod_plan.payload.node} failed{where}"


def _access(cluster: ClusterAccess) -> dict[str, Any]:
    """The cluster, as Airflow takes it; what is not given is left to Airflow."""
    given = {
        "kubernetes_conn_id": cluster.conn_id,
        "config_file": cluster.config_file,
        "cluster_context": cluster.context,
        "in_cluster": cluster.in_cluster,
    }
    return {key: value for key, value in given.items() if value is not None}
