"""The `venv` target of profiles.yml."""

import pytest
import yaml

from dbt_af_k8s.errors import Issue
from dbt_af_k8s.pods.values import VenvTarget
from dbt_af_k8s.pods.venv import read_venv_target, venv_for_node


def read(text: str) -> tuple[VenvTarget | None, tuple[Issue, ...]]:
    return read_venv_target({"type": "venv", **yaml.safe_load(text)}, name="env", file="profiles.yml")


def test_the_keys_of_dbt_af_work_unchanged() -> None:
    target, issues = read("""
        schema: main
        system_site_packages: true
        requirements: [pandas==2.2.3, "polars>=1"]
        python_version: "3.12"
        pip_install_options: [--pre]
        index_urls: ["https://pypi.example/simple"]
        inherit_env: true
    """)
    assert issues == ()
    assert target == VenvTarget(
        "env", ("pandas==2.2.3", "polars>=1"), "3.12", True, ("--pre",), ("https://pypi.example/simple",), True
    )


@pytest.mark.parametrize(
    ("text", "code", "key"),
    [
        ("{requirement: [a]}", "unknown-venv-key", "outputs.env.requirement"),
        ("{python_version: 3.10}", "bad-venv-target", "outputs.env.python_version"),
        ("{python_version: '2.7'}", "bad-venv-target", "outputs.env.python_version"),
        ("{requirements: [-r x.txt]}", "bad-venv-target", "outputs.env.requirements[0]"),
        ("{requirements: a}", "bad-venv-target", "outputs.env.requirements"),
        ("{index_urls: [pypi.org]}", "bad-venv-target", "outputs.env.index_urls[0]"),
        ("{env: {START_DTTM: x}}", "bad-venv-target", "outputs.env.env.START_DTTM"),
        ("{env: {A: {valueFrom: {secretKeyRef: {name: a, key: b}}}}}", "bad-venv-target", "outputs.env.env.A"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(text: str, code: str, key: str) -> None:
    target, issues = read(text)
    assert target is None
    assert [(issue.code, issue.key, issue.file) for issue in issues] == [(code, key, "profiles.yml")]


def test_every_problem_is_told_at_once() -> None:
    _, issues = read("{requirement: [a], python_version: 3.10, index_urls: [x], env: [1]}")
    assert len(issues) == 4


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{index_urls: ['https://me:word@host/simple']}", "outputs.env.index_urls[0]"),
        ("{env: {DB_PASSWORD: x}}", "outputs.env.env.DB_PASSWORD"),
    ],
)
def test_secrets_in_plain_text_are_warned_of_and_not_repeated(text: str, key: str) -> None:
    target, (issue,) = read(text)
    assert target is not None
    assert (issue.code, issue.key) == ("secret-in-plain-text", key)
    assert "word@" not in str(issue)


def test_a_password_out_of_a_variable_is_fine() -> None:
    assert read("{index_urls: ['https://me:${TOKEN}@host/simple']}")[1] == ()


def test_a_node_adds_its_variables() -> None:
    target, _ = read("{env: {A: 1, B: x, C: y}}")
    assert target is not None
    changed, issues = venv_for_node(target, {"B": "z", "C": None, "D": True}, node="n", file="f", place="meta")
    assert issues == ()
    assert changed is not None
    assert dict(changed.env) == {"A": "1", "B": "z", "D": "true"}
    _, (issue,) = venv_for_node(target, {"1x": 1}, node="n", file="f", place="meta")
    assert (issue.code, issue.node, issue.key) == ("bad-venv-target", "n", "meta.env.1x")
