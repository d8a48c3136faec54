"""Date ranges times static values are the runs, in order, with ids that stay."""

import re
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from dbt_af_k8s.plan.backfill.form import read_backfill_form
from dbt_af_k8s.plan.one_time.runs import count_runs, runs_of
from dbt_af_k8s.plan.one_time.values import Asked, OneTimeRun
from dbt_af_k8s.schedule.values import Interval

#: Airflow's `[scheduler] allowed_run_id_pattern`, and what it takes at most.
RUN_ID = re.compile(r"^[A-Za-z0-9_.~:+-]{1,250}$")


def day(first: int, last: int) -> Interval:
    return Interval(datetime(2026, 1, first, tzinfo=UTC), datetime(2026, 1, last, tzinfo=UTC))


ASKED = Asked("finance__backfill", (day(5, 8),), (("region", ("north", "south")),), chunk="day")


def runs(asked: Asked = ASKED, name: str = "x", version: str | None = None) -> tuple[OneTimeRun, ...]:
    return runs_of(asked, name=name, config_version=version)


def test_every_date_with_every_value() -> None:
    assert [run.label for run in runs()] == [
        "2026-01-05 → 2026-01-06, region=north",
        "2026-01-05 → 2026-01-06, region=south",
        "2026-01-06 → 2026-01-07, region=north",
        "2026-01-06 → 2026-01-07, region=south",
        "2026-01-07 → 2026-01-08, region=north",
        "2026-01-07 → 2026-01-08, region=south",
    ]


def test_newest_first_turns_the_dates_round_and_not_the_values() -> None:
    found = [run.label for run in runs(replace(ASKED, newest_first=True))]
    assert found[:3] == [
        "2026-01-07 → 2026-01-08, region=north",
        "2026-01-07 → 2026-01-08, region=south",
        "2026-01-06 → 2026-01-07, region=north",
    ]


def test_the_configuration_of_a_run_is_that_of_the_form() -> None:
    asked = replace(ASKED, models=("payments+", "tag:x"), variables={"rate": 2}, tags={"ticket": "1"}, with_tests=True)
    assert runs(asked)[0].conf == {
        "start_dttm": "2026-01-05T00:00:00+00:00",
        "end_dttm": "2026-01-06T00:00:00+00:00",
        "models": "payments+ tag:x",
        "vars": {"rate": 2, "region": "north"},
        "with_tests": True,
        "tags": {"ticket": "1"},
        "region": "north",
    }
    form = read_backfill_form(runs(asked)[1].conf)
    assert form.whole == day(5, 6)
    assert form.variables == {"rate": 2, "region": "south"}
    assert form.models == ("payments+", "tag:x")
    assert form.chunk == "none"


def test_only_the_first_run_builds_anew_and_alone() -> None:
    found = runs(replace(ASKED, full_refresh=True, newest_first=True))
    assert [("full_refresh" in run.conf, run.is_alone) for run in found] == [(True, True)] + [(False, False)] * 5


def test_without_dates_the_values_alone_are_the_runs() -> None:
    found = runs(Asked("any", static=(("region", ("north",)), ("tier", (1, 2)))))
    assert [run.label for run in found] == ["region=north, tier=1", "region=north, tier=2"]
    assert found[1].conf == {"vars": {"region": "north", "tier": 2}, "region": "north", "tier": 2}


def test_ids_stay_where_the_runs_are_the_same_and_change_where_they_are_not() -> None:
    ids = {run.run_id for run in runs()}
    for same in (replace(ASKED, concurrency=9), replace(ASKED, newest_first=True), replace(ASKED, poll=1)):
        assert {run.run_id for run in runs(same)} == ids
    wider = replace(ASKED, ranges=(day(5, 9),))
    assert {run.run_id for run in runs(wider)} > ids
    for other in (
        runs(name="y"),
        runs(version="2"),
        runs(replace(ASKED, models=("a",))),
        runs(replace(ASKED, variables={"a": 1})),
        runs(replace(ASKED, dag_id="other")),
    ):
        assert not {run.run_id for run in other} & ids


@settings(max_examples=examples(25))
@given(
    st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=3, unique=True),
    st.text(min_size=1, max_size=200),
    st.sampled_from(["none", "hour", "day", "week", "month"]),
)
def test_ids_are_unique_and_airflow_takes_them(values: list[str], dimension: str, chunk: str) -> None:
    asked = replace(ASKED, static=((dimension, tuple(values)),), chunk=chunk)
    found = runs(asked)
    assert len({run.run_id for run in found}) == len(found) == count_runs(asked)
    assert all(RUN_ID.match(run.run_id) for run in found)
    assert not any(run.run_id.startswith(("manual__", "scheduled__", "backfill__", "asset_")) for run in found)


def test_counting_stops_where_it_is_too_many() -> None:
    asked = replace(ASKED, static=(("one", tuple(range(2000))), ("other", tuple(range(3)))))
    assert 10_000 < count_runs(asked) < 18_000
    assert count_runs(replace(asked, chunk="none")) == 6000
