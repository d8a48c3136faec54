"""The verdict over what dbt wrote."""

import json
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.dbt.logs import LogDigest
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.dbt.results import NodeResult, read_results, verdict, verdict_of_selection

ORDERS = "model.shop.orders"
FINE = ProcessEnd(0)
FAILED = ProcessEnd(1)
NOTHING_SAID = LogDigest(is_ready=True)


def row(status="success", unique_id=ORDERS, message=""):
    return NodeResult(unique_id, status, message)


def judge(*rows, expected=(ORDERS,), end=FINE, log=NOTHING_SAID):
    return verdict(expected, rows, end, log)


@pytest.mark.parametrize("status", ["success", "pass", "warn", "no-op"])
def test_good_statuses_are_green(status):
    found = judge(row(status))
    assert (found.ok, found.retryable) == (True, False)
    assert found.results == (row(status),)


@pytest.mark.parametrize("status", ["error", "fail", "skipped", "partial success", "runtime error", "", "splendid"])
def test_all_others_are_red_whatever_the_exit_code(status):
    assert not judge(row(status)).ok


def test_exit_code_0_without_a_row_is_red_and_tried_again():
    found = judge()
    assert not found.ok
    assert found.retryable
    assert ORDERS in found.summary


def test_one_row_of_two_is_red():
    found = judge(row(), expected=(ORDERS, "model.shop.other"))
    assert not found.ok
    assert "model.shop.other" in found.summary


def test_a_row_nobody_asked_for_is_red_for_good():
    found = judge(row(), row(unique_id="model.shop.other"))
    assert (found.ok, found.retryable) == (False, False)


def test_rows_of_hooks_are_no_strangers_but_count_when_they_fail():
    hook = "operation.shop.shop-on-run-end-0"
    assert judge(row(), row(unique_id=hook)).ok
    found = judge(row(), row("error", hook, "on-run-end.0 failed, error: no"), end=FAILED)
    assert (found.ok, found.retryable) == (False, True)
    assert hook in found.summary


def test_a_bad_exit_code_is_red_though_all_rows_are_good():
    found = judge(row(), end=FAILED)
    assert (found.ok, found.retryable) == (False, True)


@pytest.mark.parametrize(
    ("status", "message", "retryable"),
    [
        ("fail", "Got 1 result, configured to fail if != 0", False),
        ("error", "Compilation Error in model orders (models/orders.sql)\n  'x' is undefined.", False),
        ("error", "Runtime Error in model orders (models/orders.sql)\n  Parser Error: syntax error at ...", False),
        ("error", 'Database Error in model orders (models/orders.sql)\n  syntax error at or near "selec"', False),
        (
            "error",
            "Database Error in model o\n  001003 (42000): 01b: SQL compilation error:\n  syntax error line 1",
            False,
        ),
        ("error", "Database Error in model o (models/o.sql)\n  Syntax error: Unexpected identifier at [1:1]", False),
        ("error", "Runtime Error in model o (models/o.sql)\n  [PARSE_SYNTAX_ERROR] Syntax error at or near 'x'", False),
        ("error", "Runtime Error in model orders\n  Catalog Error: Table with name nowhere does not exist!", True),
        ("error", 'Database Error in model orders\n  relation "nowhere" does not exist', True),
        ("error", "Database Error in model orders\n  server closed the connection unexpectedly", True),
        ("error", 'Database Error in model orders\n  bad json: "syntax error at or near"', True),
        ("error", 'Database Error in model orders\n  schema "nowhere" does not exist', True),
        ("error", 'Database Error in model orders\n  invalid input syntax for type integer: "a"', True),
        ("error", 'Runtime Error in model orders\n  Binder Error: Catalog "other" does not exist!', True),
        ("error", "Runtime Error in model orders\n  Binder Error: Contents of view were altered: names differ!", True),
        ("error", "ERROR", True),
        ("skipped", "", True),
    ],
)
def test_only_what_is_sure_to_fail_again_is_not_retried(status, message, retryable):
    assert judge(row(status, message=message), end=FAILED).retryable is retryable


def test_one_lasting_failure_makes_a_retry_useless():
    broken = row("error", "test.shop.b", "Database Error in test b\n  connection lost")
    failed = row("fail", "test.shop.a", "Got 1 result")
    assert not judge(failed, broken, expected=("test.shop.a", "test.shop.b"), end=FAILED).retryable


@pytest.mark.parametrize(
    ("log", "retryable"),
    [
        (LogDigest("Compilation Error\n  dbt found 1 package(s) ...", is_ready=True), False),
        (LogDigest("Parsing Error\n  Env var required but not provided: 'X'"), False),
        (LogDigest("Runtime Error\n  The profile 'shop' does not have a target named 'x'."), False),
        (LogDigest("Runtime Error\n  something in the middle", is_ready=True), True),
        (LogDigest("Database Error\n  connection refused", is_ready=True), True),
        (LogDigest("IO Error: Could not set lock on file", is_ready=True), True),
        (LogDigest("No such option '--x'.", is_usage=True), False),
    ],
)
def test_what_ended_dbt_early_decides_over_a_retry(log, retryable):
    found = verdict((ORDERS,), None, ProcessEnd(2), log)
    assert (found.ok, found.retryable) == (False, retryable)
    assert found.summary == f"dbt ended with an error:\n{log.fatal}"


def test_a_killed_dbt_is_named_by_its_signal_and_tried_again():
    found = verdict((ORDERS,), None, ProcessEnd(-signal.SIGKILL), LogDigest())
    assert found.retryable
    assert "SIGKILL" in found.summary
    assert "memory" in found.summary
    assert "signal 99" in verdict((ORDERS,), None, ProcessEnd(-99), LogDigest()).summary


def test_a_good_row_of_a_dbt_that_was_killed_is_red():
    assert not judge(row(), end=ProcessEnd(-signal.SIGKILL)).ok
    assert not judge(row(), end=ProcessEnd(-signal.SIGINT, was_stopped=True)).ok


def test_the_time_limit_is_told():
    found = verdict((ORDERS,), None, ProcessEnd(-signal.SIGINT, was_stopped=True, is_timeout=True), LogDigest())
    assert found.summary == "dbt was stopped: it ran into the time limit."
    assert found.retryable


def test_where_the_row_says_nothing_the_log_does():
    log = LogDigest(is_ready=True, errors=("Unhandled error: no such column",))
    assert judge(row("error", message="ERROR"), end=FAILED, log=log).summary == (
        "node model.shop.orders: error\nERROR\nUnhandled error: no such column"
    )


def test_a_very_long_message_is_cut():
    assert len(judge(row("error", message="x y" * 100_000), end=FAILED).summary) < 3000


def test_many_good_tests_are_counted():
    rows = (row("pass", "test.shop.a"), row("warn", "test.shop.b"), row("pass", "test.shop.c"))
    assert judge(*rows, expected=("test.shop.a", "test.shop.b", "test.shop.c")).summary == "3 nodes: 2 pass, 1 warn"


def test_rows_are_read_as_dbt_writes_them(tmp_path):
    document = {
        "results": [
            {
                "unique_id": ORDERS,
                "status": "success",
                "execution_time": 0.5,
                "message": "INSERT 0 3",
                "failures": None,
                "adapter_response": {"_message": "INSERT 0 3", "code": "INSERT", "rows_affected": 3},
            },
            {"unique_id": "test.shop.a", "status": "fail", "failures": 2, "message": None, "adapter_response": {}},
        ]
    }
    (tmp_path / "run_results.json").write_text(json.dumps(document))
    assert read_results(tmp_path) == (
        NodeResult(ORDERS, "success", "INSERT 0 3", None, 0.5, 3),
        NodeResult("test.shop.a", "fail", "", 2, 0.0, None),
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"results": 3}', "\xff"])
def test_what_is_no_result_file_reads_as_none(tmp_path, text):
    (tmp_path / "run_results.json").write_bytes(text.encode("latin-1"))
    assert read_results(tmp_path) is None


def test_no_file_reads_as_none(tmp_path):
    assert read_results(tmp_path) is None


def test_rows_with_odd_values_do_not_break_the_reader(tmp_path):
    odd = {"unique_id": ORDERS, "status": None, "adapter_response": [], "execution_time": "x", "failures": -1}
    (tmp_path / "run_results.json").write_text(json.dumps({"results": [odd, 3, {"unique_id": 4}]}))
    assert read_results(tmp_path) == (NodeResult(ORDERS, ""),)


STATUSES = ["success", "pass", "warn", "no-op", "error", "fail", "skipped"]
IDS = ["model.shop.a", "model.shop.b", "test.shop.c", "operation.shop.h"]


@given(
    rows=st.dictionaries(st.sampled_from(IDS), st.sampled_from(STATUSES)),
    expected=st.lists(st.sampled_from(IDS[:3]), min_size=1, unique=True),
    exit_code=st.integers(-20, 3),
)
def test_green_means_that_every_node_has_a_good_row_and_dbt_agrees(rows, expected, exit_code):
    results = tuple(NodeResult(unique_id, status) for unique_id, status in rows.items())
    found = verdict(tuple(expected), results, ProcessEnd(exit_code), NOTHING_SAID)
    good = {"success", "pass", "warn", "no-op"}
    should_be_green = (
        exit_code == 0
        and set(expected) <= set(rows)
        and set(rows) - {"operation.shop.h"} <= set(expected)
        and set(rows.values()) <= good
    )
    assert found.ok is should_be_green
    assert bool(found.summary)


def selected(*rows, end=FINE, log=NOTHING_SAID):
    return verdict_of_selection(rows, end, log)


def test_a_selection_is_green_when_every_row_is_and_there_is_one():
    found = selected(row(), row("warn", "model.shop.b"), row(unique_id="operation.shop.hook-0"))
    assert (found.ok, [result.unique_id for result in found.results]) == (True, [ORDERS, "model.shop.b"])


@pytest.mark.parametrize("rows", [(), (row(unique_id="operation.shop.hook-0"),)])
def test_a_selection_without_a_node_is_red_for_good(rows):
    found = selected(*rows)
    assert (found.ok, found.retryable) == (False, False)
    assert "dbt found nothing to run (exit code 0)" in found.summary


def test_what_a_failure_leaves_out_is_named_once():
    found = selected(
        row("error", message="Runtime Error\n  x"),
        row("skipped", "model.shop.b"),
        row("skipped", "model.shop.c"),
        end=FAILED,
    )
    assert (found.ok, found.retryable) == (False, True)
    assert found.summary == (
        "node model.shop.orders: error\nRuntime Error\n  x\n"
        "dbt left out what is downstream of a failure: model.shop.b, model.shop.c"
    )


def test_a_selection_that_dbt_could_not_begin_tells_dbts_own_words():
    found = verdict_of_selection(None, FAILED, LogDigest(fatal="Compilation Error\n  no"))
    assert (found.ok, found.retryable, found.summary) == (
        False,
        False,
        "dbt ended with an error:\nCompilation Error\n  no",
    )


def test_a_selection_with_good_rows_and_a_bad_exit_code_is_red():
    assert not selected(row(), end=FAILED).ok
