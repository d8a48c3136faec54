"""A script in a pod: the plan's pod goes in, a verdict comes out. A thin layer over Airflow's own pod operator."""

from collections.abc import Mapping
from dataclasses import replace
from json import JSONDecodeError
from pathlib import Path
from typing import Any, ClassVar

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from dbt_af_k8s.airflow.interval import span_text
from dbt_af_k8s.airflow.pods.life import RUNG_KEY, PodLife, airflow_arguments, mark_of_try
from dbt_af_k8s.airflow.pods.objects import look, of_chain, one_line
from dbt_af_k8s.airflow.scripts.run import ScriptCalendar, ScriptFailedError, ScriptRetryError
from dbt_af_k8s.errors import DbtAfK8sError, ProjectError
from dbt_af_k8s.plan.scripts import PodPlan
from dbt_af_k8s.pods.manifest import SCRIPT_VOLUME
from dbt_af_k8s.pods.parts import BASE
from dbt_af_k8s.pods.result import (
    FIRST_LINES,
    MOST_LINES,
    ResultNotSentError,
    message_lines,
    read_frames,
    result_in,
)
from dbt_af_k8s.pods.values import Payload, PodRun
from dbt_af_k8s.pods.verdict import Verdict, has_ended_well
from dbt_af_k8s.schedule.values import Interval

__all__ = ["RUNG_KEY", "DbtPodOperator"]
#: How often the log is asked for the result.
_LOG_TRIES = 3


class ResultLostError(DbtAfK8sError):
    """What a script has left did not arrive whole."""


class DbtPodOperator(PodLife, KubernetesPodOperator):
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
    failed_error: ClassVar[type[Exception]] = ScriptFailedError
    retry_error: ClassVar[type[Exception]] = ScriptRetryError

    def __init__(self, *, task_id: str, pod: PodPlan, calendar: ScriptCalendar | None = None, **base: Any) -> None:
        target = pod.target
        given = {**airflow_arguments(target), "do_xcom_push": target.xcom, **base}
        super().__init__(task_id=task_id, **given)
        self.pod_plan = pod
        self.calendar = calendar or ScriptCalendar()
        self.command = f"script of {pod.payload.node} on target {target.name}, image {target.image}"
        self.pod_target = target
        self.pod_work = f"The script of {pod.payload.node}"

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
        with self.judged(context):
            return super().execute(context)

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> Any:
        """Go on after the triggerer has waited."""
        with self.judged(context):
            result = super().trigger_reentry(context, event)
            if self.pod is None and self.do_xcom_push and self.pod_target.xcom:
                # Airflow's own is content with a pod that did well and is gone.
                raise ResultLostError("the pod is gone, and the script's result with it")
            return result

    def extract_xcom(self, pod: Any, **_: Any) -> Any:
        """The script's result, whole, or None where it left none. Raises where what it left has not arrived."""
        if not self.pod_target.xcom:
            return None
        end, _events = look(self.pod_manager, self.pod_manager.read_pod(pod), with_events=False)
        frames = read_frames((*message_lines(end), *self._framed))
        has_arrived, result = result_in(frames)
        why = "it is not in the pod's log"
        for number in range(_LOG_TRIES):
            if has_arrived:
                return result
            lines = MOST_LINES if frames.most_lines or number else FIRST_LINES
            try:
                frames.read(self.pod_manager.end_of_log(pod, BASE, lines))
            except (ApiException, HTTPError) as failure:
                why = f"the pod's log cannot be read: {one_line(failure)[2]}"
                continue
            has_arrived, result = result_in(frames)
            if not has_arrived and not has_ended_well(end) and not frames.most_lines:
                # A script that failed need not say that it has no result.
                return None
        if has_arrived:
            return result
        raise ResultLostError(f"the script's result has not arrived: {why}")

    def judge_result(self, failure: Exception) -> Verdict | None:
        """A result that is none is the script's fault; one that was lost on its way may come next time."""
        if self._end is None or has_ended_well(self._end):
            lost = of_chain(failure, ResultLostError)
            if lost is not None:
                return Verdict(str(lost), is_retried=True)
        if self._end is None or not has_ended_well(self._end):
            return None
        if of_chain(failure, JSONDecodeError) is not None:
            return Verdict(f"its result is no JSON: {one_line(failure)[2]}", is_retried=False)
        refused = of_chain(failure, ResultNotSentError)
        if refused is not None:
            fix = "write large results to a table or a bucket, and hand on their name"
            return Verdict(f"its result cannot be handed on: {refused}; {fix}", is_retried=False)
        return None

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
        named = PodRun(run.start, run.end, run.conf, f"dbt-af-script-{mark_of_try(ti)}")
        request = pod_request(
            plan.target, plan.payload, named, identity_binding=plan.identity_binding, memory_rung=rung
        )
        self.pod_template_dict = dict(request.pod)
        self.pod_mounts = None if request.config_map is None else (request.config_map, SCRIPT_VOLUME)
