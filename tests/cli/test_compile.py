"""`dbt-af-k8s compile`."""

import json
import re

import pytest
from full_disk import disk_with_room_for_files_of
from shop_on_disk import Shop

from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.store import load_dags


def test_it_writes_what_a_dag_file_then_loads(shop: Shop) -> None:
    result = shop.run("compile")
    assert result.exit_code == 0, result.stderr
    assert re.match(r"✓ Compiled: \d+ DAGs, \d+ tasks, \d+ KiB in \d+\.\d s\.\n", result.stdout)
    assert load_dags(PlanRequest(shop.root.absolute()), {}).because is None


def test_json(shop: Shop) -> None:
    data = shop.json("compile")
    assert list(data) == ["version", "folder", "dags", "tasks", "bytes", "seconds", "slices", "issues"]
    assert data["bytes"] > 0
    assert data["slices"]["refused"] == len(shop.nodes)
    assert data["slices"]["reasons"] == [
        {"because": "its file is not where the manifest says", "nodes": len(shop.nodes)}
    ]


def test_a_folder_that_cannot_be_written_to(shop: Shop) -> None:
    (shop.root / "target" / "dbt_af_k8s").write_text("in the way")
    result = shop.run("compile")
    assert result.exit_code == 1
    assert "DBT_AF_K8S_CACHE_DIR" in result.stderr
    assert "Not written: " in result.stderr
    assert ": not a directory." in result.stderr


@pytest.mark.parametrize("room", [0, 8192])
def test_a_full_disk_leaves_no_plan_by_halves(shop: Shop, room: int) -> None:
    """Not even one without slices: it would count as fresh when there is room again."""
    with disk_with_room_for_files_of(room):
        result = shop.run("compile")
    assert result.exit_code == 1
    assert f"Not written: {shop.root / 'target' / 'dbt_af_k8s' / 'plan'}" in result.stderr
    assert [file.name for file in shop.root.glob("target/dbt_af_k8s/plan/*/*")] == ["lock"]
    assert shop.run("compile").exit_code == 0


def test_a_project_that_cannot_be_planned(shop: Shop) -> None:
    (shop.root / "target" / "manifest.json").write_text("{")
    assert shop.run("compile").exit_code == 2


def test_errors_of_one_domain_are_told_and_the_others_are_compiled(shop: Shop) -> None:
    shop.model("lost", folder="science", dbt_target="nowhere").write()
    result = shop.run("compile")
    assert result.exit_code == 1
    assert result.stdout.startswith("✗ Compiled all but what has errors: ")
    assert "unknown-target" in result.stderr
    assert "1 error" in result.stderr
    done = load_dags(PlanRequest(shop.root.absolute()), {})
    assert done.because is None
    assert {dag.dag_id: bool(dag.problems) for dag in done.dags}["science__manual"]
    assert not {dag.dag_id: bool(dag.problems) for dag in done.dags}["sales__hourly"]


def test_strict_writes_nothing_where_there_is_an_error(shop: Shop) -> None:
    shop.model("lost", folder="science", dbt_target="nowhere").write()
    result = shop.run("compile", "--strict")
    assert result.exit_code == 2
    assert "unknown-target" in result.stderr
    assert list(shop.root.glob("target/dbt_af_k8s/plan/*/*.json*")) == []


def test_errors_for_machines(shop: Shop) -> None:
    shop.model("lost", folder="science", dbt_target="nowhere").write()
    result = shop.run("compile", "--format", "json")
    assert result.exit_code == 1
    assert [issue["code"] for issue in json.loads(result.stdout)["issues"]] == ["unknown-target"]
