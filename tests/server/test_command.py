"""Which commands may run: the table against dbt's own command line, and attacks on the reader."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.server.command import Command, CommandLimits, check_command
from dbt_af_k8s.server.option_kinds import FLAG, MANY, ONE, leaves_project
from dbt_af_k8s.server.options import ALLOWED, DEFAULT_VERBS, NEVER_VERBS, OFFERED_VERBS, OWN, REFUSED, SHORT, VERBS

LIMITS = CommandLimits(DEFAULT_VERBS, None, 50, 2000, threads=8, macros=("grant",))
#: dbt's command lines, as `dbt_command_line.py` read them: version -> verb -> option -> what follows it.
COMMAND_LINES = Path(__file__).parent / "dbt_options"
ENGINES = sorted(COMMAND_LINES.glob("*.json"), key=lambda path: path.stem)


def problems(*words: str, limits: CommandLimits = LIMITS) -> str:
    found = check_command(words, limits)
    assert isinstance(found, tuple), found
    return "\n".join(found)


def command(*words: str) -> Command:
    found = check_command(words, LIMITS)
    assert isinstance(found, Command), found
    return found


@pytest.mark.parametrize("engine", ENGINES, ids=lambda path: path.stem)
def test_every_option_of_dbt_is_in_a_row(engine: Path) -> None:
    dbt = json.loads(engine.read_text())
    assert [verb for verb in dbt if verb not in VERBS] == []
    rows = {*ALLOWED, *SHORT, *OWN, *REFUSED, "--project-dir"}
    assert {verb: left for verb in OFFERED_VERBS if (left := sorted(dbt.get(verb, {}).keys() - rows))} == {}
    # What writes or reads where the value says is nobody's to give.
    paths = {(verb, name) for verb in OFFERED_VERBS for name, kind in dbt.get(verb, {}).items() if kind == "path"}
    assert [(verb, name) for verb, name in paths if name in ALLOWED and verb in ALLOWED[name].verbs] == []


def test_the_table_is_dbt_s() -> None:
    dbt = json.loads((COMMAND_LINES / "1.11.json").read_text())
    for name, row in ALLOWED.items():
        wrong = [verb for verb in row.verbs if dbt[verb].get(name) != row.kind.takes]
        # One option of three verbs is a path for a fourth.
        assert wrong == [], name
    assert [name for name, long in SHORT.items() if dbt["run"].get(name) != ALLOWED[long].kind.takes] == []
    assert set(ALLOWED).isdisjoint(REFUSED)
    assert set(ALLOWED).isdisjoint(OWN)
    assert set(OFFERED_VERBS).isdisjoint(NEVER_VERBS)
    assert {row.kind.takes for row in ALLOWED.values()} == {FLAG, ONE, MANY}


@pytest.mark.dbt
@pytest.mark.parametrize(
    "program", [str(Path(sys.executable).with_name("dbt")), *os.environ.get("DBT_AF_K8S_TEST_DBT", "").split()]
)
def test_the_command_lines_kept_here_are_those_of_dbt(program: str) -> None:
    """Further dbt programs are named by DBT_AF_K8S_TEST_DBT."""
    read = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("dbt_command_line.py")), program],
        capture_output=True,
        text=True,
        check=True,
    )
    version, found = json.loads(read.stdout)
    kept = COMMAND_LINES / f"{version}.json"
    if os.environ.get("UPDATE_GOLDENS"):
        rows = [f" {json.dumps(verb)}: {json.dumps(options)}" for verb, options in sorted(found.items())]
        kept.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    assert found == json.loads(kept.read_text())


def test_options_before_and_after_the_verb() -> None:
    found = command("--log-format", "json", "--debug", "run", "-s", "a", "b+", "--vars", "{x: 1}", "--full-refresh")
    assert found.words == ("run", "--debug", "--select", "a", "b+", "--vars={x: 1}", "--full-refresh")
    assert found.values("--select") == ("a", "b+")
    assert found.values("--exclude") is None


def test_verbs_of_two_words_and_a_macro() -> None:
    assert command("source", "freshness", "--select", "source:a").verb == "source freshness"
    words = ("run-operation", "grant", "--args={a: 1}")
    assert command("run-operation", "--args", "{a: 1}", "grant").words == words
    assert command("docs", "generate", "--no-compile").words == ("docs", "generate", "--no-compile")


def test_a_project_may_be_named_and_is_left_to_the_server() -> None:
    assert command("run", "--project-dir", "/x").project_dir == "/x"
    assert command("run", "--project-dir=/x").words == ("run",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "empty"),
        (("init", "x"), "not allowed"),
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
        (("run-operation", "grant", "b"), "takes no"),
        (("run", *["--debug"] * 60), "words"),
        (("run", "--vars", "x" * 3000), "bytes"),
        (("source", "freshness", "-o", "/etc/cron.d/x"), "private target folder"),
        (("source", "freshness", "--output", "/etc/cron.d/x"), "may not be given to dbt source freshness"),
        (("source", "freshness", "--output=../x"), "may not be given to dbt source freshness"),
        (("test", "--full-refresh"), "may not be given to dbt test"),
        (("run", "--threads", "100000"), "from 1 to 256"),
        (("run", "--threads", "9"), "8 at most"),
        (("run", "--threads", "0"), "from 1 to 256"),
        (("run", "--threads=-1"), "from 1 to 256"),
        (("run", "--threads", "4x"), "from 1 to 256"),
        (("run", "--printer-width", "999999999"), "from 20 to 1000"),
        (("run", "--log-level", "loud"), "one of debug"),
        (("run", "--target", "../prod"), "name of a target"),
        (("run", "--target", "{{ env_var('X') }}"), "name of a target"),
        (("run", "--event-time-start", "yesterday"), "ISO 8601"),
        (("run", "--sample", "{{ env_var('X') }}"), "Jinja"),
        (("ls", "--output-keys", "a/b"), "letters, digits"),
        (("run", "--select", "path:../../etc/*"), "leads out"),
        (("run", "--select", "path:/etc/*"), "leads out"),
        (("run", "--select", "models/../../etc"), "leads out"),
        (("run", "--select", "orders,path:models/../../x"), "leads out"),
        (("run", "--select", "orders @2+path:../x+"), "leads out"),
        (("run", "--exclude", "1+path:/etc+1"), "leads out"),
        (("run", "--select", "path:**/**/**/**/**/**"), "too much"),
        (("run", "--select", "path:a/**,path:**/**/**/**/*"), "too much"),
        (("run", "--vars", "{a: [1, {b: \"x {{ env_var('X') }}\"}]}"), "Jinja"),
        (("run", "--vars", "{'{% do %}': 1}"), "Jinja"),
        (("run", "--vars", "[1, 2]"), "no mapping"),
        (("run", "--vars", "{a: 1"), "YAML"),
        (("run", "--vars", "!!python/object/apply:os.system [ls]"), "--vars"),
        (("run-operation", "run_query", "--args", "{sql: drop}"), "may not call"),
        (("run-operation", "dbt.run_query"), "may not call"),
        (("run-operation", "other.grant"), "may not call"),
        (("run-operation", "dbt_af_k8s.run_in_transaction"), "may not call"),
        (("run-operation", "grant", "--args", "{a: \"{{ env_var('X') }}\"}"), "Jinja"),
        (("run-operation", "dbt_af_k8s.vacuum"), "`model`"),
        (("run-operation", "dbt_af_k8s.vacuum", "--args", "{model: 'x; drop'}"), "model"),
        (("run-operation", "dbt_af_k8s.vacuum", "--args", "{model: model.a.b, sql: x}"), "sql"),
        (
            ("run-operation", "dbt_af_k8s.ttl", "--args", "{model: model.a.b, as_of: soon, key: a}"),
            "ISO 8601",
        ),
        (
            ("run-operation", "dbt_af_k8s.ttl", "--args", "{model: model.a.b, expiration_timeout: '1'}"),
            "whole number",
        ),
    ],
)
def test_what_is_refused_says_why(words: tuple[str, ...], said: str) -> None:
    assert said in problems(*words)


def bomb(levels: int) -> str:
    """YAML of a few hundred letters that is ten to the power of so many values."""
    layers = ["a0: &a0 [" + ",".join(["x"] * 10) + "]"]
    layers += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "{" + ", ".join(layers) + "}"


@pytest.mark.parametrize("option", ["--vars", "--args", "--warn-error-options"])
def test_a_bomb_of_aliases_is_refused(option: str) -> None:
    said = problems("run-operation", "grant", option, bomb(9))
    assert "more than 200000 values" in said
    assert "aliases" in said
    deep = problems("run-operation", "grant", option, "[" * 500 + "]" * 500)
    assert "nested deeper" in deep


def test_many_terms_in_one_word_are_many_terms() -> None:
    limits = CommandLimits(DEFAULT_VERBS, None, 50, 100_000)
    words = ("run", "--select", " ".join(f"path:models/a{number}/*" for number in range(2000)))
    assert isinstance(check_command(words, limits), Command)
    assert "too much" in problems("run", "--select", "x" * 4001, limits=limits)


def test_our_own_maintenance_and_named_macros_may_be_called() -> None:
    ttl = {"model": "model.shop.orders", "key": "at", "expiration_timeout": 3, "as_of": "2026-03-01T00:00:00+00:00"}
    assert command("run-operation", "dbt_af_k8s.ttl", "--args", json.dumps(ttl)).macro == "dbt_af_k8s.ttl"
    copies = {"model": "snapshot.shop.grün", "unique_key": ["a", "b"], "order_by": "at desc"}
    command("run-operation", "dbt_af_k8s.deduplicate", "--args", json.dumps(copies))
    assert command("run-operation", "grant").macro == "grant"


#: The method and the value that dbt itself reads of each term, and whether it takes the value for a path.
ASK_SELECTION = """
import json, sys
from dbt.graph.selector_spec import RAW_SELECTOR_PATTERN, SelectionCriteria
found = []
for term in json.load(sys.stdin):
    match = RAW_SELECTOR_PATTERN.match(term)
    try:
        method, arguments = SelectionCriteria.parse_method(match.groupdict())
    except Exception:
        method = "refused"
    found.append([getattr(method, "value", method), match["value"]])
print(json.dumps(found))
"""


@pytest.mark.dbt
def test_what_dbt_takes_for_a_path_out_of_the_project_is_refused() -> None:
    """Terms of all operators, methods and values, read by dbt's own reader."""
    before = ("", "@", "+", "2+", "path:", "+path:", "@path:", "3+path:", "file:", "config.x:", "tag:", "pa.th:")
    values = ("a", "a.b", "../x", "x/../y", "a/..", "..", "/etc", "/", "~/x", "models/a", "models/a.sql", "a..b", "*")
    after = ("", "+", "+2", "+12")
    terms = [f"{begin}{value}{end}" for begin in before for value in values for end in after]
    read = subprocess.run(
        [sys.executable, "-c", ASK_SELECTION], input=json.dumps(terms), capture_output=True, text=True, check=True
    )
    out = [
        (term, value)
        for term, (method, value) in zip(terms, json.loads(read.stdout), strict=True)
        if method == "path" and (value.startswith(("/", "~")) or ".." in value.split("/"))
    ]
    assert len(out) > 50
    assert [term for term, _ in out if not leaves_project(term)] == []
    assert not any(leaves_project(term) for term in ("models/a", "path:models/a.sql+2", "a..b", "2+tag:a*", "@a.b+"))


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
