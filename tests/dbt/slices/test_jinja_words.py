"""What the text of Jinja tells without rendering it, and that jinja2 itself agrees."""

import jinja2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbt_af_k8s.dbt.slices.jinja_parser import jinja_signature
from dbt_af_k8s.dbt.slices.jinja_words import Call, JinjaText, Reference, read_jinja


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "{{ config(materialized='table', tags=['a', \"b\"], meta={'x': 1, 'y': none}) }} select 1",
        "{{ config(enabled=true, full_refresh=False, post_hook=\"{{ my_hook(var('x')) }}\") }}",
        "{{ config.get('materialized') }}",
        "{# {{ config(materialized=var('x')) }} #}",
        "{% raw %}{{ config(materialized=var('x')) }}{% endraw %}",
        "{% if is_incremental() %}a{% endif %}{{ config(alias='b') }}",
        "{% set c = 'x' %}{% set d = ['s', c] | join('_') %}{{ config(schema=d ~ c.upper()) }}",
        "{% set tags = [] %}{% for t in ['a', 'b'] %}{% do tags.append(t) %}{% endfor %}{{ config(tags=tags) }}",
        "{% if 'a' == 'b' %}{{ config(alias='b') }}{% endif %}",
        "{{ my_config(x) }}",
    ],
)
def test_a_config_that_is_always_the_same(text: str) -> None:
    assert read_jinja(text).computed_config is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ config(materialized=var('m')) }}", "`var('m')` in `config(materialized=)`"),
        ("{{ config(alias='a' ~ target.name) }}", "`target.name` in `config(alias=)`"),
        ("{{ config(post_hook=\"{{ x }}\", enabled=env_var('E') == '1') }}", "`env_var('E')` in `config(enabled=)`"),
        ("{{ config(tags=[some]) }}", "`some` in `config(tags=)`"),
        ("{{ config(alias=alpha.tidy(1)) }}", "`alpha.tidy()` in `config(alias=)`"),
        ("{% set c = var('c') %}{% set d = c %}{{ config(alias=d) }}", "`var('c')` in `config(alias=)`"),
        ("{% set c = [] %}{% do c.append(var('c')) %}{{ config(tags=c) }}", "`var('c')` in `config(tags=)`"),
        ("{% set c %}{{ target.name }}{% endset %}{{ config(alias=c) }}", "`target.name` in `config(alias=)`"),
        ("{% if var('x') %}{% set c = 'x' %}{% endif %}{{ config(alias=c) }}", "`var('x')` in `config(alias=)`"),
        ("{% if x %}{{ config(alias='b') }}{% endif %}", "`config()` stands in a condition on `x`"),
        ("{%- for x in y %}{{ config(alias='b') }}{% endfor %}", "`config()` stands in a condition on `y`"),
        ("{{ config(**settings) }}", "`settings` in `config()`"),
        ("{{ config(alias=['a', 'b'] | random) }}", "`random` in `config(alias=)`"),
        ("{% macro m(a) %}{{ config(alias=a) }}{% endmacro %}", "the parameter `a` in `config(alias=)`"),
    ],
)
def test_a_config_that_may_change(text: str, why: str) -> None:
    assert read_jinja(text).computed_config == why


def test_calls_with_their_literal_arguments() -> None:
    text = "{{ ref('a') }} {{ref( 'p' , \"b\", v=2 )}} {{ builtins.source('x', 'y') }} {{ ref(z) }} {{ my.ref('no') }}"
    assert [(call.function, call.arguments, call.depends_on) for call in read_jinja(text).calls] == [
        ("ref", ("a",), None),
        ("ref", ("p", "b", "2"), None),
        ("source", ("x", "y"), None),
        ("ref", None, "`z`"),
    ]


def test_names_are_those_that_jinja_looks_up() -> None:
    text = "graph {{ a('b') }} {% set c = 1 %} {# d #}{{ c }}"
    assert read_jinja(text).references == {Reference("a")}
    assert read_jinja("{{ dbt_utils.star(x='y', z=q) }}").references == {Reference("star", "dbt_utils"), Reference("q")}
    assert read_jinja("{% macro m(source, t: list[str] = none) %}{{ source.x }}{% endmacro %}").references == set()
    assert read_jinja("{% if a %}{% set b = 1 %}{% endif %}{{ b }}").references == {Reference("a"), Reference("b")}
    dispatched = read_jinja("{{ return(adapter.dispatch('tidy', macro_namespace='alpha')(x)) }}")
    assert dispatched.dispatched == {Reference("tidy", "alpha")}
    assert read_jinja("{{ ref('a') }}").calls == (
        Call("ref", ("a",), None, None, False, read_jinja("{{ ref('a') }}").calls[0].written),
    )


@pytest.mark.parametrize(
    "text",
    [
        "{{ {'a': {'b': 0}}['a']['b'] + (graph.nodes | length) }}",
        "{{ '}}' ~ graph.nodes | length }}",
        "{% set x = '%}' ~ graph %}",
        "{{- graph -}}",
        "{% for n in graph.nodes.values() -%}{{ n }}{%- endfor %}",
        "{{ context['graph'] }}{{ context.graph }}",
        "{{ context.get('graph') }}",
        "{{ context[name] }}",
        "{% set g %}{{ graph }}{% endset %}",
        "{{ render('{{ graph.nodes }}') }}",
        "{% call statement('x') %}{{ graph }}{% endcall %}",
    ],
)
def test_a_text_that_walks_the_graph(text: str) -> None:
    assert read_jinja(text).walks_graph


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'graph' }} graph {# {{ graph }} #}{% raw %}{{ graph }}{% endraw %}",
        "{% set graph = 1 %}{{ graph }}",
        "{% do graph.setdefault('elementary', {}).get('x') %}",
        "{{ my.graph_of(x) }} {{ context['my_macro']() }}",
    ],
)
def test_a_text_that_does_not(text: str) -> None:
    assert not read_jinja(text).walks_graph


ATOMS = st.sampled_from(["name", "'}}'", "'%}'", "'#}'", '"{{"', "'it''s'", "1", "none", "[1, 2]", "x.y"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("{{'k': {}}}['k']".format, inner),
        st.builds("{{'a': {{'b': {}}}}}".format, inner),
        st.builds("({} ~ {})".format, inner, inner),
        st.builds("f({}, k={})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{} | default({})".format, inner, inner),
    ),
    max_leaves=6,
)
BLOCKS = st.one_of(
    EXPRESSIONS.map("{{{{ {} }}}}".format),
    EXPRESSIONS.map("{{{{- {} -}}}}".format),
    EXPRESSIONS.map("{{% set s = {} %}}".format),
    EXPRESSIONS.map("{{% set s %}}{{{{ {} }}}}{{% endset %}}".format),
    EXPRESSIONS.map("{{% if {} %}}x{{% endif %}}".format),
    EXPRESSIONS.map("{{# {{{{ {} }}}} #}}".format),
    EXPRESSIONS.map("{{% raw %}}{{{{ {} }}}}{{% endraw %}}".format),
    st.sampled_from(["select 1", "# for x in y", "## no line comment", "{ }", "}}", "%}", "\n"]),
)


@example("{# {{ '#}' }} #}", "1", False)
@given(st.lists(BLOCKS, max_size=4).map("".join), EXPRESSIONS, st.booleans())
def test_what_is_looked_up_when_it_is_rendered_was_seen(before: str, inner: str, quoted: bool) -> None:
    """`graph` is put into generated Jinja: rendering looks it up only where the reader says so."""
    text = f"{before}{{{{ f({{'k': {inner}}}, {repr('graph') if quoted else 'graph'}) }}}}{before}"
    asked = set[str]()

    class Context(jinja2.runtime.Context):
        def resolve_or_missing(self, key: str) -> object:
            asked.add(key)
            return super().resolve_or_missing(key)

    environment = jinja2.Environment(undefined=jinja2.ChainableUndefined)
    environment.context_class = Context
    environment.globals["f"] = lambda *args, **kwargs: ""
    read = read_jinja(text)
    try:
        template = environment.from_string(text)
    except jinja2.TemplateSyntaxError:
        # A `#}` in a comment ends it, and what follows may be no Jinja.
        assert read.broken is not None
        return
    assert read.broken is None
    template.render()
    seen = {reference.package or reference.name for reference in read.references}
    assert asked <= seen
    assert read.walks_graph is ("graph" in asked)


@pytest.mark.parametrize("text", ["{{ ", "{% if x %}", "{{ a b }}", "{% endif %}"])
def test_broken_jinja_is_said(text: str) -> None:
    assert read_jinja(text).broken is not None
    assert read_jinja("no Jinja") == JinjaText()


def test_the_signature_is_that_of_the_jinja_alone() -> None:
    first = jinja_signature("{{ config(alias='a') }} select 1 {# note #}")
    assert jinja_signature("{{  config( alias = 'a')  }}\nselect 2, 'x' {# other #}") == first
    assert jinja_signature("{{ config(alias='b') }} select 1") != first
    assert jinja_signature("{{ config(alias='a') }} {{ ref('x') }}") != first
    assert jinja_signature("{{ broken") != jinja_signature("{{ broken too")
