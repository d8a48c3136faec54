"""Where dbt itself runs."""

import pytest

from dbt_af_k8s.config.settings import RunnerRule
from dbt_af_k8s.route.runners import choose_runner

RULES = (RunnerRule("prod_big", "kubernetes_pod"), RunnerRule("prod*", "dbt_api"), RunnerRule("default", "eks_pod"))


@pytest.mark.parametrize(
    ("target", "expected"),
    [("prod_big", "kubernetes_pod"), ("prod_eu", "dbt_api"), ("dev", "local"), (None, "eks_pod")],
)
def test_the_first_pattern_that_matches_wins(target: str | None, expected: str) -> None:
    assert choose_runner(target, RULES).rule.runner == expected


def test_each_choice_says_why() -> None:
    assert choose_runner("prod_eu", RULES).because == "`runners` of the settings: `prod*`"
    assert choose_runner("dev", ()).because == "dbt runs on the worker where `runners` says nothing else"
