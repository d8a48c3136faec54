"""A backfill in chunks under a real scheduler: one run starts the next, in order, and never twice."""

from itertools import pairwise
from typing import Any

import duckdb
import pytest
from scheduler.lab import Lab, moment

pytestmark = [pytest.mark.scheduler, pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

DAG = "sales__backfill"
FORM = {"start_dttm": "2026-01-01", "end_dttm": "2026-01-04", "chunk": "day", "models": "orders"}


def test_three_days_one_after_the_other(lab: Lab) -> None:
    lab.session.until("Airflow has read the DAG", lambda: DAG in lab.dags_or_fail("two_domains_dags.py"))
    with pytest.raises(AssertionError, match="400"):
        lab.rest.trigger(DAG, form=FORM | {"chunk": "year"})
    lab.rest.switch_on(DAG)
    first = lab.rest.trigger(DAG, form=FORM)

    def own() -> list[dict[str, Any]]:
        return [run for run in lab.rest.runs(DAG) if run["dag_run_id"].startswith(first)]

    lab.session.until("three runs are done", lambda: [run["state"] for run in own()] == ["success"] * 3)
    runs = sorted(own(), key=lambda run: run["conf"]["start_dttm"])
    assert [run["dag_run_id"] for run in runs] == [
        first,
        f"{first}__chunk_0002__20260102T000000Z",
        f"{first}__chunk_0003__20260103T000000Z",
    ]
    assert all(moment(run["end_date"]) <= moment(after["start_date"]) for run, after in pairwise(runs))
    with duckdb.connect(lab.session.home / "two_domains" / "two_domains.duckdb", read_only=True) as database:
        days = database.execute("select cast(day at time zone 'UTC' as varchar) from orders").fetchall()
    assert days == [("2026-01-03 00:00:00",)]

    lab.rest.clear(DAG, first, "next_chunk")
    lab.until_states(DAG, "next_chunk", ["skipped"])
    assert len(own()) == 3
