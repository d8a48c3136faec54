"""The form of a backfill: everything that is wrong at once, and the form of the next chunk."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.errors import FormError
from dbt_af_k8s.plan.backfill.form import BackfillForm, Chain, next_form, read_backfill_form, this_chain
from dbt_af_k8s.schedule.chunks import CHUNKS, cut_range, first_chunk
from dbt_af_k8s.schedule.values import Interval

GOOD = {"start_dttm": "2026-01-01", "end_dttm": "2026-01-03"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def problems(form: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(FormError) as caught:
        read_backfill_form(form)
    return caught.value.problems


def test_a_range_alone_is_enough() -> None:
    assert read_backfill_form(GOOD) == BackfillForm(Interval(at("2026-01-01"), at("2026-01-03")))


def test_dates_are_those_of_the_dags_time_zone() -> None:
    assert read_backfill_form(GOOD, "Europe/Berlin").whole.start == at("2025-12-31T23:00")


def test_all_fields() -> None:
    form = read_backfill_form(
        GOOD
        | {
            "chunk": "week",
            "models": " +orders  tag:nightly ",
            "vars": {"a": [1]},
            "full_refresh": True,
            "with_tests": True,
            "backfill": {"of": "x", "number": 2, "chunks": 9},
        }
    )
    assert (form.chunk, form.models, form.variables) == ("week", ("+orders", "tag:nightly"), {"a": [1]})
    assert (form.full_refresh, form.with_tests, form.chain) == (True, True, Chain("x", 2, 9))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"start_dttm": ""}, "start_dttm is empty: a backfill needs a start and an end."),
        ({"end_dttm": None}, "end_dttm is empty: a backfill needs a start and an end."),
        (
            {"start_dttm": "soon"},
            (
                "start_dttm is no date and time that can be read: 'soon'. Write ISO 8601, for example "
                "2026-03-29T00:00:00+00:00 or 2026-03-29."
            ),
        ),
        ({"end_dttm": "2026-01-01"}, "end_dttm (2026-01-01) is not after start_dttm (2026-01-01)."),
        ({"chunk": "year"}, 'chunk is "year": it can be none, hour, day, week, month.'),
        ({"chunk": ["day"]}, 'chunk is ["day"]: it can be none, hour, day, week, month.'),
        ({"models": ["orders"]}, 'models is ["orders"]: it must be a text.'),
        (
            {"models": "orders --threads"},
            (
                'models cannot hold "--threads": a term of a selection does not begin with `-` and has no control '
                "characters."
            ),
        ),
        ({"vars": "a: 1"}, 'vars is "a: 1": it must be a JSON object, as {"region": "north"}.'),
        ({"vars": {"end_dttm": "x"}}, "vars: end_dttm is the chunk's own and cannot be set."),
        (
            {"vars": {"a": {"b": ["{{ env_var('PW') }}"]}}},
            "vars has Jinja (`{{`) in `a.b[0]`: dbt would run it, so only plain text is taken.",
        ),
        ({"models": "{%a"}, "models has Jinja (`{%`): dbt would run it, so only plain text is taken."),
        (
            {"region": {"{# x #}": 1}},
            "region has Jinja (`{#`) in `{# x #}`: dbt would run it, so only plain text is taken.",
        ),
        ({"full_refresh": "yes"}, 'full_refresh is "yes": it must be true or false.'),
        ({"with_tests": 2}, "with_tests is 2: it must be true or false."),
    ],
)
def test_what_a_form_may_not_hold(change: dict[str, Any], told: str) -> None:
    assert problems(GOOD | change) == (told,)


def test_everything_is_told_at_once() -> None:
    form = {"start_dttm": "2026-13-01", "chunk": "dya", "vars": [], "full_refresh": "no"}
    assert [problem.split()[0] for problem in problems(form)] == [
        "start_dttm",
        "end_dttm",
        "chunk",
        "vars",
        "full_refresh",
    ]


@pytest.mark.parametrize("chain", [None, "x", {}, {"of": "", "number": 1, "chunks": 2}, {"of": "x", "number": "1"}])
def test_what_is_no_chain_is_a_first_run(chain: object) -> None:
    form = read_backfill_form(GOOD | {"chunk": "day", "backfill": chain})
    assert this_chain(form, "manual__1", "UTC") == Chain("manual__1", 1, 2)


@given(st.sampled_from(CHUNKS), st.integers(1, 200), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_following_the_forms_does_the_whole_range_once(chunk: str, hours: int, timezone: str) -> None:
    """From form to form, as the runs start each other, over the hour that is there twice."""
    start = at("2026-10-22T05:30")
    whole = Interval(start, start + timedelta(hours=hours))
    written: dict[str, Any] | None = {
        "start_dttm": whole.start.isoformat(),
        "end_dttm": whole.end.isoformat(),
        "chunk": chunk,
        "vars": {"a": 1},
        "full_refresh": True,
    }
    done, numbers, refreshed = [], [], []
    while written is not None:
        form = read_backfill_form(written, timezone)
        chain = this_chain(form, "first", timezone)
        piece = first_chunk(form.whole, form.chunk, timezone)
        done.append(piece)
        numbers.append((chain.of, chain.number, chain.chunks))
        refreshed.append(form.full_refresh)
        assert form.variables == {"a": 1}
        written = next_form(form, chain, piece)
    assert done == list(cut_range(whole, chunk, timezone))
    assert numbers == [("first", number, len(done)) for number in range(1, len(done) + 1)]
    assert refreshed == [True] + [False] * (len(done) - 1)
