"""One profile, read as far as planning needs; the texts of problems are among `broken/`."""

from typing import Any

import pytest

from dbt_af_k8s.config.profiles import parse_profile
from dbt_af_k8s.config.settings import Profile
from dbt_af_k8s.errors import Issue


def read(
    profile: Any, env: dict[str, str] | None = None, target: str | None = None
) -> tuple[Profile, tuple[Issue, ...]]:
    return parse_profile({"shop": profile}, "shop", file="profiles.yml", env=env or {}, target=target)


def test_a_profile_without_surprises() -> None:
    pods = {
        "type": "kubernetes",
        "image": "img:{{ env_var('TAG') }}",
        "cpu": "{{ env_var('CPU') | as_number }}",
        "a": [1],
    }
    outputs = {"prod": {"type": "postgres", "host": "{{ env_var('HOST') }}"}, "dev": {"type": "duckdb"}, "pods": pods}
    profile, issues = read({"target": "dev", "outputs": outputs}, {"HOST": "h", "TAG": "1.2", "CPU": "2"})
    assert issues == ()
    assert profile == Profile(
        name="shop",
        default_target="dev",
        target_types={"prod": "postgres", "dev": "duckdb", "pods": "kubernetes"},
        python_targets={"pods": {"type": "kubernetes", "image": "img:1.2", "cpu": 2, "a": [1]}},
    )
    assert list(profile.target_types) == ["prod", "dev", "pods"], "as in the file"


@pytest.mark.parametrize(
    ("target", "env", "default"),
    [
        ("{{ env_var('T', 'dev') }}", {}, "dev"),
        ("{{ env_var('T', 'dev') }}", {"T": "prod"}, "prod"),
        ("{{ env_var('T') }}", {"T": "prod"}, "prod"),
        (None, {}, None),
    ],
)
def test_the_default_target_may_come_from_the_environment(target: str, env: dict[str, str], default: str) -> None:
    outputs = {"dev": {"type": "duckdb"}, "prod": {"type": "{{ env_var('TYPE', 'postgres') }}"}}
    profile, issues = read({"target": target, "outputs": outputs}, env)
    assert profile.default_target == default
    assert profile.target_types["prod"] == "postgres"
    assert [issue.code for issue in issues] == (["profile-without-target"] if target is None else [])


def test_without_a_target_dbt_takes_the_one_called_default() -> None:
    assert read({"outputs": {"default": {"type": "duckdb"}}})[0].default_target == "default"


def test_the_option_stands_before_a_target_that_cannot_be_read() -> None:
    profile, issues = read({"target": "{{ env_var('NONE') }}", "outputs": {"dev": {"type": "duckdb"}}}, target="dev")
    assert profile.default_target is None
    assert [issue.is_error for issue in issues] == [False]


def test_unset_variables_of_a_warehouse_are_kept_by_target() -> None:
    """The plan knows which targets are used, and tells of these."""
    again = "{{ env_var('P') }}-{{ env_var('Q', 'x') }}"
    output = {"type": "postgres", "password": "{{ env_var('P') }}", "deep": [{"a": "{{ env_var('Q') }}"}], "b": again}
    profile, issues = read({"target": "dev", "outputs": {"dev": output, "other": {"type": "duckdb"}}})
    assert profile.target_types == {"dev": "postgres", "other": "duckdb"}
    assert profile.unset_variables == {"dev": ("P", "Q")}
    assert issues == ()


@pytest.mark.parametrize(("target", "is_error"), [("dev", True), ("prod", False)])
def test_broken_jinja_is_an_error_only_where_it_is_selected(target: str, is_error: bool) -> None:
    outputs = {"dev": {"type": "postgres", "host": "{{ broken"}, "prod": {"type": "duckdb"}}
    _, issues = read({"target": "prod", "outputs": outputs}, target=target)
    assert [(issue.code, issue.is_error) for issue in issues] == [("bad-jinja", is_error)]


def test_a_password_that_looks_like_jinja_is_a_password() -> None:
    assert read({"target": "dev", "outputs": {"dev": {"type": "postgres", "password": "a{{b"}}})[1] == ()


def test_a_secret_gets_neither_into_the_profile_nor_into_an_issue() -> None:
    text = "{{ env_var('DBT_ENV_SECRET_TOKEN') }}"
    outputs = {"dev": {"type": "duckdb", "token": text}, "pods": {"type": "kubernetes", "token": text, "type2": text}}
    profile, issues = read({"target": "dev", "outputs": outputs}, {"DBT_ENV_SECRET_TOKEN": "hidden"})
    assert profile.python_targets["pods"]["token"] == text
    assert {issue.code for issue in issues} == {"secret-in-plan"}
    assert "hidden" not in repr((profile, issues))


def test_profiles_that_cannot_be_used_are_not_found() -> None:
    for profile in (None, "text", {}, {"outputs": None}, {"outputs": []}, {"outputs": {}}):
        read_profile, issues = read(profile)
        assert not read_profile.found
        assert [issue.is_error for issue in issues] == [True]
