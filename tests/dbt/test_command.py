"""The dbt command of a task."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from dbt_af_k8s.dbt.command import argv_here, dbt_program, dbt_words, operation_words, selection_words
from dbt_af_k8s.dbt.microbatch import Microbatch
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection, FreeSelection
from dbt_af_k8s.errors import UsageError

ORDERS = DbtSelection("model.shop.orders", "model", "shop", ("shop", "orders"))
UNIQUE = DbtSelection("test.shop.unique_orders_id.1", "test", "shop", ("shop", "unique_orders_id"))
NOT_NULL = DbtSelection("test.shop.not_null_orders_id.2", "test", "shop", ("shop", "not_null_orders_id"))


def argv(invocation, *, project=None, start=None, end=None, variables=None):
    words = dbt_words(
        invocation,
        start=start or datetime(2026, 3, 1, tzinfo=UTC),
        end=end or datetime(2026, 3, 2, tzinfo=UTC),
        variables=variables,
    )
    return here(words, invocation, project)


def here(words, invocation, project=None):
    where = project or DbtProject(Path("/dbt/shop"))
    return argv_here(words, where, executable=invocation.executable, target_path=Path("/tmp/target"))


def value_of(flag, words):
    return words[words.index(flag) + 1]


def test_nodes_that_are_done_are_named_and_left_out():
    """A place that starts from slices needs them: what is built may come after something by way of them."""
    words = dbt_words(
        DbtInvocation("build", (ORDERS, UNIQUE, NOT_NULL)),
        start=datetime(2026, 3, 1, tzinfo=UTC),
        end=datetime(2026, 3, 2, tzinfo=UTC),
        done=(ORDERS, NOT_NULL),
    )
    after = words[words.index("--exclude") + 1 :]
    assert after[: after.index("--vars")] == (words[2], words[4])
    assert words[5] == "--exclude"


def test_the_whole_command_of_a_model():
    project = DbtProject(Path("/dbt/shop"), Path("/dbt/profiles"))
    assert argv(DbtInvocation("run", (ORDERS,), target="prod", executable="/opt/dbt/bin/dbt"), project=project) == (
        "/opt/dbt/bin/dbt",
        "run",
        "--select",
        "fqn:shop.order[s],fqn:order[s],package:sho[p],resource_type:model",
        "--vars",
        '{"end_dttm": "2026-03-02T00:00:00+00:00", "start_dttm": "2026-03-01T00:00:00+00:00"}',
        "--target",
        "prod",
        "--project-dir",
        "/dbt/shop",
        "--profiles-dir",
        "/dbt/profiles",
        "--target-path",
        "/tmp/target",
        "--log-path",
        "/tmp/target/logs",
        "--log-format",
        "json",
        "--log-level-file",
        "none",
        "--no-use-colors",
        "--no-send-anonymous-usage-stats",
        "--no-partial-parse",
        "--write-json",
    )


def test_tests_run_together_and_draw_in_no_others():
    words = argv(DbtInvocation("test", (UNIQUE, NOT_NULL)))
    first = words.index("--select")
    assert [word.partition(",")[0] for word in words[first + 1 : first + 3]] == [
        "fqn:shop.unique_orders_i[d]",
        "fqn:shop.not_null_orders_i[d]",
    ]
    assert words[first + 3] == "--vars"
    assert value_of("--indirect-selection", words) == "empty"


def test_without_a_target_or_profiles_folder_dbt_decides():
    words = argv(DbtInvocation("seed", (ORDERS,)))
    assert "--target" not in words
    assert "--profiles-dir" not in words


def test_the_interval_goes_over_vars_of_the_same_name_and_is_utc():
    berlin = ZoneInfo("Europe/Berlin")
    words = argv(
        DbtInvocation("run", (ORDERS,)),
        start=datetime(2026, 3, 29, 0, 0, tzinfo=berlin),
        end=datetime(2026, 3, 30, 0, 0, tzinfo=berlin),
        variables={"start_dttm": "never", "shop": {"city": "Køln"}},
    )
    assert json.loads(value_of("--vars", words)) == {
        "start_dttm": "2026-03-28T23:00:00+00:00",
        "end_dttm": "2026-03-29T22:00:00+00:00",
        "shop": {"city": "Køln"},
    }


@pytest.mark.parametrize("text", ["{{ env_var('PW') }}", "a {% set x = 1 %}", "{# b"])
@pytest.mark.parametrize("shape", [lambda text: {"a": text}, lambda text: {text: 1}, lambda text: {"a": [{"b": text}]}])
def test_no_command_carries_jinja_in_its_vars(text, shape):
    with pytest.raises(UsageError, match="dbt would run it"):
        argv(DbtInvocation("run", (ORDERS,)), variables=shape(text))


def test_a_microbatch_model_gets_the_event_times_as_dbt_reads_them():
    words = argv(
        DbtInvocation("run", (ORDERS,), microbatch=Microbatch()),
        start=datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Berlin")),
    )
    assert value_of("--event-time-start", words) == "2026-03-28T23:00:00"
    assert value_of("--event-time-end", words) == "2026-03-02T00:00:00"


def test_an_interval_without_a_time_zone_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="time zone"):
        argv(DbtInvocation("run", (ORDERS,)), start=datetime(2026, 3, 1))  # noqa: DTZ001


def test_the_program_is_the_one_beside_this_python_unless_named():
    assert dbt_program(None) == str(Path(sys.executable).with_name("dbt"))
    assert dbt_program("dbt-1.12") == "dbt-1.12"
    assert dbt_program("~/venv/bin/dbt") == str(Path.home() / "venv/bin/dbt")


def test_without_dbt_beside_python_the_path_decides(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert dbt_program(None) == "dbt"


def test_an_operation_is_a_macro_with_arguments_and_no_selection():
    options = (("additional_predicate", "note = 'ü🧹\x85'"), ("expiration_timeout", 2), ("key", "seen_at"))
    invocation = DbtInvocation("run-operation", (ORDERS,), target="prod", operation="ttl", options=options)
    end = datetime(2026, 3, 2, 2, tzinfo=ZoneInfo("Europe/Berlin"))
    words = here(operation_words(invocation, start=datetime(2026, 3, 1, tzinfo=UTC), end=end), invocation)
    assert words[1:4] == ("run-operation", "dbt_af_k8s.ttl", "--args")
    assert yaml.safe_load(words[4]) == {
        "model": "model.shop.orders",
        "as_of": "2026-03-02T01:00:00+00:00",
        **dict(options),
    }
    assert words[4].isascii()
    assert "--select" not in words
    assert (value_of("--target", words), value_of("--target-path", words)) == ("prod", "/tmp/target")
    assert "--no-partial-parse" in words


def test_an_operation_without_its_name_is_refused():
    with pytest.raises(ValueError, match="no operation"):
        operation_words(
            DbtInvocation("run-operation", (ORDERS,)),
            start=datetime(2026, 3, 1, tzinfo=UTC),
            end=datetime(2026, 3, 2, tzinfo=UTC),
        )


def test_variables_are_yaml_whatever_letters_are_in_them():
    words = argv(DbtInvocation("run", (ORDERS,)), variables={"note": "ü🧹\x85\x7f\\u00fc"})
    assert yaml.safe_load(value_of("--vars", words))["note"] == "ü🧹\x85\x7f\\u00fc"


@pytest.mark.parametrize(("verb", "knows"), [("run", True), ("seed", True), ("snapshot", False), ("test", False)])
def test_a_full_refresh_is_for_verbs_that_know_it(verb, knows):
    words = dbt_words(
        DbtInvocation(verb, (ORDERS,)),
        start=datetime(2026, 3, 1, tzinfo=UTC),
        end=datetime(2026, 3, 2, tzinfo=UTC),
        full_refresh=True,
    )
    assert ("--full-refresh" in words) is knows


def test_the_freshness_of_a_source_is_a_command_of_two_words():
    source = DbtSelection("source.shop.raw.orders", "source", "shop", ("shop", "raw", "orders"))
    words = argv(DbtInvocation("freshness", (source,), target="prod"))
    assert words[1:5] == ("source", "freshness", "--select", "source:shop.raw.orders")
    assert value_of("--target", words) == "prod"
    assert value_of("--target-path", words) == "/tmp/target"


def test_a_selection_by_a_person_is_one_word_for_each_term():
    selection = FreeSelection(("+orders", "tag:x"), ("a",), True, {"n": 1}, ("--threads=2",))
    invocation = DbtInvocation("run", (), "prod", executable="dbt")
    told = selection_words(
        invocation, selection, start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 3, 2, tzinfo=UTC)
    )
    words = here(told, invocation)
    assert words[:7] == ("dbt", "run", "--select", "+orders", "tag:x", "--exclude", "a")
    assert told[-2:] == ("--full-refresh", "--threads=2")
    assert json.loads(value_of("--vars", words)) == {
        "n": 1,
        "start_dttm": "2026-03-01T00:00:00+00:00",
        "end_dttm": "2026-03-02T00:00:00+00:00",
    }
    assert value_of("--target", words) == "prod"
