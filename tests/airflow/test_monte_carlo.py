"""Monte Carlo: its own packages against a local server, artefacts in this process and callbacks under real Airflow."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from monte_carlo_server import WAREHOUSE, MonteCarlo, monte_carlo_server

from dbt_af_k8s.airflow.integrations.artifacts import ArtifactSender
from dbt_af_k8s.airflow.integrations.monte_carlo import MonteCarloImporter
from dbt_af_k8s.airflow.integrations.refresh import RefreshError
from dbt_af_k8s.config.resolve import resolve_settings
from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.plan.values import ArtifactsPlan, DagKind, DagPlan, RefreshPlan, TaskKind, TaskPlan

pytestmark = [
    pytest.mark.airflow,
    # Of the libraries that pycarlo uses, not of ours.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::marshmallow.warnings.RemovedInMarshmallow4Warning"),
]
pytest.importorskip("airflow_mcd", reason="needs the extra monte-carlo")


@pytest.fixture
def monte_carlo():
    with monte_carlo_server() as server:
        yield server


@pytest.fixture
def artifacts(tmp_path: Path, monte_carlo: MonteCarlo, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A target folder of dbt, and the Airflow connection `mc` to the server."""
    connection = {"conn_type": "http", "host": f"{monte_carlo.url}/graphql", "login": "key", "password": "secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MC", json.dumps(connection))
    for file in ("manifest.json", "run_results.json"):
        (tmp_path / file).write_text(json.dumps({"metadata": {"invocation_id": "i1"}, "file": file}))
    return tmp_path


def send(folder: Path, **options: str) -> str | None:
    plan = ArtifactsPlan("monte_carlo", "shop", {"connection": "mc", **options}, required=True)
    return ArtifactSender(plan, job="sales__daily.orders").send(folder, logging.getLogger("x"))


@pytest.mark.parametrize("warehouse", [{}, {"warehouse": "shop"}, {"warehouse": WAREHOUSE}])
def test_artefacts_of_a_task_are_imported(monte_carlo, artifacts, warehouse):
    assert send(artifacts, **warehouse) is None
    assert {name: held["file"] for name, held in monte_carlo.uploads.items()} == {
        "manifest.json": "manifest.json",
        "run_results.json": "run_results.json",
    }
    (event,) = monte_carlo.events
    assert (event["projectName"], event["jobName"]) == ("shop", "sales__daily.orders")
    assert (event["invocationId"], event["resourceId"]) == ("i1", WAREHOUSE)
    assert monte_carlo.keys == {"key"}


def test_a_warehouse_that_is_not_there(artifacts):
    assert send(artifacts, warehouse="other") == "Monte Carlo has no warehouse `other`; the account has: `shop`."


def test_several_warehouses_and_none_named(monte_carlo, artifacts):
    monte_carlo.warehouses["lake"] = WAREHOUSE.replace("1", "2")
    assert "Multiple resources found" in str(send(artifacts))


def test_a_server_that_refuses(monte_carlo, artifacts):
    monte_carlo.status = 401
    told = send(artifacts)
    assert told is not None
    assert told.startswith("Monte Carlo did not take dbt's artefacts: ")
    assert "\n" not in told


def test_a_connection_without_a_key(artifacts, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MC", '{"conn_type": "http"}')
    with pytest.raises(RefreshError, match=r"the Airflow connection `mc`: Missing expected key"):
        MonteCarloImporter("mc").refresh({"manifest": "x", "run_results": "x", "project": "p", "job": "j"})


MODULE = """
class Provider:
    def refresh(self, resource):
        return "Done."
"""


def test_the_callbacks_of_airflow_mcd_under_real_airflow(monte_carlo, dag_test_lab, tmp_path):
    (tmp_path / "dags").mkdir()
    config = Config.model_validate({"integrations": {"monte_carlo": {"callbacks": True}}})
    callbacks = resolve_settings(config, file="x")[0].callbacks
    refresh = RefreshPlan("mc_provider.Provider", "model.shop.orders", ({},))
    task = TaskPlan("orders", TaskKind.REFRESH, refresh=refresh, retry=RetrySettings(retries=0))
    plan = DagPlan(
        dag_id="mc__daily",
        kind=DagKind.SCHEDULED,
        domain="mc",
        schedule="0 0 * * *",
        schedule_name="@daily",
        timezone="UTC",
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        tasks=(task,),
        callbacks=callbacks,
    )
    (tmp_path / "mc_provider.py").write_text(MODULE)
    connection = {"conn_type": "mcd-gateway", "host": monte_carlo.url, "login": "key", "password": "secret"}
    lab = dag_test_lab.with_environment(tmp_path, {"AIRFLOW_CONN_MCD_GATEWAY_DEFAULT_SESSION": json.dumps(connection)})
    answer = lab.run(tmp_path / "file" / "dags", tmp_path, (plan,), [{"dag_id": "mc__daily"}])
    assert answer.states() == {"orders": "success"}
    told = [(each["airflow_operation"], each["airflow_payload"]["dag_id"]) for each in monte_carlo.callbacks]
    assert told == [
        ("upload_airflow_task_result", "mc__daily"),
        ("upload_airflow_task_result", "mc__daily"),
        ("upload_airflow_dag_result", "mc__daily"),
    ], answer.log[-3000:]
