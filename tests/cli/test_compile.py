"""`dbt-af-k8s compile`."""

import re

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
    assert list(data) == ["version", "folder", "dags", "tasks", "bytes", "seconds", "slices"]
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


def test_a_project_that_cannot_be_planned(shop: Shop) -> None:
    (shop.root / "target" / "manifest.json").write_text("{")
    assert shop.run("compile").exit_code == 2
