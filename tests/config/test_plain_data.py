"""Data that holds no Jinja: at any depth, in keys and values, by the rules of Jinja's own lexer."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, TemplateSyntaxError

from dbt_af_k8s.config.plain_data import JINJA_MARKS, jinja_mark, jinja_places, jinja_problems

#: Braces and their neighbours come often; other letters now and then.
TEXTS = st.text(st.sampled_from("{}%#- a\n") | st.characters(codec="utf-8"), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=12,
)


def is_template(text: str) -> bool:
    """What Jinja itself says: whether there is more in a text than data."""
    try:
        return any(token != "data" for _, token, _ in Environment().lex(text))
    except TemplateSyntaxError:
        return True


@given(TEXTS)
def test_a_text_is_plain_exactly_where_jinja_sees_data_alone(text: str) -> None:
    mark = jinja_mark(text)
    assert (mark is not None) == is_template(text)
    assert mark is None or min(text.find(each) for each in JINJA_MARKS if each in text) == text.find(mark)


def texts_of(value: Any) -> list[str]:
    """All keys and texts of a value, the slow way: what its parts say one by one."""
    if isinstance(value, dict):
        return [*value, *(text for each in value.values() for text in texts_of(each))]
    if isinstance(value, list | tuple):
        return [text for each in value for text in texts_of(each)]
    return [value] if isinstance(value, str) else []


@given(VALUES)
def test_a_value_is_plain_exactly_where_all_its_keys_and_texts_are(value: Any) -> None:
    assert bool(list(jinja_places(value))) == any(map(is_template, texts_of(value)))
    assert bool(jinja_problems("vars", value)) == any(map(is_template, texts_of(value)))


@given(VALUES, st.lists(st.sampled_from(["key", "list", "tuple"]), max_size=40), st.sampled_from(JINJA_MARKS))
def test_depth_hides_nothing_and_the_path_leads_there(value: Any, wraps: list[str], mark: str) -> None:
    hidden: Any = [value, f"a{mark}b"]
    for wrap in wraps:
        hidden = {"key": hidden} if wrap == "key" else [hidden] if wrap == "list" else (hidden,)
    for path, found in jinja_places(hidden):
        inside = hidden
        for part in path[:-1]:
            inside = inside[part]
        assert found in JINJA_MARKS
        # The last step is a key that holds it, or leads to a text that does.
        assert found in str(path[-1]) or found in inside[path[-1]]
    assert list(jinja_places(hidden))


def test_the_depth_of_a_value_costs_no_stack() -> None:
    deep: Any = "{{ x }}"
    for _ in range(50_000):
        deep = {"a": [deep]}
    ((path, mark),) = jinja_places(deep)
    assert (len(path), mark) == (100_000, "{{")
    assert len(jinja_problems("vars", deep)) == 1


def test_what_yaml_repeats_by_an_anchor_is_looked_at_once() -> None:
    """A text of 300 letters that would be 10^9 values, and one that holds itself."""
    bomb = "a: &a ['{{ x }}', 1]\n" + "".join(
        f"{name}: &{name} [*{before}, *{before}, *{before}]\n"
        for before, name in zip("abcdefghijklmnopqrs", "bcdefghijklmnopqrst", strict=True)
    )
    assert list(jinja_places(yaml.safe_load(bomb))) == [(("a", 0), "{{")]
    assert list(jinja_places(yaml.safe_load("&a [*a, '{% x %}']"))) == [((1,), "{%")]


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ("{{ x }}", ("vars has Jinja (`{{`): dbt would run it, so only plain text is taken.",)),
        (
            {"a": [{"b": "{% x %}"}]},
            ("vars has Jinja (`{%`) in `a[0].b`: dbt would run it, so only plain text is taken.",),
        ),
        (
            {"{# k": 1, 2: b"{{"},
            (
                "vars has Jinja (`{#`) in `{# k`: dbt would run it, so only plain text is taken.",
                "vars has Jinja (`{{`) in `2`: dbt would run it, so only plain text is taken.",
            ),
        ),
        (
            yaml.safe_load('{"a": "\\u007b\\x7b x }}"}'),
            ("vars has Jinja (`{{`) in `a`: dbt would run it, so only plain text is taken.",),
        ),
        (json.loads('{"a": "{ {x}, 100 %} #} }}", "b": "{", "c": null}'), ()),
    ],
)
def test_the_problem_says_where(value: Any, problems: tuple[str, ...]) -> None:
    assert jinja_problems("vars", value) == problems


def test_of_very_many_the_first_are_told_and_no_value_is_repeated() -> None:
    problems = jinja_problems("vars", [f"{{{{ {'x' * 1000} }}}}"] * 1000)
    assert len(problems) == 11
    assert problems[-1] == "vars: there is more Jinja in it."
    assert max(map(len, problems)) < 100
