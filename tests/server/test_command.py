"""Which commands may run: the table against dbt's own command line, and attacks on the reader."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.server.command import Command, CommandLimits, check_command
from dbt_af_k8s.server.options import ALLOWED, DEFAULT_VERBS, FLAG, MANY, NEVER_VERBS, ONE, OWN, REFUSED, SHORT, VERBS

LIMITS = CommandLimits(DEFAULT_VERBS, None, 50, 2000)

#: Every option of dbt with what follows it, and every verb, as dbt's own command line has them.
ASK_DBT = """
import json
from dbt.cli.main import cli
found, verbs = {}, []
def look(command, words):
    for each in command.params:
        for name in (*each.opts, *each.secondary_opts):
            if name.startswith("-"):
                kind = "flag" if each.is_flag else "many" if type(each).__name__ == "MultiOption" else "one"
                found.setdefault(name, set()).add(kind)
    below = getattr(command, "commands", {})
    if words and not below:
        verbs.append(" ".join(words))
    for name, each in below.items():
        look(each, (*words, name))
look(cli, ())
print(json.dumps([{name: sorted(kinds) for name, kinds in found.items()}, verbs]))
"""


def problems(*words: str, limits: CommandLimits = LIMITS) -> str:
    found = check_command(words, limits)
    assert isinstance(found, tuple), found
    return "\n".join(found)


def command(*words: str) -> Command:
    found = check_command(words, LIMITS)
    assert isinstance(found, Command), found
    return found


@pytest.mark.dbt
def test_the_table_is_dbt_s() -> None:
    told = subprocess.run([sys.executable, "-c", ASK_DBT], capture_output=True, text=True, check=True).stdout
    known, verbs = json.loads(told)
    assert {name: kind for name, kind in ALLOWED.items() if kind not in known.get(name, ())} == {}
    assert [name for name in (*OWN, *REFUSED, *SHORT) if name not in known] == []
    assert set(VERBS) <= set(verbs)
    assert set(ALLOWED).isdisjoint(REFUSED)
    assert set(ALLOWED).isdisjoint(OWN)
    assert set(DEFAULT_VERBS).isdisjoint(NEVER_VERBS)
    assert {ALLOWED[long] for long in SHORT.values()} <= {FLAG, ONE, MANY}


def test_options_before_and_after_the_verb() -> None:
    found = command("--log-format", "json", "--debug", "run", "-s", "a", "b+", "--vars", "{x: 1}", "--full-refresh")
    assert found.words == ("run", "--debug", "--select", "a", "b+", "--vars={x: 1}", "--full-refresh")
    assert found.values("--select") == ("a", "b+")
    assert found.values("--exclude") is None


def test_verbs_of_two_words_and_a_macro() -> None:
    assert command("source", "freshness", "--select", "source:a").verb == "source freshness"
    assert command("run-operation", "--args", "{a: 1}", "grant").words == ("run-operation", "grant", "--args={a: 1}")
    assert command("docs", "generate", "--no-compile").words == ("docs", "generate", "--no-compile")


def test_a_project_may_be_named_and_is_left_to_the_server() -> None:
    assert command("run", "--project-dir", "/x").project_dir == "/x"
    assert command("run", "--project-dir=/x").words == ("run",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "empty"),
        (("init", "x"), "begins with"),
        (("serve",), "begins with"),
        (("clean",), "not allowed"),
        (("deps",), "not allowed"),
        (("show", "--inline", "select 1"), "--inline is refused"),
        (("run", "extra"), "takes no"),
        (("run", "--profiles-dir", "/etc"), "refused"),
        (("run", "--profiles-dir=/etc"), "refused"),
        (("run", "--profile", "other"), "refused"),
        (("run", "--target-path", "/x"), "refused"),
        (("run", "--log-path", "/x"), "refused"),
        (("run", "--log-format", "text"), "own"),
        (("run", "--log-format=text"), "own"),
        (("run", "--state", "/x"), "refused"),
        (("run", "-r", "/x"), "refused"),
        (("run", "--no-write-json"), "refused"),
        (("run", "--selct", "a"), "did you mean --select?"),
        (("run", "--profiles", "/x"), "not allowed"),
        (("run", "-sfoo"), "not allowed"),
        (("run", "--select"), "needs a value"),
        (("run", "--select=-x"), "begins with"),
        (("run", "--select", ""), "empty"),
        (("run", "--vars"), "needs a value"),
        (("run", "--full-refresh=1"), "takes no value"),
        (("run", "--select", "a\0b"), "no argument"),
        (("run", "--select", "\ud800"), "no argument"),
        (("run-operation",), "name of a macro"),
        (("run-operation", "a", "b"), "takes no"),
        (("run", *["--debug"] * 60), "words"),
        (("run", "--vars", "x" * 3000), "bytes"),
    ],
)
def test_what_is_refused_says_why(words: tuple[str, ...], said: str) -> None:
    assert said in problems(*words)


def test_all_problems_are_told_at_once() -> None:
    found = problems("runn", "--state", "x", "--inline", "y")
    assert len(found.splitlines()) == 3


def test_targets_of_the_settings() -> None:
    limits = CommandLimits(DEFAULT_VERBS, ("dev",), 50, 2000)
    assert "takes one of dev" in problems("run", "--target", "prod", limits=limits)
    assert isinstance(check_command(("run", "-t", "dev"), limits), Command)


@given(st.lists(st.one_of(st.sampled_from([*ALLOWED, *OWN, *REFUSED, *SHORT, *VERBS, "--", "-", "="]), st.text())))
def test_nothing_that_is_let_through_is_an_option_outside_of_the_table(words: list[str]) -> None:
    found = check_command(words, LIMITS)
    if isinstance(found, Command):
        names = [word.partition("=")[0] for word in found.words if word.startswith("-")]
        assert [name for name in names if name not in ALLOWED] == []
        # Read again it says the same: what was taken for a value is none of dbt's options.
        assert check_command(found.words, LIMITS) == Command(found.verb, found.arguments, found.options)
