"""The example's plan, whole, as a golden file: `UPDATE_GOLDENS=1` writes it again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.dbt, pytest.mark.slow]

GOLDEN = Path(__file__).with_name("plan.json")


@pytest.fixture(scope="module")
def plan(parsed_shop: Path) -> dict[str, Any]:
    """The plan that the command line prints, without what differs from parse to parse."""
    program = str(Path(sys.executable).with_name("dbt-af-k8s"))
    argv = [program, "plan", "--format", "json", "--project-dir", str(parsed_shop)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    found["manifest"]["sha256"] = "..."
    return found


def test_the_plan_is_the_golden_one(plan: dict[str, Any]) -> None:
    text = json.dumps(plan, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_GOLDENS"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_every_node_of_the_manifest_is_planned_or_left_out(plan: dict[str, Any], parsed_shop: Path) -> None:
    manifest = json.loads((parsed_shop / "target" / "manifest.json").read_text(encoding="utf-8"))
    building = [dag for dag in plan["dags"] if dag["kind"] not in ("backfill", "maintenance")]
    # Sources stand in gates and in their freshness DAG.
    built = [task for dag in building for task in dag["tasks"] if task["kind"] != "freshness"]
    planned = [node for task in built for node in task["nodes"]]
    left_out = [entry["node"] for entry in plan["left_out"]]
    assert len(planned) == len(set(planned))
    assert not set(planned) & set(left_out)
    assert set(manifest["nodes"]) <= {*planned, *left_out}


def test_it_has_no_problem_and_five_scheduled_domains(plan: dict[str, Any]) -> None:
    assert plan["issues"] == []
    schedules = {
        dag["dag_id"]: (dag["schedule"], dag["timezone"]) for dag in plan["dags"] if dag["kind"] == "scheduled"
    }
    assert schedules == {
        "finance__office_morning": ("30 6 * * *", "Europe/Berlin"),
        "marketing__weekly_shift_1_days": ("0 0 * * 1", "UTC"),
        "raw__daily": ("0 0 * * *", "UTC"),
        "sales__daily": ("0 0 * * *", "UTC"),
        "web__hourly": ("0 * * * *", "UTC"),
    }


def test_the_daily_domain_waits_for_every_hour_of_the_frequent_one(plan: dict[str, Any]) -> None:
    sales = next(dag for dag in plan["dags"] if dag["dag_id"] == "sales__daily")
    waits = [task["waits_for"] for task in sales["tasks"] if task["kind"] == "wait"]
    assert [wait["policy"] for wait in waits if wait["node"] == "model.shop.visits"] == ["all"]


def test_the_script_for_kubernetes_runs_without_a_cluster(plan: dict[str, Any]) -> None:
    tasks = [task for dag in plan["dags"] for task in dag["tasks"] if task["nodes"] == ["model.shop.train_churn_model"]]
    assert {task["runner"] for task in tasks} == {"local_process"}
    assert {task["pod"]["target"]["image"] for task in tasks} == {"python:3.13-slim"}
