"""`dbt-af-k8s run --form`: which runs a form asks for."""

from datetime import UTC, datetime, timedelta

import pytest
from shop_on_disk import Shop

from dbt_af_k8s.cli.run_form import read_form, runs_of_form
from dbt_af_k8s.cli.run_order import RunStep
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.values import DagKind, DagPlan, FormField
from dbt_af_k8s.schedule.values import Interval

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Interval(datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
FIELDS = (
    FormField("models", "string", "Models", ""),
    FormField("chunk", "string", "Chunk", "", choices=("day", "none")),
    FormField("vars", "object", "Vars", ""),
    FormField("full_refresh", "boolean", "Full refresh", ""),
    FormField("with_tests", "boolean", "With tests", ""),
)


def dag(kind: DagKind) -> DagPlan:
    return DagPlan("sales__x", kind, "sales", None, None, "Europe/Berlin", START, form=FIELDS)


def test_a_backfill_has_a_run_for_each_chunk() -> None:
    form = {"start_dttm": "2026-01-07", "end_dttm": "2026-01-09", "chunk": "day", "full_refresh": True}
    first, second = runs_of_form(dag(DagKind.BACKFILL), form, DAY)
    midnight_in_berlin = datetime(2026, 1, 6, 23, tzinfo=UTC)
    assert first.interval == Interval(midnight_in_berlin, midnight_in_berlin + timedelta(days=1))
    assert second.interval.start == first.interval.end
    assert (first.form["chunk"], first.form["full_refresh"]) == ("none", True)
    assert (second.form["chunk"], second.form["full_refresh"]) == ("none", False)


def test_another_dag_has_one_run_with_the_form_as_it_is() -> None:
    form = {"models": "orders"}
    assert runs_of_form(dag(DagKind.RUN_MODEL), form, DAY) == (RunStep("sales__x", DAY, (), form),)
    form |= {"start_dttm": "2026-01-07T00:00:00+00:00", "end_dttm": "2026-01-08T00:00:00+00:00"}
    (step,) = runs_of_form(dag(DagKind.RUN_MODEL), form, DAY)
    assert step.interval.start == datetime(2026, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "--form is no JSON"),
        ("[1]", "--form must be a JSON object"),
        ('{"model": "orders"}', "has no field 'model'. Did you mean `models`?"),
        ('{"models": 5, "zzz": 1}', "models must be a text, not 5.\nThe form of sales__x has no field 'zzz'."),
        ('{"full_refresh": "yes"}', "full_refresh must be true or false"),
        ('{"vars": [1]}', "vars must be a JSON object"),
        ('{"vars": {"a": ["{{ x }}"]}}', "vars has Jinja (`{{`) in `a[0]`"),
        ('{"models": "{% x"}', "models has Jinja (`{%`)"),
        ('{"chunk": "year"}', "chunk must be one of `day`, `none`."),
        ("[" * 100_000, "--form is no JSON"),
        ('{"zzz": 1}', "It has `start_dttm`, `end_dttm`, `models`"),
        ('{"start_dttm": 5, "end_dttm": "2026-01-01"}', "start_dttm must be a text"),
        ('{"start_dttm": "2026-01-01"}', "start_dttm is given and end_dttm is not"),
    ],
)
def test_a_form_that_cannot_be(text: str, message: str) -> None:
    asked = dag(DagKind.RUN_MODEL)
    with pytest.raises(UsageError) as caught:
        runs_of_form(asked, read_form(asked, text), DAY)
    assert message in str(caught.value)


def test_a_backfill_without_a_range_is_told_before_airflow_starts() -> None:
    with pytest.raises(UsageError, match="end_dttm is empty"):
        runs_of_form(dag(DagKind.BACKFILL), {"start_dttm": "2026-01-01"}, DAY)


def test_a_form_is_for_one_dag(shop: Shop) -> None:
    shop.model("orders").write()
    result = shop.run("run", "sales__daily", "sales__daily", "--form", "{}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--form is for one DAG alone" in " ".join(result.stderr.split())
