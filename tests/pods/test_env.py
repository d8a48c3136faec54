"""Variables: text as it is, everything else as JSON, references untouched."""

import os
import subprocess
import sys

import pytest

from dbt_af_k8s.pods.env import LONGEST_VARIABLE, env_text, literal, plain_secrets, read_env, variable_size

REFERENCES = [
    {"fieldRef": {"fieldPath": "status.podIP"}},
    {"resourceFieldRef": {"containerName": "base", "resource": "limits.memory", "divisor": "1Mi"}},
    {"configMapKeyRef": {"name": "settings", "key": "mode", "optional": True}},
    {"secretKeyRef": {"name": "db", "key": "password"}},
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("a b", "a b"),
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        ([1, "a"], '[1,"a"]'),
        ({"ö": None}, '{"ö":null}'),
    ],
)
def test_what_is_no_text_arrives_as_json(value: object, text: str) -> None:
    assert env_text(value) == text
    assert read_env({"A": value}, ("env",)) == (({"name": "A", "value": text},), [])


@pytest.mark.parametrize("source", REFERENCES, ids=lambda source: next(iter(source)))
def test_references_are_kept_exactly_in_both_forms(source: dict) -> None:
    expected = (({"name": "A", "valueFrom": source},), [])
    assert read_env({"A": {"valueFrom": source}}, ("env",)) == expected
    assert read_env([{"name": "A", "valueFrom": source}], ("env",)) == expected


def test_order_is_kept_and_nothing_is_left_out() -> None:
    env, found = read_env({"B": "1", "A": None, "C": "$(B)"}, ("env",))
    assert [variable["name"] for variable in env] == ["B", "C"]
    assert found == []


@pytest.mark.parametrize(
    ("written", "key", "words"),
    [
        ({"A-B": 1}, "env.A-B", "cannot be called 'A-B'"),
        ({True: 1}, "env.True", "cannot be called true"),
        ({"START_DTTM": "x"}, "env.START_DTTM", "filled by the run itself"),
        ({"DBT_AF_X": "x"}, "env.DBT_AF_X", "filled by the run itself"),
        ({"A": {"valueFrom": {}}}, "env.A.valueFrom", "exactly one source"),
        ({"A": {"valueFrom": {**REFERENCES[0], **REFERENCES[3]}}}, "env.A.valueFrom", "exactly one source"),
        ({"A": {"valueFrom": {"secretKeyRef": {"name": "x"}}}}, "env.A.valueFrom.secretKeyRef.key", "has no `key`"),
        ({"A": {"valueFrom": REFERENCES[0], "value": "x"}}, "env.A.value", "beside `valueFrom`"),
        ({"A": "x\0"}, "env.A", "zero byte"),
        ({"A": "x" * LONGEST_VARIABLE}, "env.A", "Linux takes at most 131071"),
        ("A=1", "env", "must be a mapping of variables"),
        ([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}], "env", "names one variable twice"),
        ([{"value": "1"}], "env", "must be a mapping of variables"),
    ],
)
def test_each_mistake_is_told(written: object, key: str, words: str) -> None:
    _, (finding,) = read_env(written, ("env",))
    assert finding.key == key
    assert words in finding.message


def test_secrets_in_plain_text_are_seen() -> None:
    env, _ = read_env({"DB_PASSWORD": "x", "TOKEN_URL": "x", "API_KEY": {"valueFrom": REFERENCES[3]}}, ("env",))
    assert list(plain_secrets(env)) == ["DB_PASSWORD"]


@pytest.mark.skipif(sys.platform != "linux" or os.sysconf("SC_PAGESIZE") != 4096, reason="the limit of Linux")
@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_is_that_of_the_machine(more: int) -> None:
    value = "x" * (LONGEST_VARIABLE - len("A=") + more)
    assert variable_size("A", value) == LONGEST_VARIABLE + more
    if more:
        with pytest.raises(OSError, match="Argument list too long"):
            subprocess.run(["/bin/true"], env={"A": value}, check=True)
    else:
        subprocess.run(["/bin/true"], env={"A": value}, check=True)


def test_a_literal_has_its_dollars_doubled() -> None:
    assert literal("a$(B)$$") == "a$$(B)$$$$"
