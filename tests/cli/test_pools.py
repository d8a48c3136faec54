"""`dbt-af-k8s pools`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dag_test_lab import DagTestLab
from shop_on_disk import Shop

SETTINGS = """
pools:
  nobody: {slots: 3, targets: [nowhere]}
  writer: {slots: 1, description: "One writer [bold]ü", domains: [sales]}
  weekly: {slots: 4, domains: [finance]}
"""
WANTED = {
    "weekly": {"slots": 4, "description": ""},
    "writer": {"slots": 1, "description": "One writer [bold]ü"},
}


@pytest.fixture
def pooled(shop: Shop) -> Shop:
    return shop.settings(SETTINGS)


def test_the_table_has_the_pools_that_tasks_name(pooled: Shop) -> None:
    result = pooled.run("pools")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    plan = pooled.json("plan")
    count = {name: sum(task.get("pool") == name for dag in plan["dags"] for task in dag["tasks"]) for name in WANTED}
    assert ["weekly", "4", str(count["weekly"])] in lines
    assert ["writer", "1", str(count["writer"]), "One", "writer", "[bold]ü"] in lines
    assert "nobody" not in result.stdout


def test_json_is_what_airflow_imports_and_the_file_is_the_same(pooled: Shop, tmp_path: Path) -> None:
    assert pooled.json("pools") == WANTED
    file = tmp_path / "new" / "pools.json"
    result = pooled.run("pools", "--output", str(file))
    assert result.exit_code == 0
    assert str(file) in result.stderr
    assert json.loads(file.read_bytes()) == WANTED
    assert pooled.run("pools", "--output", str(tmp_path)).exit_code == 2


def test_no_pools_are_no_fault_and_nothing_is_applied(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    without_airflow(monkeypatch, shop.root)
    result = shop.run("pools", "--apply")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "needs no pools" in result.stdout
    assert shop.json("pools") == {}


def test_a_pool_without_slots_is_told(empty_shop: Shop) -> None:
    shop = empty_shop.model("orders", pool="mine").model("plain", pool="default_pool").write()
    result = shop.run("pools")
    assert result.exit_code == 0
    told = " ".join(result.stderr.split())
    assert "Pool mine is named by tasks" in told
    assert "default_pool" not in told


def without_airflow(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """This Python lies in a folder without Airflow, and so does everything on the PATH."""
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(folder))


def test_without_airflow_it_says_what_to_do(pooled: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    without_airflow(monkeypatch, pooled.root)
    result = pooled.run("pools", "--apply")
    assert result.exit_code == 2
    assert "There is no Airflow in this environment" in result.stderr
    assert "--output" in result.stderr


def test_what_airflow_says_is_told_when_it_fails(pooled: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    without_airflow(monkeypatch, pooled.root)
    program = pooled.root / "airflow"
    program.write_text("#!/bin/sh\necho 'You need to initialize the database' >&2\nexit 1\n")
    program.chmod(0o755)
    result = pooled.run("pools", "--apply")
    assert result.exit_code == 2
    assert "exit code 1" in result.stderr
    assert "You need to initialize the database" in result.stderr


@pytest.mark.airflow
@pytest.mark.slow
def test_real_airflow_has_them_afterwards_and_keeps_its_own(
    pooled: Shop, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    lab = DagTestLab(tmp_path / "airflow", programs / "python")
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)

    def airflow(*argv: str) -> str:
        command = [sys.executable, "-m", "airflow", *argv]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout

    airflow("pools", "set", "writer", "7", "of an older plan")
    result = pooled.run("pools", "--apply")
    assert result.exit_code == 0, result.output
    assert "Airflow has 2 pools of this plan: weekly, writer" in result.stderr
    found = {pool["pool"]: pool for pool in json.loads(airflow("pools", "list", "--output", "json"))}
    assert set(found) == {"default_pool", *WANTED}
    assert (found["writer"]["slots"], found["writer"]["description"]) == ("1", "One writer [bold]ü")
