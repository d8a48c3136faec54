"""Where dbt itself runs."""

import pytest

from dbt_af_k8s.config.settings_runners import (
    DbtApiOptions,
    KubernetesPodOptions,
    LocalOptions,
    NodeRunner,
    RunnerRule,
    told,
)
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


API = (
    RunnerRule("dev", "local", LocalOptions()),
    RunnerRule("big*", "dbt_api", DbtApiOptions(conn_id="big", poke=60)),
    RunnerRule("*", "dbt_api", DbtApiOptions(conn_id="all")),
)


@pytest.mark.parametrize(
    ("target", "own", "options"),
    [
        # The row that fits the target goes before others of the same runner.
        ("small", NodeRunner("dbt_api"), DbtApiOptions(conn_id="all")),
        ("big_one", NodeRunner("dbt_api"), DbtApiOptions(conn_id="big", poke=60)),
        ("big_one", NodeRunner("dbt_api", {"poke": 5}), DbtApiOptions(conn_id="big", poke=5)),
        # No row of that runner fits: then the first of all.
        ("big_one", NodeRunner("local", {"dbt": "/opt/dbt"}), LocalOptions("/opt/dbt")),
        (None, NodeRunner("kubernetes_pod"), KubernetesPodOptions()),
    ],
)
def test_a_node_says_only_what_differs(target: str | None, own: NodeRunner, options: object) -> None:
    chosen = choose_runner(target, API, own)
    assert (chosen.rule.runner, chosen.rule.options) == (own.runner, options)
    assert chosen.because.startswith("the node's own `runner`")


def test_without_a_row_a_node_gets_the_defaults() -> None:
    chosen = choose_runner("dev", (), NodeRunner("dbt_api", {"conn_id": "mine"}))
    assert (chosen.rule.options, chosen.because) == (DbtApiOptions("mine"), "the node's own `runner`")


def test_options_are_told_where_they_are_not_the_default() -> None:
    options = DbtApiOptions(conn_id="big", poke=60)
    assert told(options) == "conn_id: big, poke: 60"
    assert told(None) == told(DbtApiOptions()) == ""
