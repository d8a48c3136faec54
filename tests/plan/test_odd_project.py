"""Manifests as dbt writes them, of a project that misleads: what the plan runs is what dbt would run."""

import json
import os
from pathlib import Path

import pytest
from odd_project import dbt, write_odd_project
from typer.testing import CliRunner

from dbt_af_k8s.cli.main import app
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.plan.project import plan_project
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import DagKind, Plan

pytestmark = [pytest.mark.dbt]


@pytest.fixture(scope="module")
def odd(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = write_odd_project(tmp_path_factory.mktemp("odd"))
    dbt(programs, project, "deps")
    dbt(programs, project, "parse")
    return project


@pytest.fixture(scope="module")
def plan(odd: Path) -> Plan:
    return plan_project(PlanRequest(odd), {})


def left_out(plan: Plan) -> dict[str, str]:
    return {entry.node: entry.because for entry in plan.left_out}


def test_what_has_a_task_is_what_dbt_lists(programs: Path, odd: Path, plan: Plan) -> None:
    listed = dbt(programs, odd, "ls", "--output", "json", "--output-keys", "unique_id")
    wanted = {json.loads(line)["unique_id"] for line in listed.splitlines() if line.startswith("{")}
    planned = {node for dag in plan.dags for task in dag.tasks for node in task.nodes}
    assert planned == wanted


def test_what_dbt_has_switched_off_is_left_out_wherever_it_stands(odd: Path, plan: Plan) -> None:
    manifest = json.loads((odd / "target" / "manifest.json").read_text())
    stays = {key for key, node in manifest["nodes"].items() if node["config"]["enabled"] is False}
    assert {key.rsplit(".", 2)[1] for key in stays} == {"unique_retired_id", "unique_ghost_id"}, "dbt leaves them there"
    off = {key for key, why in left_out(plan).items() if why == "disabled in dbt"}
    assert off == stays | set(manifest["disabled"])
    assert not plan.issues


def test_a_test_runs_with_the_model_that_it_is_declared_with(plan: Plan) -> None:
    homes = {
        dag.dag_id: task.task_id
        for dag in plan.dags
        if dag.kind is DagKind.SCHEDULED
        for task in dag.tasks
        if any("relationships_visits" in node for node in task.nodes)
    }
    assert homes == {"web__daily": "visits__tests"}


def test_domains_come_from_folders_below_the_resource_paths(plan: Plan) -> None:
    homes = {dag.domain: dag.dag_id for dag in plan.dags if dag.kind in (DagKind.SCHEDULED, DagKind.FRESHNESS)}
    assert homes == {"shop": "shop__freshness", "sales": "sales__daily", "raw": "raw__daily", "web": "web__daily"} | {
        "lib": "lib__daily"
    }


def test_a_package_may_share_the_domains_of_the_project(odd: Path) -> None:
    plan = plan_project(PlanRequest(odd, config=Config(domains={"packages": "folder"})), {})
    assert {dag.domain for dag in plan.dags if "model.lib.lib_orders" in str(dag.tasks)} == {"sales"}


def test_only_what_dbt_reads_makes_the_manifest_stale(odd: Path) -> None:
    later = (odd / "target" / "manifest.json").stat().st_mtime + 60

    def stale(*changed: str) -> list[str]:
        for name in changed:
            path = odd / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (later, later))
        said = CliRunner().invoke(app, ["check", "--project-dir", str(odd), "--format", "json"])
        return [issue["message"] for issue in json.loads(said.stdout)["issues"] if issue["code"] == "stale-manifest"]

    assert (
        stale("dags/dbt_dags.py", "dbt_af_k8s.yml", "../../.venv/lib/x.py", "../other/models/x.sql", "../x.yml") == []
    )
    found = stale("../../common/new.yml", "macros/later.sql")
    assert len(found) == 1
    assert "../../common/new.yml, macros/later.sql:" in found[0]
