"""Rendering: what a template can use, and what it cannot reach. Broken ones are in `broken/`."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.errors import ProjectError
from dbt_af_k8s.jobs.template import Surroundings, is_template_name, render_template


def rendered(text: str, **variables: object) -> str:
    return render_template("job.yml", lambda name: TemplateText(text, name), variables).text


def test_filters_and_names_of_a_dag_are_there() -> None:
    text = "{{ 'a' | twice }} {{ shout('b') }} {{ dag_name }}"
    surroundings = Surroundings({"twice": lambda text: text * 2}, {"shout": str.upper})
    found = render_template("job.yml", lambda name: TemplateText(text, name), {"dag_name": "d"}, surroundings)
    assert found == TemplateText("aa B d", "job.yml")


def test_a_default_and_a_question_are_no_error() -> None:
    assert rendered("{{ x | default(1) }}{% if y is defined %}{{ y }}{% endif %}") == "1"


def test_what_it_is_given_cannot_be_changed() -> None:
    values = [1]
    with pytest.raises(ProjectError, match="sandbox"):
        rendered("{{ values.append(2) }}", values=values)
    assert values == [1]


@pytest.mark.parametrize("name", ["a.yml", "a/b.yml", "a b/c", "..a", "a/...b"])
def test_names_below_a_search_path(name: str) -> None:
    assert is_template_name(name)


@pytest.mark.parametrize("name", ["", "/a", "../a", "a/../../b", "a//b", "a/.", "a\\b", "..\\a", "a\0b", ".."])
def test_names_that_lead_out(name: str) -> None:
    assert not is_template_name(name)
    with pytest.raises(ProjectError, match="leads out"):
        render_template(name, lambda name: TemplateText("", name), {})


def test_a_missing_template_names_where_it_was_looked_for() -> None:
    with pytest.raises(ProjectError, match=r"no template 'none.yml' in `a`, `b`"):
        render_template("none.yml", lambda name: None, {}, searched=("a", "b"))


def test_a_failure_inside_of_what_is_called_is_told_with_its_line() -> None:
    def fails() -> None:
        raise KeyError("no such variable")

    with pytest.raises(ProjectError, match=r"KeyError: 'no such variable' \(line 2\)"):
        rendered("a\n{{ fails() }}", fails=fails)


@pytest.mark.parametrize("huge", ["'x' * 10**10", "10**10 * 'x'", "(10**10) * [1]", "9**99", "(x * 999) * 2000"])
def test_a_product_does_not_fill_the_memory(huge: str) -> None:
    with pytest.raises(ProjectError, match=r"sandbox forbids: `\*\*?` to something huge"):
        rendered("{{ " + huge + " }}", x="xxx")


def test_products_of_ordinary_size() -> None:
    assert rendered("{{ '-' * 3 }} {{ 2 * 1.5 }} {{ 2**40 }} {{ 10**18 * 10**18 }}") == f"--- 3.0 {2**40} {10**36}"


#: Letters of all planes, those that need an escape, and those that HTML would.
LETTER = st.characters(exclude_categories=["Cs"]) | st.sampled_from("\U0001f600\U0010ffff\u0080\ufffe\\\"<&'\n\t")
LETTERS = st.text(LETTER)
#: YAML takes a key of 1,024 characters at most on one line, and JSON writes one letter as twelve.
KEYS = st.text(LETTER, max_size=80)


@given(st.recursive(LETTERS, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3)))
def test_tojson_is_what_yaml_and_json_read_back(value: object) -> None:
    text = rendered("{{ value | tojson }}", value=value)
    assert json.loads(text) == value
    assert yaml.safe_load(text) == value
    assert yaml.safe_load(f"a: {text}") == {"a": value}


def test_a_backslash_before_letters_that_look_like_an_escape_stays() -> None:
    value = {"a": "\\ud83d\\ude00 \\\U0001f600"}
    assert yaml.safe_load(rendered("{{ value | tojson }}", value=value)) == value
