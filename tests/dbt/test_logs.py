"""dbt's log lines, and lines that are none."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.dbt.logs import LogDigest, LogLine, read_line, without_credentials


def event(message: str, level: str = "info", name: str = "Note") -> str:
    return json.dumps({"data": {}, "info": {"level": level, "msg": message, "name": name, "code": "Z001"}})


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", logging.DEBUG),
        ("info", logging.INFO),
        ("warn", logging.WARNING),
        ("error", logging.ERROR),
        ("louder", logging.INFO),
    ],
)
def test_levels_are_those_of_python(level, expected):
    assert read_line(event("hello", level)) == LogLine(expected, "hello", "Note")


@pytest.mark.parametrize("prefix", ["[base] ", "2026-11-20T08:00:00Z stdout F ", "\x1b[0m"])
def test_a_prefix_before_the_event_is_dropped(prefix):
    assert read_line(prefix + event("hello")).message == "hello"


@pytest.mark.parametrize(
    "text",
    [
        "plain text",
        '{"a": 1}',
        "{broken",
        '{"info": 3}',
        "[" * 100_000,
        "\ufffd\ufffd binary",
        "DeprecationWarning: {old}",
        "",
    ],
)
def test_what_is_no_event_is_told_as_it_is(text):
    assert read_line(text) == LogLine(logging.INFO, text)


@given(st.text())
def test_no_line_breaks_the_reader(text):
    line = read_line(text)
    LogDigest().seen(line)


def digest(*lines: str) -> LogDigest:
    found = LogDigest()
    for line in lines:
        found = found.seen(read_line(line))
    return found


def test_the_error_that_ended_dbt_is_kept_without_its_header():
    found = digest(
        event("Registered adapter: duckdb=1.11.1", name="AdapterRegistered"),
        event("Encountered an error:\nDatabase Error\n  refused", "error", "MainEncounteredError"),
    )
    assert found == LogDigest(fatal="Database Error\n  refused", is_ready=True)


def test_a_complaint_about_the_arguments_is_kept():
    found = digest("Usage: dbt run [OPTIONS]", "Try 'dbt run --help' for help.", "", "Error: No such option '--x'.")
    assert found == LogDigest(fatal="No such option '--x'.", is_usage=True)


def test_errors_are_kept_without_repeats_and_not_all_of_a_flood():
    found = digest(
        event("1 of 1 ERROR creating", "error", "LogModelResult"),
        *(event(f"reason {number}", "error", "GenericExceptionOnRun") for number in range(100)),
        event("Failure in model x", "error", "RunResultFailure"),
    )
    assert found.errors[-1] == "reason 99"
    assert len(found.errors) == 20


#: As dbt-duckdb writes it when it cancels a query.
CANCEL = (
    "DuckDB adapter: cancelling query. Details: Connection(_credentials=DuckDBCredentials(path='a', token='s3\"c)ret'))"
)


def test_credentials_that_an_adapter_shows_are_left_out():
    event = json.dumps({"info": {"level": "debug", "msg": CANCEL, "name": "X"}, "data": {"base_msg": CANCEL, "n": 1}})
    kept = "DuckDB adapter: cancelling query. Details: Connection(_credentials=DuckDBCredentials(...)"
    assert json.loads(without_credentials(event)) == {
        "info": {"level": "debug", "msg": kept, "name": "X"},
        "data": {"base_msg": kept, "n": 1},
    }
    assert (read_line(event).message, read_line(CANCEL).message) == (kept, kept)
    assert without_credentials(CANCEL) == kept
    # It begins as an event does, and is none.
    assert "s3" not in without_credentials("{" + CANCEL)
    for harmless in ("class AwsCredentials(Base): pass", "plain"):
        assert (read_line(harmless).message, without_credentials(harmless)) == (harmless, harmless)
