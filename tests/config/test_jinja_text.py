"""Jinja of profiles: dbt's meaning, in a sandbox, without telling values."""

from typing import Any

import pytest

from dbt_af_k8s.config.jinja_text import (
    SecretInPlanError,
    TextError,
    UnsetVariableError,
    render_text,
    unset_variables,
)

ENV = {
    "A": "5",
    "TRUE": "True",
    "LOWER": "true",
    "TEXT": "some text",
    "LIST": "[1, 2]",
    "EMPTY": "",
    "BRACES": "{{ x }}",
}
RENDERED: list[tuple[str, Any]] = [
    ("plain", "plain"),
    ("", ""),
    ("{{ env_var('A') }}", "5"),
    ("{{ env_var('A') | as_number }}", 5),
    ("{{ env_var('A') | as_native }}", 5),
    ("{{ env_var('A') | as_text }}", "5"),
    ("{{ env_var('A') | int }}", 5),
    ("{{ env_var('TRUE') | as_bool }}", True),
    ("{{ env_var('LIST') | as_native }}", [1, 2]),
    ("{{ env_var('TEXT') | as_native }}", "some text"),
    ("{{ env_var('NONE', 'default') }}", "default"),
    ("{{ env_var('NONE', '') }}", ""),
    ("{{ env_var('EMPTY', 'default') }}", ""),
    ("{{ env_var('BRACES') }}", "{{ x }}"),
    ("a-{{ env_var('A') }}-{{ env_var('TEXT') }}", "a-5-some text"),
    ("{{ env_var('A') }}{{ env_var('A') | as_number }}", "55"),
    ("{% if env_var('A') == '5' %}yes{% else %}no{% endif %}", "yes"),
    ("{{ env_var('TEXT') | upper }}", "SOME TEXT"),
    ("{% raw %}{{ as is }}{% endraw %}", "{{ as is }}"),
    ("{# nothing #}", ""),
    ("{{ 'a' ~ 1 }}", "a1"),
    ("{{ 3 + 4 }}", "7"),
]


@pytest.mark.parametrize(("text", "value"), RENDERED)
def test_what_texts_become(text: str, value: Any) -> None:
    rendered = render_text(text, ENV)
    assert (rendered, type(rendered)) == (value, type(value))


@pytest.mark.dbt
@pytest.mark.parametrize("text", [text for text, _ in RENDERED])
def test_they_become_the_same_in_dbt(text: str) -> None:
    from dbt.clients.jinja import get_rendered
    from dbt.context.secret import generate_secret_context
    from dbt_common.context import set_invocation_context

    set_invocation_context(ENV)
    assert get_rendered(text, generate_secret_context({}), native=True) == render_text(text, ENV)


def test_small_arithmetic_is_fine() -> None:
    assert str(render_text("{{ 3 * 4 }}", {})) == "12"
    assert str(render_text("{{ env_var('A') | int * 1024 }}", ENV)) == "5120"


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("{{ env_var('NONE') }}", UnsetVariableError, "NONE"),
        ("{{ env_var('DBT_ENV_SECRET_X') }}", SecretInPlanError, "DBT_ENV_SECRET_X"),
        ("{{ env_var('DBT_ENV_SECRET_X', 'd') }}", SecretInPlanError, "DBT_ENV_SECRET_X"),
        ("{{ env_var() }}", TextError, "TypeError"),
        ("{{ env_var(5) }}", TextError, "AttributeError"),
        ("{{ target.name }}", TextError, "`target`"),
        ("{{ unknown }}", TextError, "`unknown`"),
        ("{{ var('x') }}", TextError, "'x'"),
        ("{{ env_var('TEXT') | as_bool }}", TextError, "as_bool"),
        ("{{ env_var('LOWER') | as_bool }}", TextError, "as_bool"),
        ("{{ env_var('TEXT') | as_number }}", TextError, "as_number"),
        ("{{ env_var('TRUE') | as_number }}", TextError, "as_number"),
        ("{{ env_var('TEXT') | nothing_like_it }}", TextError, "nothing_like_it"),
        ("{{ env_var('TEXT').no_such_thing }}", TextError, "fails"),
        ("{{ broken", TextError, "line 1"),
        ("line\n{% if %}", TextError, "line 2"),
        ("{{ 1 / 0 }}", TextError, "ZeroDivisionError"),
        ("{{ ''.__class__.__mro__ }}", TextError, "SecurityError"),
        ("{{ env_var.__globals__ }}", TextError, "fails"),
        ("{{ 10 ** 10 ** 10 }}", TextError, "small numbers"),
        ("{{ 'a' * 10000000000 }}", TextError, "small numbers"),
        ("{{ [0] * 10000000000 }}", TextError, "small numbers"),
        ("{{ '%99999999999d' % 1 }}", TextError, "small numbers"),
        ("{{ range(10000000) | list }}", TextError, "OverflowError"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", TextError, "fails"),
        ("{{ 'a' }}" + " " * 30_000, TextError, "characters"),
    ],
)
def test_what_cannot_be_rendered(text: str, error: type[TextError], told: str) -> None:
    with pytest.raises(error) as caught:
        render_text(text, ENV)
    assert told in str(caught.value)
    assert "some text" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("plain", ()),
        ("{{ env_var('A') }}", ()),
        ("{{ env_var('NONE') }}{{ env_var('ALSO') }}{{ env_var('NONE') }}", ("ALSO", "NONE")),
        ("{{ env_var('NONE', 'd') }}{{ env_var('NONE', default='d') }}", ()),
        ("{{ env_var(var='NONE') }}", ("NONE",)),
        ("{{ env_var('NONE') | as_number }}", ("NONE",)),
        ("{% if env_var('A') %}{{ env_var('NONE') }}{% endif %}", ("NONE",)),
        ("{{ env_var(computed) }}", ()),
        ("{{ env_var('DBT_ENV_SECRET_X') }}", ("DBT_ENV_SECRET_X",)),
    ],
)
def test_unset_variables_are_found_without_rendering(text: str, names: tuple[str, ...]) -> None:
    assert unset_variables(text, ENV) == names


def test_broken_jinja_is_told_without_rendering_too() -> None:
    with pytest.raises(TextError, match="line 1"):
        unset_variables("{{ broken", ENV)
