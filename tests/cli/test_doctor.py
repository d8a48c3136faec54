"""`dbt-af-k8s doctor` without a cluster, and against a server that speaks Airflow's API."""

import json
from pathlib import Path
from typing import Any

import pytest
from airflow_server import airflow_server
from shop_on_disk import Shop, run


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a cluster nor an Airflow, and no project in this folder."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "AIRFLOW_API_SERVER_SERVICE_HOST", "AIRFLOW__API__BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def told(*argv: str) -> tuple[int, dict[str, dict[str, Any]]]:
    result = run("doctor", *argv, "--format", "json")
    assert result.stderr == ""
    checks = json.loads(result.stdout)["checks"]
    assert all(check["fix"] for check in checks if check["verdict"] in ("error", "warning"))
    return result.exit_code, {f"{check['area']} {check['name']}": check for check in checks}


def test_with_nothing_around_it_tells_versions_and_skips_the_rest() -> None:
    code, checks = told()
    assert code == 0
    assert checks["versions dbt-af-k8s"]["verdict"] == "ok"
    skipped = {name for name, check in checks.items() if check["verdict"] == "skipped"}
    assert skipped >= {"project plan", "kubernetes cluster", "airflow API"}
    result = run("doctor")
    assert result.exit_code == 0
    assert "→ Name one with --kube-config or KUBECONFIG." in result.stdout


@pytest.mark.parametrize("option", [("--pull",), ("--context", "other"), ("--namespace", "dbt")])
def test_a_cluster_that_is_asked_for_must_be_there(option: tuple[str, ...]) -> None:
    code, checks = told(*option)
    assert code == 1
    assert checks["kubernetes cluster"]["verdict"] == "error"


@pytest.mark.parametrize("text", ["a: [", "just text", "", "clusters: 3"])
def test_a_broken_kube_config_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    code, checks = told("--kube-config", str(tmp_path / "config"))
    assert code == 1
    assert checks["kubernetes cluster"]["verdict"] == "error"


def test_a_cluster_that_does_not_answer_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: a, user: {}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
    )
    code, checks = told("--kube-config", str(tmp_path / "config"))
    assert code == 1
    assert "cannot be reached at http://127.0.0.1:9: " in checks["kubernetes API"]["told"]


def test_the_project_s_pools_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path / "shop").model("orders").write()
    shop.settings("dags: {kinds: []}\npools: {one: {slots: 1}}\n")
    with airflow_server() as server:
        monkeypatch.setenv("DBT_AF_K8S_AIRFLOW_TOKEN", "fixed")
        where = ("--project-dir", str(shop.root), "--airflow-url", server.url)
        code, checks = told(*where)
        assert code == 1
        assert checks["project plan"]["told"] == "1 DAG, 1 task"
        assert checks["airflow pool one"]["verdict"] == "error"
        server.pools["one"] = 1
        assert told(*where)[0] == 0


def test_a_broken_project_is_told(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    code, checks = told()
    assert code == 1
    assert checks["project plan"]["verdict"] == "error"


def test_a_broken_login_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_AF_K8S_AIRFLOW_TOKEN_FILE", str(tmp_path / "none"))
    code, checks = told("--airflow-url", "http://127.0.0.1:9")
    assert code == 1
    assert "cannot be read" in checks["airflow API"]["told"]


def test_what_is_no_namespace_is_a_wrong_use() -> None:
    result = run("doctor", "--namespace", "No Such")
    assert result.exit_code == 2
    assert "can be no namespace" in result.stderr


def test_a_target_in_kubernetes_without_a_cluster_here_is_a_warning(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop").model("orders").write()
    profiles = shop.root / "profiles.yml"
    profiles.write_text(f"{profiles.read_text()}    pods: {{type: kubernetes, image_name: 'shop:1'}}\n")
    code, checks = told("--project-dir", str(shop.root))
    assert code == 0
    assert checks["kubernetes cluster"]["verdict"] == "warning"
