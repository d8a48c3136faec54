"""The rules that give a node its target, and their words."""

import pytest
from building import model, seed, test

from dbt_af_k8s.config.settings import NodeSettings, TargetSettings
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.route.kinds import runs_only_python
from dbt_af_k8s.route.targets import TargetQuestion, choose_target

CLUSTERS = NodeSettings(py_cluster="py", sql_cluster="sql", daily_sql_cluster="daily")
SQL = model("a")
HOOKED = model("a", config={"pre-hook": [{"sql": "select 1"}]})
PYTHON = model("a", language="python")
TEST = test("t", "a")


def chosen(node: Node, settings: NodeSettings = NodeSettings(), schedule: str = "@daily", **targets: str) -> str | None:
    return choose_target(TargetQuestion(node, settings, schedule, TargetSettings(**targets), "profile")).target


@pytest.mark.parametrize(
    ("node", "schedule", "expected"),
    [
        (SQL, "@daily", "daily"),
        (SQL, "@weekly", "daily"),
        (SQL, "@hourly", "sql"),
        (SQL, "@monthly", "sql"),
        (SQL, "@manual", "sql"),
        (SQL, "0 0 * * *", "sql"),
        (HOOKED, "@daily", "py"),
        (PYTHON, "@hourly", "py"),
        (seed("s"), "@hourly", "sql"),
    ],
)
def test_cluster_keys(node: Node, schedule: str, expected: str) -> None:
    assert chosen(node, CLUSTERS, schedule) == expected


def test_a_cluster_key_counts_only_where_the_node_has_it() -> None:
    assert chosen(SQL, NodeSettings(sql_cluster="sql"), "@daily") == "profile"
    assert chosen(HOOKED, NodeSettings(sql_cluster="sql"), "@hourly", default="d") == "d"


def test_the_nodes_own_target_stands_before_all() -> None:
    own = NodeSettings(dbt_target="mine", py_cluster="py", sql_cluster="sql", daily_sql_cluster="daily")
    for node in (SQL, HOOKED, PYTHON, TEST):
        assert chosen(node, own, tests="t", default="d") == "mine"


def test_tests_take_the_tests_target_before_clusters() -> None:
    assert chosen(TEST, CLUSTERS, tests="t", default="d") == "t"
    assert chosen(SQL, tests="t", default="d") == "d"


def test_the_profile_decides_last_and_dbt_after_it() -> None:
    assert chosen(SQL) == "profile"
    nothing = choose_target(TargetQuestion(SQL, NodeSettings(), "@daily", TargetSettings(), None))
    assert nothing.target is None
    assert nothing.because == "no target is named anywhere: dbt takes its own default"


def test_each_choice_says_why() -> None:
    choice = choose_target(TargetQuestion(SQL, CLUSTERS, "@daily", TargetSettings(), None))
    assert choice.because == "the node's `daily_sql_cluster` (SQL without pre-hooks, daily or weekly)"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("kubernetes", True), ("kubernetes_job", True), ("venv", True), ("duckdb", False), (None, False)],
)
def test_kinds_of_target(kind: str | None, expected: bool) -> None:
    assert runs_only_python(kind) is expected
