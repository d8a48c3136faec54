"""The form of a DAG: what Airflow shows, and what it refuses before a run begins."""

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError
from building import model, plan_of

from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.dbt.values import DbtProject

pytestmark = pytest.mark.airflow


def dag(dag_id: str) -> DAG:
    found = plan_of(model("orders")).dag(dag_id)
    assert found is not None
    return emit_dag(found, DbtProject(Path("/opt/shop")))


def fields(of: DAG) -> dict[str, tuple[Any, Any, Any]]:
    params = {name: of.params.get_param(name) for name in of.params}
    return {name: (param.value, param.schema["type"], param.schema.get("enum")) for name, param in params.items()}


def test_the_form_of_a_backfill() -> None:
    backfill = dag("sales__backfill")
    assert fields(backfill) == {
        "start_dttm": (None, ["null", "string"], None),
        "end_dttm": (None, ["null", "string"], None),
        "chunk": ("none", "string", ["none", "hour", "day", "week", "month"]),
        "models": ("", ["null", "string"], None),
        "vars": (None, ["null", "object"], None),
        "full_refresh": (False, ["boolean"], None),
        "with_tests": (False, ["boolean"], None),
    }
    for name in backfill.params:
        param = backfill.params.get_param(name)
        assert param.schema["title"]
        assert param.description
    assert "A backfill needs both." in str(backfill.params.get_param("start_dttm").description)
    assert "last full interval" in str(dag("sales__daily").params.get_param("start_dttm").description)


def test_the_form_that_runs_a_selection() -> None:
    assert list(fields(dag("shop_dbt_run_model"))) == [
        "start_dttm",
        "end_dttm",
        "models",
        "target",
        "full_refresh",
        "extra",
    ]


def test_empty_forms_are_good_for_airflow() -> None:
    for dag_id in ("sales__backfill", "shop_dbt_run_model", "sales__daily"):
        dag(dag_id).params.validate()


@pytest.mark.parametrize(
    ("name", "value"), [("chunk", "year"), ("vars", "a: 1"), ("full_refresh", "yes"), ("models", ["orders"])]
)
def test_airflow_refuses_what_is_no_value_of_a_field(name: str, value: object) -> None:
    param = dag("sales__backfill").params.get_param(name)
    with pytest.raises(ParamValidationError):
        param.resolve(value)
