"""`dbt-af-k8s backfill run`, against a server that speaks Airflow's API."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow_server import AirflowState, airflow_server
from shop_on_disk import run

CONFIG = """\
domain: finance
partitions: {dates: {from: 2026-01-05, to: 2026-01-08}, static: {region: [north]}}
chunk: day
poll: 1
image: shop
version: "1"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("time.sleep", lambda _: None)
    path = tmp_path / "backfill.yml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowState]:
    with airflow_server() as state:
        monkeypatch.setenv("DBT_AF_K8S_AIRFLOW_URL", state.url)
        monkeypatch.setenv("DBT_AF_K8S_AIRFLOW_USERNAME", "admin")
        monkeypatch.setenv("DBT_AF_K8S_AIRFLOW_PASSWORD", "secret")
        yield state


def test_it_tells_each_change_by_a_line(config: str, server: AirflowState) -> None:
    result = run("backfill", "run", config)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        "1/3 2026-01-05 → 2026-01-06, region=north: queued",
        "1/3 2026-01-05 → 2026-01-06, region=north: running",
        "1/3 2026-01-05 → 2026-01-06, region=north: success",
    ]
    assert lines[-1] == "finance__backfill: 3 runs, 3 success"
    again = run("backfill", "run", config)
    assert again.exit_code == 0
    assert "3/3 2026-01-07 → 2026-01-08, region=north: success (was there already)" in again.stdout
    assert len(server.runs) == 3


def test_what_failed_is_named(config: str, server: AirflowState) -> None:
    server.course = lambda _: ["failed"]
    result = run("backfill", "run", config)
    assert result.exit_code == 1
    assert "3 runs, 1 failed, 2 not started" in result.stdout
    assert "✗ 2026-01-05 → 2026-01-06, region=north: failed (revenue)" in result.stdout
    assert f"{server.url}/dags/finance__backfill/runs/one_time_backfill-finance__" in result.stdout.replace("\n", "")
    again = run("backfill", "run", config)
    assert again.exit_code == 1
    assert "--retry-failed" in again.stderr
    server.course = lambda _: ["success"]
    assert run("backfill", "run", config, "--retry-failed").exit_code == 0


def test_json_is_all_that_is_on_stdout(config: str, server: AirflowState) -> None:
    server.course = lambda run_id: ["failed" if "20260106" in run_id else "success"]
    result = run("backfill", "run", config, "--format", "json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert [(each["state"], each["failed_tasks"]) for each in told["runs"]] == [
        ("success", []),
        ("failed", ["revenue"]),
        ("not started", []),
    ]


def test_trouble_is_told_on_stderr(config: str, server: AirflowState) -> None:
    server.faults = [(503, {"detail": "starting"})]
    result = run("backfill", "run", config)
    assert result.exit_code == 0
    assert "503, starting. Trying again." in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"DBT_AF_K8S_AIRFLOW_PASSWORD": "hidden"}, "Check the login"),
        ({"DBT_AF_K8S_AIRFLOW_URL": "http://127.0.0.1:9"}, "Airflow cannot be reached"),
        ({"DBT_AF_K8S_AIRFLOW_URL": "nowhere"}, "http://host:8080"),
        ({"DBT_AF_K8S_AIRFLOW_URL": ""}, "Nothing says where Airflow is"),
    ],
)
def test_what_keeps_it_from_beginning_is_told(
    config: str, server: AirflowState, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], told: str
) -> None:
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    result = run("backfill", "run", config, "--patience", "0")
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
    assert "hidden" not in result.output
    assert server.runs == {}


def test_a_dag_without_vars_is_warned_of(config: str, server: AirflowState) -> None:
    server.dags["finance__backfill"]["params"] = {}
    result = run("backfill", "run", config)
    assert result.exit_code == 0
    assert "has no `vars`: `region`" in " ".join(result.stderr.split())
