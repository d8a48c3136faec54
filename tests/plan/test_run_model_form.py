"""The form that runs any selection: what it may hold, and everything that is wrong at once."""

from typing import Any

import pytest

from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.dbt.values import FreeSelection
from dbt_af_k8s.errors import FormError
from dbt_af_k8s.plan.run_model_form import RunModelForm, read_run_model_form

PROFILE = Profile("shop", "dev", {"dev": "duckdb", "prod": "duckdb"})


def read(form: dict[str, Any], profile: Profile = PROFILE) -> RunModelForm:
    return read_run_model_form(form, profile)


def test_a_good_form() -> None:
    form = {
        "models": "+orders tag:x,config.materialized:table",
        "target": "prod",
        "full_refresh": True,
        "extra": {"threads": 3, "exclude": ["a", "b+"], "vars": {"x": "--target"}},
    }
    selection = FreeSelection(
        ("+orders", "tag:x,config.materialized:table"), ("a", "b+"), True, {"x": "--target"}, ("--threads=3",)
    )
    assert read(form) == RunModelForm(selection, "prod")


def test_empty_fields_are_defaults() -> None:
    form = {"models": "orders", "target": "", "full_refresh": False, "extra": None}
    assert read(form) == RunModelForm(FreeSelection(("orders",)), None)


def test_a_selector_of_the_project_is_a_selection() -> None:
    assert read({"models": "", "extra": {"selector": "nightly"}}).selection.options == ("--selector=nightly",)


def test_without_profiles_any_target_is_taken() -> None:
    assert read({"models": "a", "target": "x"}, Profile("shop", None, found=False)).target == "x"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({}, "models is empty: name what is to run, for example `orders` or `tag:nightly`."),
        ({"models": 3}, "models is 3: it must be a text."),
        (
            {"models": "orders --target prod"},
            (
                'models cannot hold "--target": a term of a selection does not begin with `-` and has no control '
                "characters."
            ),
        ),
        (
            {"models": "a", "target": "pord"},
            "target: profile `shop` has no target `pord`; did you mean `prod`?",
        ),
        ({"models": "a", "target": "xy"}, "target: profile `shop` has no target `xy`; it has `dev`, `prod`."),
        ({"models": "a", "target": "--x"}, 'target is "--x": it must be the name of a target.'),
        ({"models": "a", "full_refresh": "true"}, 'full_refresh is "true": it must be true or false.'),
        (
            {"models": "a", "extra": "--threads 2"},
            'extra is "--threads 2": it must be a JSON object, as {"threads": 2}.',
        ),
        (
            {"models": "a", "extra": {"vars": {"start_dttm": "x"}}},
            "extra: `vars` cannot set start_dttm; fill in the field of that name.",
        ),
        (
            {"models": "a", "extra": {"vars": {"a": [{"b": "{{ run_query('drop table x') }}"}]}}},
            "extra has Jinja (`{{`) in `vars.a[0].b`: dbt would run it, so only plain text is taken.",
        ),
        (
            {"models": "a", "extra": {"sample": "{% x %}"}},
            "extra has Jinja (`{%`) in `sample`: dbt would run it, so only plain text is taken.",
        ),
        (
            {"models": "a", "x": {"{#": 1}},
            "x has Jinja (`{#`) in `{#`: dbt would run it, so only plain text is taken.",
        ),
    ],
)
def test_what_a_form_may_not_hold(form: dict[str, Any], told: str) -> None:
    with pytest.raises(FormError) as caught:
        read(form)
    assert caught.value.problems == (told,)


def test_everything_is_told_at_once() -> None:
    with pytest.raises(FormError) as caught:
        read_run_model_form({"models": "-a", "target": "x", "extra": {"y": 1}}, PROFILE, ("start_dttm is odd.",))
    assert [problem.split()[0] for problem in caught.value.problems] == ["start_dttm", "models", "extra:", "target:"]
    assert str(caught.value).startswith("The form has 4 problems:\n- start_dttm is odd.\n- models cannot hold")
