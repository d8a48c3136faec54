"""The wait sensor: a task that is done when one node of another DAG is done, in every run that it needs.

Which runs those are is `schedule.waits.runs_waited_for`; what their states mean is `wait_state.judge_run`. Airflow is
asked through its Execution API.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from dbt_af_k8s.airflow.interval import interval_of_run
from dbt_af_k8s.airflow.skips import skip_not_built
from dbt_af_k8s.airflow.waits.api import ExecutionApi, dag_trouble
from dbt_af_k8s.airflow.waits.look import Lookout
from dbt_af_k8s.airflow.waits.state import Outcome, WaitVerdict, judge, runs_text
from dbt_af_k8s.errors import DbtAfK8sError, UsageError
from dbt_af_k8s.plan.values import WaitsFor
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval
from dbt_af_k8s.schedule.waits import runs_waited_for

#: Rescheduling a sensor more often than this races with the executor and fails the task (seconds).
_SHORTEST_RESCHEDULE = 60.0
#: How long after the trigger's own deadline Airflow ends a wait whose trigger does not answer.
_GRACE = timedelta(minutes=5)


class UpstreamFailedError(AirflowFailException, DbtAfK8sError):
    """The upstream node failed. Trying again would not mend it, so Airflow does not retry the wait: it is cleared."""


class WaitTimeoutError(AirflowSensorTimeout, DbtAfK8sError):
    """The upstream runs did not come in time. Airflow does not retry a sensor that timed out."""


class DbtWaitSensor(BaseSensorOperator):
    """Waits for one task of another DAG, in every run that `waits_for.policy` asks for.

    `cron` and `timezone` are those of the DAG that waits (`cron` None: it has no calendar); a run of it by hand takes
    its interval from its form or its date. `poke_interval` and `timeout` are in seconds; the timeout counts from the
    first start of a try and over deferrals. Deferred, it does not look before the upstream intervals have ended, and
    then every `poke_interval` at first and more and more seldom up to `longest_poke_interval`: after a tenth of the
    time that it has waited. Without `longest_poke_interval` the time stays the same. `base` goes to Airflow's
    `BaseSensorOperator`.

    Done are upstream tasks that succeeded, and those that this library skipped because there was nothing for them to
    do. A failed one, and one that was skipped by anybody else, raises `UpstreamFailedError` at once. A run that will
    never exist is passed over with a line in the log. Where no run has built the upstream node yet, the wait is
    skipped, or does as `waits_for.first_runs` says. Deferred, it takes no worker slot; else it is rescheduled, or, with
    a `poke_interval` under a minute, it holds its slot.
    """

    #: Shown in Airflow under "Rendered Templates": what this run waits for.
    template_fields = ("waiting_for",)
    ui_color = "#e8e3f4"

    def __init__(
        self,
        *,
        task_id: str,
        waits_for: WaitsFor,
        cron: str | None,
        timezone: str,
        poke_interval: float,
        timeout: float,
        longest_poke_interval: float | None = None,
        deferrable: bool = True,
        **base: Any,
    ) -> None:
        mode = "reschedule" if not deferrable and poke_interval >= _SHORTEST_RESCHEDULE else "poke"
        super().__init__(task_id=task_id, poke_interval=poke_interval, timeout=timeout, mode=mode, **base)
        self.waits_for = waits_for
        self.cron = cron
        self.timezone = timezone
        self.longest_poke_interval = longest_poke_interval
        self.deferrable = deferrable
        self.waiting_for = f"{waits_for.node}: task {waits_for.task_id} of DAG {waits_for.dag_id}, {waits_for.policy}"
        self._told = ""

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Write the runs waited for into the field that Airflow shows. Nothing in it is a template."""
        try:
            self.waiting_for = self._text(self.upstream_runs(context))
        except UsageError as error:
            self.waiting_for = f"{self.waiting_for} ({error})"

    def upstream_runs(self, context: Mapping[str, Any]) -> tuple[Interval, ...]:
        """The upstream runs that this run waits for, by their data intervals. `UsageError` where the form is wrong."""
        upstream = self.waits_for
        own = interval_of_run(context, cron=self.cron, timezone=self.timezone)
        calendar = Calendar(upstream.cron, upstream.timezone)
        return runs_waited_for(calendar, upstream.policy, own, upstream.start_date, upstream.first_runs)

    def execute(self, context: Any) -> None:
        """Look once; then defer, or go on looking."""
        runs = self._upstream_runs_or_fail(context)
        if not runs:
            self._before_the_first_run(context)
            return
        if context.get("task_reschedule_count", 0) == 0:
            self.log.info("Waits for %s", self._text(runs))
        if self.deferrable:
            self._wait_in_triggerer(context, runs)
        else:
            self._wait_here(context)

    def poke(self, context: Any) -> bool:
        """One look of a sensor that is not deferred."""
        verdict = self._look(context)
        if verdict.outcome is Outcome.NOT_BUILT:
            self._not_built(context, verdict.sentence())
        return verdict.outcome is not Outcome.WAITING

    def execute_complete(self, context: Any, event: Mapping[str, str]) -> None:
        """Take the triggerer's answer: done, failed, not built or too late."""
        outcome, sentence = event["outcome"], event["sentence"]
        if outcome == Outcome.FAILED:
            raise self._upstream_failed(sentence)
        if outcome == Outcome.NOT_BUILT:
            self._not_built(context, sentence)
            return
        if outcome != Outcome.DONE:
            raise self._timed_out(sentence)
        self.log.info("The wait is over: %s", sentence)

    def _before_the_first_run(self, context: Any) -> None:
        """No upstream run can exist for this one: skip, unless the node has been built all the same."""
        upstream = self.waits_for
        why = (
            f"the run of DAG {upstream.dag_id} that would be waited for begins before its start date, "
            f"{upstream.start_date.isoformat()}"
        )
        built_by = upstream.work[0] if upstream.work else upstream.task_id
        if upstream.first_runs != "run" and not ExecutionApi().count_tasks(
            upstream.dag_id, built_by, states=["success"]
        ):
            skip_not_built(context, f"{upstream.node} is not built yet: {why}, and no other run has built it.")
        self.log.info("Nothing to wait for: %s.", why)

    def _not_built(self, context: Any, sentence: str) -> None:
        upstream = self.waits_for
        if upstream.first_runs != "run":
            skip_not_built(context, f"{upstream.node} is not built yet in DAG {upstream.dag_id}: {sentence}.")
        self.log.info("%s is not built yet, and `waits.first_runs` is `run`: %s", upstream.node, sentence)

    def _wait_in_triggerer(self, context: Any, runs: tuple[Interval, ...]) -> None:
        from dbt_af_k8s.airflow.waits.trigger import DbtWaitTrigger, runs_to_json, waits_for_to_json

        began = datetime.now(UTC)
        deadline = began + timedelta(seconds=self.timeout)
        if self.poke(context):
            return
        if trouble := dag_trouble(self.waits_for.dag_id):
            self.log.warning("%s", trouble)
        self.defer(
            trigger=DbtWaitTrigger(
                waits_for=waits_for_to_json(self.waits_for),
                runs=runs_to_json(runs),
                poke_interval=self.poke_interval,
                deadline=deadline.isoformat(),
                began=began.isoformat(),
                longest_poke_interval=self.longest_poke_interval,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout) + _GRACE,
        )

    def _wait_here(self, context: Any) -> None:
        try:
            super().execute(context)
        except AirflowSensorTimeout:
            raise self._timed_out(self._told) from None

    def _look(self, context: Any) -> WaitVerdict:
        """Look, tell what changed, and fail if an upstream run failed."""
        lookout = Lookout(ExecutionApi(), self.waits_for, self._upstream_runs_or_fail(context))
        verdict = judge(lookout.look(datetime.now(UTC)))
        sentence = verdict.sentence()
        if sentence != self._told:
            self.log.info("Upstream runs: %s", sentence)
            self._told = sentence
        if verdict.outcome is Outcome.FAILED:
            raise self._upstream_failed(sentence)
        return verdict

    def _upstream_runs_or_fail(self, context: Any) -> tuple[Interval, ...]:
        try:
            return self.upstream_runs(context)
        except UsageError as error:
            raise AirflowFailException(str(error)) from error

    def _text(self, runs: tuple[Interval, ...]) -> str:
        upstream = self.waits_for
        what = f"{upstream.node}: task {upstream.task_id} of DAG {upstream.dag_id}"
        return f"{what}, {runs_text(runs)}"

    def _upstream_failed(self, sentence: str) -> UpstreamFailedError:
        upstream = self.waits_for
        return UpstreamFailedError(
            f"{upstream.node} failed: task {upstream.task_id} of DAG {upstream.dag_id}; {sentence}. "
            "Mend it and let it run again there, then clear this wait and what is downstream of it."
        )

    def _timed_out(self, sentence: str) -> WaitTimeoutError:
        upstream = self.waits_for
        trouble = dag_trouble(upstream.dag_id)
        return WaitTimeoutError(
            f"Waited {self.timeout:g} s for {upstream.node}, task {upstream.task_id} of DAG {upstream.dag_id}; "
            f"{sentence}. {trouble + ' ' if trouble else ''}"
            f"See why DAG {upstream.dag_id} has not run it, let it run, then clear this wait."
        )
