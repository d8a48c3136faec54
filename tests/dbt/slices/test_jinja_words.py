"""What the text of Jinja tells without rendering it."""

import pytest

from dbt_af_k8s.dbt.slices.jinja_words import calls, computed_config, expression_words, words


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "{{ config(materialized='table', tags=['a', \"b\"], meta={'x': 1, 'y': none}) }} select 1",
        "{{ config(enabled=true, full_refresh=False, post_hook=\"{{ my_hook(var('x')) }}\") }}",
        "{{ config.get('materialized') }}",
        "{# {{ config(materialized=var('x')) }} #}",
        "{% if is_incremental() %}a{% endif %}{{ config(alias='b') }}",
        "{{ my_config(x) }}",
    ],
)
def test_a_config_that_is_always_the_same(text: str) -> None:
    assert computed_config(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ config(materialized=var('m')) }}", "config() is computed from `var`"),
        ("{{ config(alias='a' ~ target.name) }}", "config() is computed from `name`"),
        ("{{ config(post_hook=\"{{ x }}\", enabled=env_var('E') == '1') }}", "config() is computed from `env_var`"),
        ("{{ config(tags=[some]) }}", "config() is computed from `some`"),
        ("{% if x %}{{ config(alias='b') }}{% endif %}", "config() stands in a condition"),
        ("{%- for x in y %}{{ config(alias='b') }}{% endfor %}", "config() stands in a condition"),
        ("{{ config(**settings) }}", "config() is computed from `settings`"),
    ],
)
def test_a_config_that_may_change(text: str, why: str) -> None:
    assert computed_config(text) == why


def test_calls_with_their_literal_arguments() -> None:
    text = "{{ ref('a') }} {{ref( 'p' , \"b\", v=2 )}} {{ source('x', 'y') }} {{ ref(z) }} {{ my.ref('no') }}"
    assert [(call.function, call.arguments) for call in calls(text)] == [
        ("ref", ("a",)),
        ("ref", ("p", "b", "2")),
        ("source", ("x", "y")),
        ("ref", None),
    ]


def test_words_are_those_of_jinja_only() -> None:
    text = "graph {{ a('b') }} {% set c = 1 %} {# d #}"
    assert words(text) == {"a", "b", "set", "c"}
    assert expression_words("{{ f(x='y', z=q) }}") == {"f", "q"}
