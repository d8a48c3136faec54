"""What doctor finds of an Airflow, against a server that speaks its API."""

import pytest
from airflow_server import AirflowState

from dbt_af_k8s.cluster.airflow_api import AirflowApi
from dbt_af_k8s.cluster.airflow_checks import check_airflow
from dbt_af_k8s.cluster.airflow_login import AirflowLogin
from dbt_af_k8s.cluster.checks import Check
from dbt_af_k8s.plan.needs import NeededConnection, Needs

NEEDS = Needs(pools=("duckdb",), connections=(NeededConnection("k8s", "kubernetes"),), has_kubernetes=True)


def checks(server: AirflowState, needs: Needs = NEEDS, token: str = "fixed") -> dict[str, Check]:
    airflow = AirflowApi(server.url, AirflowLogin(token=token), patience=0)
    return {check.name: check for check in check_airflow(airflow, needs)}


def verdicts(found: dict[str, Check]) -> dict[str, str]:
    return {name: check.verdict.value for name, check in found.items() if check.verdict.value != "ok"}


def test_where_all_is_well(server: AirflowState) -> None:
    server.pools["duckdb"] = 1
    server.connections["k8s"] = "kubernetes"
    found = checks(server)
    assert verdicts(found) == {}
    assert found["pool duckdb"].told == "1 slots"
    assert "version" in found


def test_what_the_plan_needs_and_airflow_has_not(server: AirflowState) -> None:
    server.providers = {}
    found = checks(server)
    assert verdicts(found) == {
        "pool duckdb": "error",
        "connection k8s": "warning",
        "Kubernetes provider": "error",
    }
    assert "dbt-af-k8s pools --apply" in found["pool duckdb"].fix
    assert all(check.fix for check in found.values() if check.verdict.value != "ok")
    assert verdicts(checks(server, Needs())) == {}


def test_a_connection_of_another_kind(server: AirflowState) -> None:
    server.pools["duckdb"] = 1
    server.connections["k8s"] = "postgres"
    assert verdicts(checks(server)) == {"connection k8s": "error"}
    server.connections |= {"dbt_prod": "generic", "warehouse": "snowflake"}
    others = Needs(connections=(NeededConnection("dbt_prod", "http"), NeededConnection("warehouse")))
    assert verdicts(checks(server, others)) == {"connection dbt_prod": "warning"}


@pytest.mark.parametrize(
    ("part", "status", "verdict"),
    [
        ("scheduler", "unhealthy", "error"),
        ("metadatabase", "unhealthy", "error"),
        ("triggerer", None, "warning"),
        ("dag_processor", "unhealthy", "error"),
        ("dag_processor", None, "warning"),
    ],
)
def test_what_does_not_run(server: AirflowState, part: str, status: str | None, verdict: str) -> None:
    server.health[part] = {"status": status}
    assert verdicts(checks(server, Needs())) == {part: verdict}


def test_an_airflow_that_is_too_old(server: AirflowState) -> None:
    server.version = "2.10.5"
    found = checks(server, Needs())
    assert verdicts(found)["version"] == "error"
    assert found["version"].fix == "Use 3.2 or newer."


def test_a_login_that_is_refused(server: AirflowState) -> None:
    found = checks(server, token="wrong")
    assert verdicts(found) == {"login": "error"}
    assert "pool duckdb" not in found


def test_one_that_is_not_there() -> None:
    airflow = AirflowApi("http://127.0.0.1:9", AirflowLogin(), patience=0)
    (only,) = check_airflow(airflow, NEEDS)
    assert (only.name, only.verdict.value) == ("API", "error")


def test_a_right_that_is_missing_is_a_warning(server: AirflowState) -> None:
    server.pools["duckdb"] = 1
    server.after = lambda _, path: server.faults.append((403, {"detail": "no"})) if path.endswith("/pools") else None
    found = checks(server)
    assert verdicts(found) == {"connections": "warning"}
    assert "403, no" in found["connections"].told
