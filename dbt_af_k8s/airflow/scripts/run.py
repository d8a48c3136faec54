"""What operators of scripts have in common: which run it is, and whether it runs at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dbt_af_k8s.airflow.interval import interval_of_run, skip_outside, span_text
from dbt_af_k8s.airflow.skips import skip_not_due
from dbt_af_k8s.errors import DbtAfK8sError, UsageError
from dbt_af_k8s.pods.values import PodRun
from dbt_af_k8s.schedule.values import Interval


class ScriptFailedError(AirflowFailException, DbtAfK8sError):
    """The script failed, or cannot start, in a way that another try would not mend; Airflow does not retry the task."""


class ScriptRetryError(AirflowException, DbtAfK8sError):
    """The script failed for a reason that may pass; Airflow retries the task as its settings say."""


@dataclass(frozen=True, slots=True)
class ScriptCalendar:
    """The calendar of a script's DAG, and when its node is enabled."""

    #: Five fields, or None; and the IANA time zone in which they are read.
    cron: str | None = None
    timezone: str = "UTC"
    enable_from: datetime | None = None
    disable_from: datetime | None = None
    #: Id of the task that read the form of a backfill; None in every other DAG.
    choose: str | None = None

    def run_of(self, context: Mapping[str, Any], node: str) -> PodRun:
        """The run of this task. Skips the task where the node is not enabled or not selected.

        Raises `ScriptFailedError` where the form holds something that is no interval.
        """
        try:
            interval = self._interval(context, node)
        except UsageError as error:
            raise ScriptFailedError(str(error)) from None
        skip_outside(context, interval, self.enable_from, self.disable_from)
        return PodRun(interval.start, interval.end, dict(context["dag_run"].conf or {}))

    def told(self, context: Mapping[str, Any], node: str) -> str:
        """The interval for a person, or why there is none."""
        try:
            return span_text(self._interval(context, node))
        except (UsageError, AirflowSkipException) as reason:
            return str(reason)

    def _interval(self, context: Mapping[str, Any], node: str) -> Interval:
        if self.choose is None:
            return interval_of_run(context, cron=self.cron, timezone=self.timezone)
        chosen = chosen_in(context, self.choose)
        if chosen["nodes"] is not None and node not in chosen["nodes"]:
            skip_not_due(context, "the form of this backfill does not select it.")
        return Interval(_utc(chosen["start"]), _utc(chosen["end"]))


def chosen_in(context: Mapping[str, Any], choose: str) -> dict[str, Any]:
    """What the task that read the form of a backfill has left. Raises `UsageError` where it left nothing."""
    chosen = context["ti"].xcom_pull(task_ids=choose)
    if not isinstance(chosen, dict):
        raise UsageError(f"The task `{choose}` has left no result in this run: clear it, and what is downstream of it.")
    return chosen


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
