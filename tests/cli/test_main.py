"""The program as a whole: help, version, faults, what it imports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shop_on_disk import Shop, run

from dbt_af_k8s import __version__
from dbt_af_k8s.cli.reference import reference_markdown

COMMANDS = ("compile", "plan", "check", "explain", "waits", "graph", "run", "pools", "init")


def test_help_lists_the_commands_that_work() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f" {command} " in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--project-dir" in result.stdout


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "init"])
def test_every_command_takes_dbts_own_options(command: str) -> None:
    text = run(command, "--help").stdout
    for option in ("--profiles-dir", "--target", "--manifest", "--config", "--format"):
        assert option in text


def test_version() -> None:
    assert run("--version").stdout == f"dbt-af-k8s {__version__}\n"


def test_unknown_command_names_the_closest() -> None:
    result = run("chek")
    assert result.exit_code == 2
    assert "check" in result.stderr


def test_an_option_that_is_none_is_told_in_our_words() -> None:
    result = run("plan", "--format", "yaml")
    assert result.exit_code == 2
    assert "'yaml' is not one of 'table'" in result.stderr
    assert "Value error" not in result.stderr


def test_shells_complete_its_commands() -> None:
    asked = {"_DBT_AF_K8S_COMPLETE": "complete_bash", "COMP_WORDS": "dbt-af-k8s exp", "COMP_CWORD": "1"}
    program = Path(sys.executable).with_name("dbt-af-k8s")
    done = subprocess.run([program], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["explain"], done.stderr


def test_environment_names_the_project(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_PROJECT_DIR", str(shop.root))
    assert run("check").exit_code == 0


def test_a_fault_of_ours_is_one_line_without_traceback(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug\nwith more lines")

    monkeypatch.setattr("dbt_af_k8s.plan.project.build_project", broken)
    result = shop.run("check")
    assert result.exit_code == 70
    assert result.stdout == ""
    assert result.stderr.startswith(f"A fault of dbt-af-k8s {__version__}: ZeroDivisionError: a bug\n")
    assert "DBT_AF_K8S_DEBUG=1" in result.stderr
    assert "Traceback" not in result.stderr
    monkeypatch.setenv("DBT_AF_K8S_DEBUG", "1")
    assert "Traceback" in shop.run("check").stderr


def test_a_reader_that_goes_away_is_no_error(shop: Shop) -> None:
    plan = f"{sys.executable} -m dbt_af_k8s plan --format json --project-dir {shop.root}"
    script = f"{plan} | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "{0\n"
    assert done.stderr == ""


def test_no_command_but_run_loads_airflow_dbt_or_kubernetes(shop: Shop) -> None:
    program = (
        "import sys\n"
        "from dbt_af_k8s.cli.main import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'airflow', 'dbt', 'kubernetes', 'igraph'}), file=sys.stderr)\n"
    )
    for argv in (["plan"], ["check"], ["explain", "orders"], ["waits", "sales__daily"], ["graph"], ["init"]):
        command = [sys.executable, "-c", program, *argv, "--project-dir", str(shop.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == "[]\n", argv


def test_help_loads_no_room_of_planning() -> None:
    program = (
        "import sys\n"
        "import dbt_af_k8s.cli.main\n"
        "print(sorted({'pydantic', 'networkx', 'yaml', 'jinja2', 'croniter', 'airflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_names_beyond_the_locale_are_written(shop: Shop, tmp_path: Path) -> None:
    shop.model("größe_数", folder="日本").write()
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for command in (["plan"], ["plan", "--format", "json"], ["plan", "--format", "tree"], ["graph"], ["check"]):
        argv = [sys.executable, "-m", "dbt_af_k8s", *command, "--project-dir", str(shop.root)]
        done = subprocess.run(argv, capture_output=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr


def test_reference_names_every_command_and_option() -> None:
    text = reference_markdown()
    assert text == reference_markdown()
    for command in COMMANDS:
        assert f"\n## {command}\n" in text
    assert "| `--project-dir DIR` | Folder of dbt_project.yml. Environment: `DBT_PROJECT_DIR`. | `.` |" in text
    assert "| `--format table\\|tree\\|markdown\\|json` |" in text
    assert "| `NODE` | Name, unique_id or task id. | required |" in text
