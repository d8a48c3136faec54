"""Options that a person may give to `dbt run`: a list of names and types, and nothing that could become another one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.dbt.run_options import read_run_options

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
NAMES = st.sampled_from(
    ["threads", "fail-fast", "exclude", "sample", "selector", "vars", "warn-error-options", "event-time-start", "empty"]
)


@pytest.mark.parametrize(
    ("extra", "options"),
    [
        ({}, ()),
        ({"threads": 4}, ("--threads=4",)),
        ({"--fail-fast": True}, ("--fail-fast",)),
        ({"fail_fast": False}, ("--no-fail-fast",)),
        ({"warn-error": True}, ("--warn-error",)),
        ({"warn-error": False}, ()),
        ({"empty": None}, ()),
        ({"sample": "3 days; rm -rf /"}, ("--sample=3 days; rm -rf /",)),
        ({"selector": "--target"}, ("--selector=--target",)),
        ({"event-time-start": "2026-03-29T02:00:00+02:00"}, ("--event-time-start=2026-03-29T00:00:00",)),
        ({"event-time-end": "2026-03-29"}, ("--event-time-end=2026-03-29T00:00:00",)),
        ({"warn-error-options": {"error": "all"}}, ('--warn-error-options={"error": "all"}',)),
    ],
)
def test_options_become_one_argument_each(extra: dict[str, Any], options: tuple[str, ...]) -> None:
    found = read_run_options(extra)
    assert (found.options, found.problems) == (options, ())


def test_exclude_and_vars_are_told_apart() -> None:
    found = read_run_options({"exclude": "a  tag:b", "vars": {"x": 1}})
    assert (found.exclude, found.variables, found.options) == (("a", "tag:b"), {"x": 1}, ())
    assert read_run_options({"exclude": ["a", "b c"]}).exclude == ("a", "b c")


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"threads": "2"}, 'extra: `threads` takes a whole number from 1, not "2".'),
        ({"threads": 0}, "extra: `threads` takes a whole number from 1, not 0."),
        ({"threads": True}, "extra: `threads` takes a whole number from 1, not true."),
        ({"fail-fast": 1}, "extra: `fail-fast` takes true or false, not 1."),
        ({"vars": "{}"}, 'extra: `vars` takes a JSON object, not "{}".'),
        ({"sample": " "}, 'extra: `sample` takes a text, not " ".'),
        ({"sample": "a\nb"}, 'extra: `sample` takes a text, not "a\\nb".'),
        (
            {"event-time-start": "now"},
            'extra: `event-time-start` takes an ISO 8601 date or time of the years 1970 to 2199, not "now".',
        ),
        (
            {"event-time-end": "0206-01-01"},
            'extra: `event-time-end` takes an ISO 8601 date or time of the years 1970 to 2199, not "0206-01-01".',
        ),
        (
            {"exclude": ["a", "--target"]},
            (
                'extra: `exclude` cannot hold "--target": a term of a selection does not begin with `-` and has no '
                "control characters."
            ),
        ),
        ({"thread": 2}, 'extra: no option "thread" may be given here; did you mean `threads`?'),
        ({"fail-fast": True, "fail_fast": True}, "extra: `fail-fast` stands in it twice."),
        (
            {"profiles-dir": "/etc"},
            (
                'extra: no option "profiles-dir" may be given here; those that do: cache-selected-only, debug, empty, '
                "event-time-end, event-time-start, exclude, fail-fast, populate-cache, sample, selector, threads, "
                "vars, version-check, warn-error, warn-error-options."
            ),
        ),
    ],
)
def test_what_may_not_be_given(extra: dict[str, Any], told: str) -> None:
    assert read_run_options(extra).problems == (told,)


@given(st.dictionaries(NAMES, JSON))
def test_no_value_becomes_an_option_of_its_own(extra: dict[str, Any]) -> None:
    found = read_run_options(extra)
    for option in found.options:
        name = option.partition("=")[0].removeprefix("--").removeprefix("no-")
        assert option.startswith("--")
        assert name in extra
    if not found.problems:
        assert not any(term.startswith("-") or not term for term in found.exclude)


@given(st.dictionaries(st.text(), JSON))
def test_any_json_object_is_read_or_told(extra: dict[str, Any]) -> None:
    found = read_run_options(extra)
    assert len(found.options) + len(found.problems) <= len(extra) * 2 + 3


@pytest.mark.dbt
@pytest.mark.slow
def test_dbt_knows_every_option() -> None:
    dbt = str(Path(sys.executable).with_name("dbt"))
    known = subprocess.run([dbt, "run", "--help"], capture_output=True, text=True, check=True, timeout=120).stdout
    listed = read_run_options({"?": 1}).problems[0].rpartition(": ")[2].rstrip(".").split(", ")
    assert len(listed) > 10
    for name in listed:
        assert f"--{name}" in known
    for name in ("fail-fast", "debug", "empty", "populate-cache", "cache-selected-only", "version-check"):
        assert f"--no-{name}" in known
    assert "--no-warn-error" not in known
