"""A dbt project under a real scheduler: two domains, two DAGs out of one line, one waits for the other."""

from datetime import timedelta

import duckdb
import pytest
from scheduler.lab import Lab, moment

pytestmark = [pytest.mark.scheduler, pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]


def test_a_domain_waits_for_the_model_of_another(lab: Lab) -> None:
    """Finance is switched on first; both models are built by dbt, each for the day before."""
    lab.session.until(
        "Airflow has read two_domains_dags.py",
        lambda: {"sales__daily", "finance__daily"} <= set(lab.dags_or_fail("two_domains_dags.py")),
    )
    lab.rest.switch_on("finance__daily")
    lab.until_state("finance__daily", "wait__orders", "deferred")
    lab.rest.switch_on("sales__daily")
    revenue = lab.until_state("finance__daily", "revenue", "success")
    orders = lab.until_state("sales__daily", "orders", "success")
    assert moment(orders["end_date"]) < moment(revenue["start_date"])
    assert orders["logical_date"] == revenue["logical_date"]

    with duckdb.connect(lab.session.home / "two_domains" / "two_domains.duckdb", read_only=True) as database:
        rows = database.execute("select amount, day from revenue").fetchall()
    assert [amount for amount, _ in rows] == [7]
    assert [day - moment(orders["logical_date"]) for _, day in rows] == [timedelta()]
