"""dbt in pods without a cluster: profiles of connections, clouds without their provider, setup tasks."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk.exceptions import AirflowFailException
from building import PROFILE, model, plan_of

from dbt_af_k8s.airflow.dbt_operator import DbtOperator
from dbt_af_k8s.airflow.dbt_pods.gke_cluster import GkeClusterDeleteOperator, GkeClusterMakeOperator
from dbt_af_k8s.airflow.dbt_pods.place import engine_for
from dbt_af_k8s.airflow.dbt_pods.profile import profiles_of_connection
from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.dbt.place import PlaceRefusesError
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.plan.values import DagPlan
from dbt_af_k8s.pods.clouds import EksCluster, GkeCluster
from dbt_af_k8s.pods.dbt_values import ConnectionProfile

pytestmark = pytest.mark.airflow
WANTED = ConnectionProfile("warehouse", "shop", "prod", "postgres", {"schema": "analytics", "threads": 4})
PASSWORD = 'p{{ ss }}"\\w'


def connect(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))


def rendered(value: Any) -> Any:
    """As dbt reads a value of profiles.yml."""
    from jinja2 import Environment

    return Environment().from_string(value).render() if isinstance(value, str) else value


def test_a_postgres_connection_becomes_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"sslmode": "require", "unknown": 1, "dbt": {"role": "loader"}}
    connect(monkeypatch, conn_type="postgres", host="db", login="ann", password=PASSWORD, schema="shop", extra=extra)
    profiles = profiles_of_connection(WANTED)
    assert profiles["shop"]["target"] == "prod"
    output = {key: rendered(value) for key, value in profiles["shop"]["outputs"]["prod"].items()}
    assert output == {
        "type": "postgres",
        "host": "db",
        "port": 5432,
        "user": "ann",
        "password": PASSWORD,
        "dbname": "shop",
        "schema": "analytics",
        "threads": 4,
        "sslmode": "require",
        "role": "loader",
    }


def test_another_adapter_takes_the_output_from_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = replace(WANTED, adapter="snowflake", output={})
    connect(monkeypatch, conn_type="snowflake", password="x", extra={"dbt": {"account": "a", "password": "y"}})
    found = profiles_of_connection(wanted)["shop"]["outputs"]["prod"]
    assert found == {"account": "a", "password": "y", "type": "snowflake"}
    connect(monkeypatch, conn_type="snowflake", password="x")
    with pytest.raises(PlaceRefusesError, match="in its extra under `dbt`"):
        profiles_of_connection(wanted)


def test_a_connection_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE", raising=False)
    with pytest.raises(PlaceRefusesError, match="no Airflow connection `warehouse`"):
        profiles_of_connection(WANTED)


@pytest.mark.parametrize(("cloud", "extra"), [(GkeCluster("p", "l", "c"), "gke"), (EksCluster("c"), "eks")])
def test_a_missing_provider_names_the_extra(cloud: Any, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in ("google", "amazon"):
        monkeypatch.setitem(__import__("sys").modules, f"airflow.providers.{provider}", None)
    context = {"ti": SimpleNamespace(dag_id="d", run_id="r")}
    with pytest.raises(PlaceRefusesError, match=rf"pip install \"dbt-af-k8s\[{extra}\]\""):
        engine_for(cloud, context)


@pytest.mark.parametrize("made", [GkeClusterMakeOperator, GkeClusterDeleteOperator])
def test_a_cluster_without_the_provider_names_the_extra(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "airflow.providers.google", None)
    operator = made(task_id="c", cloud=GkeCluster("p", "l", "c", create={}))
    context = {"ti": SimpleNamespace(dag_id="d", run_id="r")}
    with pytest.raises(AirflowFailException, match=r"dbt-af-k8s\[gke\]"):
        operator.execute(context)


def test_the_name_of_a_runs_cluster_is_short_and_its_own() -> None:
    cloud = GkeCluster("p", "l", "a-name-that-is-as-long-as-it-may-be-40-ab", create={})
    names = {cloud.name_in_run(mark) for mark in ("00000001", "00000002")}
    assert len(names) == 2
    assert {len(name) for name in names} <= {39, 40}
    assert replace(cloud, create=None).name_in_run("x") == cloud.cluster_name


def gke_dag() -> DagPlan:
    row = {
        "type": "gke_pod",
        "project_id": "p",
        "location": "l",
        "cluster_name": "dbt",
        "create": {"autopilot": {"enabled": True}},
        "pod": {"image_name": "shop/dbt:1"},
    }
    plan = plan_of(model("a"), model("b", "a"), settings={"runners": {"*": row}}, profile=PROFILE)
    dag = plan.dag("sales__daily")
    assert dag is not None
    return dag


def test_airflow_makes_the_cluster_first_and_deletes_it_whatever_happens() -> None:
    dag = emit_dag(gke_dag(), DbtProject(Path("/dbt/project")))
    make, ready, delete = (dag.get_task(f"cluster__dbt{end}") for end in ("", "__ready", "__deletion"))
    assert make.is_setup
    assert delete.is_teardown
    assert isinstance(ready, EmptyOperator)
    assert ready.trigger_rule == "all_success"
    assert delete.upstream_task_ids == {"a", "b", "cluster__dbt"}
    a = dag.get_task("a")
    assert isinstance(a, DbtOperator)
    assert a.dbt_pod is not None
    assert a.upstream_task_ids == {"cluster__dbt__ready"}
    dag.validate()
    dag.check_cycle()
