"""`dbt-af-k8s times`."""

import json
from pathlib import Path

from shop_on_disk import Shop

from dbt_af_k8s.config.run_times import RUN_TIMES_FILE


def results(path: Path, *rows: tuple[str, str, float]) -> Path:
    found = [{"unique_id": key, "status": status, "execution_time": seconds} for key, status, seconds in rows]
    path.write_text(json.dumps({"metadata": {}, "results": found}))
    return path


def test_the_median_of_each_node_is_recorded_and_others_stay(shop: Shop, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    results(runs / "1.json", ("model.shop.orders", "success", 1.0), ("model.shop.days", "error", 900.0))
    results(runs / "2.json", ("model.shop.orders", "success", 9.0))
    results(runs / "3.json", ("model.shop.orders", "success", 2.04), ("test.shop.t", "fail", 0.5))
    kept = shop.root / RUN_TIMES_FILE
    kept.write_text(json.dumps({"version": 1, "nodes": {"model.shop.old": 7, "model.shop.orders": 60}}))
    result = shop.run("times", str(runs))
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(kept.read_text()) == {
        "version": 1,
        "nodes": {"model.shop.old": 7.0, "model.shop.orders": 2.0, "test.shop.t": 0.5},
    }
    assert "Recorded 2 nodes from 3 files, 1 node as before" in result.stdout
    first = kept.read_bytes()
    shop.run("times", str(runs))
    assert kept.read_bytes() == first


def test_the_plan_reads_what_was_recorded(shop: Shop, tmp_path: Path) -> None:
    shop.settings("granularity: fused\n")
    tasks = [task for dag in shop.json("plan")["dags"] for task in dag["tasks"]]
    assert "build" not in {task["kind"] for task in tasks}
    nodes = {node for task in tasks for node in task["nodes"]}
    file = results(tmp_path / "r.json", *((node, "success", 0.2) for node in sorted(nodes)))
    assert shop.run("times", str(file)).exit_code == 0
    plan = shop.json("plan")
    built = [task["nodes"] for dag in plan["dags"] for task in dag["tasks"] if task["kind"] == "build"]
    assert built == [["model.shop.orders", "test.shop.unique_orders"]]
    (shop.root / RUN_TIMES_FILE).write_text("[]")
    assert "bad-run-times" in [issue["code"] for issue in shop.json("plan")["issues"]]


def test_what_is_no_result_of_dbt_is_told(shop: Shop, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    for given, told in (
        (wrong, "is no run_results.json of dbt"),
        (tmp_path / "gone.json", "dbt writes it when it has run"),
    ):
        result = shop.run("times", str(given))
        # A long path may push the words to the next line.
        assert (result.exit_code, told in " ".join(result.stderr.split())) == (2, True)
