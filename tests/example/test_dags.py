"""The DAG file of the repository, as Airflow reads it: one line, no import error, the plan's DAGs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
dags = {dag_id: sorted(dag.task_ids) for dag_id, dag in sorted(bag.dags.items())}
print(json.dumps({"errors": bag.import_errors, "dags": dags}))
"""


def test_the_file_is_one_line() -> None:
    assert [file.name for file in (ROOT / "dags").iterdir() if file.name != "__pycache__"] == ["shop.py"]
    assert len((ROOT / "dags" / "shop.py").read_text(encoding="utf-8").splitlines()) == 1


def test_airflow_reads_the_planned_dags_out_of_it(parsed_shop: Path, tmp_path: Path) -> None:
    shutil.copytree(parsed_shop, tmp_path / "example_project")
    shutil.copytree(ROOT / "dags", tmp_path / "dags")
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env |= {"AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path / "dags")]
    # From another folder: the path in the DAG file is relative to the DAG file.
    done = subprocess.run(argv, cwd=tmp_path.anchor, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["errors"] == {}
    plan = json.loads(Path(__file__).with_name("plan.json").read_text(encoding="utf-8"))
    assert found["dags"] == {dag["dag_id"]: sorted(task["task_id"] for task in dag["tasks"]) for dag in plan["dags"]}
