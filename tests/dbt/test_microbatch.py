"""How far back a run of a microbatch model goes, beside dbt's own answer."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.dbt.microbatch import LOOKBACK, Microbatch

SIZES = ("hour", "day", "month", "year")
#: dbt reads microseconds, Airflow's intervals have none below a minute.
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def builder(batches: Microbatch, end: datetime) -> Any:
    """dbt's own answer for a run without explicit event times, of a table that is there."""
    microbatch = pytest.importorskip("dbt.materializations.incremental.microbatch")
    from dbt.artifacts.resources.types import BatchSize
    from dbt.contracts.graph.nodes import NodeConfig

    config = NodeConfig(
        materialized="incremental",
        incremental_strategy="microbatch",
        batch_size=BatchSize(batches.batch_size),
        lookback=batches.lookback,
        begin=batches.begin,
    )
    model = SimpleNamespace(config=config, name="m")
    return microbatch.MicrobatchBuilder(model, True, None, None, end)


@pytest.mark.dbt
@given(
    size=st.sampled_from(SIZES),
    lookback=st.integers(0, 40),
    moment=MOMENTS,
    share=st.floats(0.0, 0.999),
)
def test_a_run_within_one_batch_starts_where_dbt_would_start(
    size: str, lookback: int, moment: datetime, share: float
) -> None:
    """The interval is any part of the batch that ends at or after it; the same `end`, dbt's own start."""
    batches = Microbatch(size, lookback)
    end = builder(batches, moment).build_end_time()
    batch = builder(Microbatch(size, 0), end).build_start_time(end)
    start = batch + (end - batch) * share
    asked = builder(batches, end)
    assert batches.start_of(start) == asked.build_start_time(asked.build_end_time())


@pytest.mark.dbt
@given(size=st.sampled_from(SIZES), lookback=st.integers(0, 40), start=MOMENTS)
def test_lookback_is_counted_as_dbt_offsets_a_batch(size: str, lookback: int, start: datetime) -> None:
    from dbt.artifacts.resources.types import BatchSize
    from dbt.materializations.incremental.microbatch import MicrobatchBuilder

    expected = MicrobatchBuilder.offset_timestamp(start, BatchSize(size), -lookback)
    assert Microbatch(size, lookback).start_of(start) == expected


@given(size=st.sampled_from(SIZES), lookback=st.integers(0, 10**9), start=st.datetimes(timezones=st.just(UTC)))
def test_it_never_goes_before_begin_and_never_fails(size: str, lookback: int, start: datetime) -> None:
    begin = datetime(2020, 5, 5, 5, tzinfo=UTC)
    assert Microbatch(size, lookback, begin).start_of(start) >= begin
    assert Microbatch(size, lookback).start_of(start) <= start


def test_a_batch_of_an_unknown_size_is_not_moved() -> None:
    start = datetime(2026, 3, 1, 5, 30, tzinfo=UTC)
    assert Microbatch().start_of(start) == start


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, Microbatch()),
        ({"batch_size": "day", "lookback": 3}, Microbatch("day", 3)),
        ({"batch_size": "day", "lookback": None}, Microbatch("day", LOOKBACK)),
        ({"batch_size": "fortnight", "lookback": "two"}, Microbatch()),
        ({"batch_size": "day", "lookback": -2}, Microbatch("day", 0)),
        ({"begin": "2026-01-01"}, Microbatch(begin=datetime(2026, 1, 1, tzinfo=UTC))),
        ({"begin": "2026-01-01T05:00:00+02:00"}, Microbatch(begin=datetime(2026, 1, 1, 5, tzinfo=UTC))),
        ({"begin": "soon"}, Microbatch()),
    ],
)
def test_what_the_manifest_says(config: dict[str, Any], expected: Microbatch) -> None:
    assert Microbatch.of_config(config) == expected


def test_a_day_before_the_interval_by_default() -> None:
    day = datetime(2026, 3, 2, tzinfo=UTC)
    assert Microbatch("day").start_of(day) == day - timedelta(days=1)
    assert Microbatch("day", 1, day).start_of(day) == day
