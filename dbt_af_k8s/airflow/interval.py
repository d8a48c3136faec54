"""The data interval of an Airflow run, the same for dbt tasks, scripts and waits."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dbt_af_k8s.airflow.skips import skip_not_due
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.intervals import interval_from_form, interval_of_manual_run
from dbt_af_k8s.schedule.values import Interval

#: Names of the two fields that every DAG has in its trigger form, and of the dbt vars.
START_FIELD = "start_dttm"
END_FIELD = "end_dttm"

#: Airflow's run types that a calendar makes; all others are started by a person, an API call or an asset.
_CALENDAR_RUN_TYPES = ("scheduled", "backfill")


def interval_of_run(context: Mapping[str, Any], *, cron: str | None, timezone: str) -> Interval:
    """Tell which interval `[start, end)`, in UTC, a run is about. Works without a logical date.

    `context` is Airflow's task context. A scheduled or backfill run has the data interval that Airflow gave it.
    Any other run takes the form (`start_dttm` and `end_dttm`); left empty, the last full interval of `cron` in
    `timezone` that ends at or before the logical date, or before the run where it has none; without a cron, the
    day before.

    Raises `UsageError` when the form holds something that is no interval.
    """
    run = context["dag_run"]
    if run.run_type in _CALENDAR_RUN_TYPES and run.data_interval_start is not None:
        return Interval(_utc(run.data_interval_start), _utc(run.data_interval_end))
    form = context.get("params") or {}
    asked = interval_from_form(_text(form.get(START_FIELD)), _text(form.get(END_FIELD)), timezone)
    if asked is not None:
        return asked
    calendar = Calendar(cron, timezone) if cron else None
    logical_date = None if run.logical_date is None else _utc(run.logical_date)
    return interval_of_manual_run(calendar, logical_date=logical_date, run_after=_utc(run.run_after), timezone=timezone)


def names_its_interval(context: Mapping[str, Any]) -> bool:
    """Whether a person, in the form, or a backfill of Airflow's has named the interval of this run."""
    form = context.get("params") or {}
    return context["dag_run"].run_type == "backfill" or any(form.get(name) for name in (START_FIELD, END_FIELD))


def skip_outside(
    context: Mapping[str, Any], interval: Interval, enable_from: datetime | None, disable_from: datetime | None
) -> None:
    """Skip the task where the interval lies wholly outside the window in which its node is enabled."""
    if enable_from is not None and interval.end <= enable_from:
        skip_not_due(
            context,
            f"the interval ends at {interval.end.isoformat()}, before enable_from_dttm {enable_from.isoformat()}.",
        )
    if disable_from is not None and interval.start >= disable_from:
        skip_not_due(
            context,
            f"the interval begins at {interval.start.isoformat()}, after disable_from_dttm {disable_from.isoformat()}.",
        )


def span_text(interval: Interval) -> str:
    """An interval, for a person."""
    return f"from {interval.start.isoformat()} to {interval.end.isoformat()}"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _utc(moment: datetime) -> datetime:
    """The same moment as a plain datetime in UTC; Airflow's own are pendulum's."""
    moment = moment.astimezone(UTC)
    return datetime.combine(moment.date(), moment.time(), tzinfo=UTC)
