"""The interval of a run, for every way that a run can start."""

from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from dbt_af_k8s.airflow.interval import interval_of_run
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.schedule.values import Interval


def utc(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def context(run_type="manual", *, interval=None, logical_date=None, run_after=None, form=None):
    start, end = interval or (None, None)
    run = SimpleNamespace(
        run_type=run_type,
        data_interval_start=start,
        data_interval_end=end,
        logical_date=logical_date,
        run_after=run_after or utc(20, 10, 30),
    )
    return {"dag_run": run, "params": form or {}}


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_calendar_run_has_the_interval_that_airflow_gave_it_whatever_the_form_says(run_type):
    form = {"start_dttm": "2020-01-01", "end_dttm": "2020-01-02"}
    given = context(run_type, interval=(utc(1), utc(2)), logical_date=utc(1), form=form)
    assert interval_of_run(given, cron="0 0 * * *", timezone="UTC") == Interval(utc(1), utc(2))


def test_the_interval_is_in_utc_and_made_of_plain_datetimes():
    berlin = ZoneInfo("Europe/Berlin")
    given = context("scheduled", interval=(datetime(2026, 3, 1, tzinfo=berlin), datetime(2026, 3, 2, tzinfo=berlin)))
    found = interval_of_run(given, cron="0 0 * * *", timezone="Europe/Berlin")
    assert found == Interval(datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 1, 23, tzinfo=UTC))
    assert type(found.start) is datetime
    assert found.start.tzinfo is UTC


def test_a_manual_run_takes_its_form():
    form = {"start_dttm": "2026-03-05T00:00:00+01:00", "end_dttm": "2026-03-06"}
    found = interval_of_run(context(form=form), cron="0 * * * *", timezone="UTC")
    assert found == Interval(utc(4, 23), utc(6))


@pytest.mark.parametrize("form", [{}, {"start_dttm": None, "end_dttm": None}, {"start_dttm": "", "end_dttm": ""}])
def test_an_empty_form_means_the_last_full_interval_before_the_logical_date(form):
    found = interval_of_run(context(logical_date=utc(10, 5, 20), form=form), cron="0 * * * *", timezone="UTC")
    assert found == Interval(utc(10, 4), utc(10, 5))


@pytest.mark.parametrize("run_type", ["manual", "operator_triggered", "asset_triggered"])
def test_without_a_logical_date_the_run_itself_is_the_moment(run_type):
    found = interval_of_run(context(run_type), cron="0 0 * * *", timezone="UTC")
    assert found == Interval(utc(19), utc(20))


def test_without_a_cron_it_is_the_day_before_in_the_time_zone():
    found = interval_of_run(context(), cron=None, timezone="Europe/Berlin")
    assert found == Interval(utc(18, 23), utc(19, 23))


def test_half_a_form_is_refused():
    with pytest.raises(UsageError, match="end_dttm"):
        interval_of_run(context(form={"start_dttm": "2026-03-05"}), cron=None, timezone="UTC")
