"""Models of another dbt project, which dbt mesh and dbt-loom put into a manifest: no task, and no wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from building import foreign, model, plan_of, tasks_of, test

from dbt_af_k8s.plan.project import plan_project
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import DagKind, Plan

ACCOUNTS = "model.platform.accounts"
#: What dbt-loom is to dbt: a module on the path whose name begins with `dbt_`.
PLUGIN = """
from dbt.contracts.graph.node_args import ModelNodeArgs
from dbt.plugins.manager import dbt_hook, dbtPlugin
from dbt.plugins.manifest import PluginNodes


class Upstream(dbtPlugin):
    @dbt_hook
    def get_nodes(self):
        nodes = PluginNodes()
        nodes.add_model(ModelNodeArgs("accounts", "platform", "accounts", "main", access="public"))
        version = {"version": 2, "latest_version": 2}
        nodes.add_model(ModelNodeArgs("plans", "platform", "plans", "main", access="public", **version))
        return nodes


plugins = [Upstream]
"""
FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
    "dependencies.yml": "projects: [{name: platform}]\n",
    "models/sales/orders.sql": "select * from {{ ref('platform', 'accounts') }}",
    "models/sales/deep.sql": "{{ config(materialized='ephemeral') }} select * from {{ ref('platform', 'plans') }}",
    "models/sales/deeper.sql": "select * from {{ ref('deep') }}",
    "models/sales/sales.yml": """
models:
  - name: orders
    columns:
      - name: id
        data_tests: [{relationships: {arguments: {to: "ref('platform', 'accounts')", field: id}}}]
""",
    "tests/all_known.sql": "select 1 from {{ ref('platform', 'accounts') }} where 1 = 0",
}


def left_out(plan: Plan) -> dict[str, str]:
    return {entry.node: entry.because for entry in plan.left_out}


@pytest.mark.dbt
def test_a_manifest_that_a_plugin_of_dbt_has_filled(tmp_path: Path) -> None:
    project, path = tmp_path / "shop", tmp_path / "plugins"
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    path.mkdir()
    (path / "dbt_upstream_of_test.py").write_text(PLUGIN)
    dbt = [str(Path(sys.executable).with_name("dbt")), "parse", "--quiet", "--profiles-dir", "."]
    subprocess.run(dbt, cwd=project, env={**os.environ, "PYTHONPATH": str(path)}, check=True)
    plan = plan_project(PlanRequest(project), {})
    assert left_out(plan)[ACCOUNTS] == left_out(plan)["model.platform.plans.v2"] == "belongs to project platform"
    assert {dag.domain for dag in plan.dags if dag.kind is DagKind.SCHEDULED} == {"sales", "shop"}
    tasks = tasks_of(plan, "sales__daily")
    assert sorted(tasks) == ["deeper", "orders", "orders__tests"]
    assert not any(issue.is_error for issue in plan.issues)


def test_they_have_no_task_and_nothing_waits_for_them() -> None:
    entries = [
        model("a"),
        foreign("accounts", "model.platform.raw"),
        foreign("inlined", materialized="ephemeral"),
        model("b", ACCOUNTS, "model.platform.inlined"),
        test("t", "b", ACCOUNTS),
        test("u", ACCOUNTS),
    ]
    plan = plan_of(*entries)
    assert {why for key, why in left_out(plan).items() if ".platform." in key} == {"belongs to project platform"}
    tasks = tasks_of(plan, "sales__daily")
    assert (tasks["b"].upstream, tasks["b__tests"].upstream) == ((), ("b",))
    assert {dag.domain for dag in plan.dags} == {"sales", "shop"}
    picked = left_out(plan_of(*entries, settings={"select": "+b"}))
    assert picked["model.shop.a"] == "outside the selection (`select`)"
    assert picked[ACCOUNTS] == "belongs to project platform"


def test_a_dependency_may_name_one() -> None:
    skip = {"dependencies": {"accounts": {"skip": True}}}
    assert not plan_of(foreign("accounts"), model("b", ACCOUNTS, meta=skip)).issues
