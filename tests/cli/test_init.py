"""`dbt-af-k8s init`."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from shop_on_disk import Shop, run

from dbt_af_k8s.cli.init import Runner
from dbt_af_k8s.route.runners import ABILITIES


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """Without settings."""
    (shop.root / "dbt_af_k8s.yml").unlink()
    return shop


def test_writes_settings_and_the_one_line_dag_file(shop: Shop) -> None:
    result = shop.run("init")
    assert result.exit_code == 0
    assert (shop.root / "dags" / "dbt_dags.py").read_text() == (
        'from dbt_af_k8s.airflow import dbt_dags; globals().update(dbt_dags(".."))\n'
    )
    assert yaml.safe_load((shop.root / "dbt_af_k8s.yml").read_text())["runners"] == {"*": "local"}
    assert "dbt-af-k8s plan" in result.stdout
    assert shop.json("check")["issues"] == []


def test_a_runner_that_needs_no_more_than_its_name_is_offered() -> None:
    """Those of pods need an image, which nobody knows at that moment."""
    assert [runner.value for runner in Runner] == [name for name in ABILITIES if not name.endswith("_pod")]


@pytest.mark.parametrize("answer", ["local", "dbt_api"])
def test_a_person_at_a_terminal_is_asked_where_dbt_runs(shop: Shop, answer: str) -> None:
    controller, terminal = pty.openpty()
    argv = [sys.executable, "-m", "dbt_af_k8s", "init", "--project-dir", str(shop.root)]
    with subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal) as asking:
        os.write(controller, f"lokal\n{answer}\n".encode())
        assert asking.wait(60) == 0
    shown = os.read(controller, 100_000).decode()
    assert "Where shall dbt run?" in shown
    assert "Did you mean `local`?" in shown
    settings = yaml.safe_load((shop.root / "dbt_af_k8s.yml").read_text())
    row = settings["runners"]["*"]
    assert row == answer if answer == "local" else row["type"] == answer
    assert shop.json("check")["issues"] == []


def test_a_person_whose_folders_are_layers_is_asked_what_makes_a_domain(tmp_path: Path) -> None:
    shop = Shop(tmp_path, plain=None).model("stg", folder="staging/sales").model("orders", "stg", folder="marts/sales")
    shop.write()
    controller, terminal = pty.openpty()
    argv = [sys.executable, "-m", "dbt_af_k8s", "init", "--runner", "local", "--project-dir", str(shop.root)]
    with subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal) as asking:
        os.write(controller, b"by the first folder\nby the second folder\n")
        assert asking.wait(60) == 0
    assert "Did you mean `by the second folder`?" in os.read(controller, 100_000).decode()
    assert yaml.safe_load((shop.root / "dbt_af_k8s.yml").read_text())["domains"] == {"folder_depth": 2}
    assert {dag["domain"] for dag in shop.json("plan")["dags"] if dag["kind"] == "scheduled"} == {"sales"}


def test_never_overwrites(shop: Shop) -> None:
    shop.settings("strict: true\n")
    result = shop.run("init", "--example", "--format", "json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["written"] == [str(shop.root / "dags" / "dbt_dags.py")]
    assert told["left_alone"] == [str(shop.root / "dbt_af_k8s.yml"), str(shop.root / "dbt_project.yml")]
    assert (shop.root / "dbt_af_k8s.yml").read_text() == "strict: true\n"
    again = shop.run("init")
    assert again.stdout.count("left alone: it is there already") == 2


def test_other_spelling_of_the_settings_is_left_alone(shop: Shop) -> None:
    (shop.root / "dbt_af_k8s.yaml").write_text("strict: true\n")
    assert shop.run("init").exit_code == 0
    assert not (shop.root / "dbt_af_k8s.yml").exists()


@pytest.mark.parametrize(("folder", "way"), [("airflow/dags", "../.."), ("dags", "..")])
def test_dag_file_finds_the_project(shop: Shop, folder: str, way: str) -> None:
    dags = shop.root / folder
    assert shop.run("init", "--dags-dir", str(dags)).exit_code == 0
    assert f'dbt_dags("{way}")' in (dags / "dbt_dags.py").read_text()


def test_dag_file_elsewhere_names_the_whole_path(shop: Shop, tmp_path: Path) -> None:
    assert shop.run("init", "--dags-dir", str(tmp_path / "dags")).exit_code == 0
    assert f'dbt_dags("{shop.root}")' in (tmp_path / "dags" / "dbt_dags.py").read_text()


def test_needs_a_project_or_the_wish_for_one(tmp_path: Path) -> None:
    result = run("init", "--project-dir", str(tmp_path))
    assert result.exit_code == 2
    assert "--example" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_example_is_a_dbt_project_in_a_new_folder(tmp_path: Path) -> None:
    root = tmp_path / "new"
    result = run("init", "--example", "--project-dir", str(root))
    assert result.exit_code == 0
    assert yaml.safe_load((root / "dbt_project.yml").read_text())["name"] == "example"
    assert (root / "models" / "finance" / "revenue.sql").is_file()


@pytest.mark.dbt
def test_example_parses_and_plans_without_a_word_of_trouble(tmp_path: Path) -> None:
    root = tmp_path / "new"
    run("init", "--example", "--project-dir", str(root))
    dbt = str(Path(sys.executable).with_name("dbt"))
    argv = [dbt, "--warn-error", "parse", "--profiles-dir", "."]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    plan = json.loads(run("plan", "--project-dir", str(root), "--format", "json").stdout)
    dags = [dag["dag_id"] for dag in plan["dags"] if dag["kind"] == "scheduled"]
    assert dags == ["finance__weekly", "sales__daily"]
    assert plan["issues"] == []
