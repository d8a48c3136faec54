"""The operator of fused tasks under real Airflow (`dag.test`) and real dbt on DuckDB."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.dbt.values import DbtInvocation, node_by_id
from dbt_af_k8s.plan.values import DagKind, DagPlan, TaskKind, TaskPlan

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
    "models/first.sql": "select 1 as id",
    # Fails in the first try only, by what the first try has left behind.
    # The first try leaves a file behind, and only the next one finds it.
    "models/second.sql": "{% if execute %}"
    "{% set tried = run_query(\"select count(*) from glob('tried.csv')\").columns[0].values()[0] %}"
    "{% do run_query(\"copy (select 1 as n) to 'tried.csv'\") %}{% endif %}"
    "select id from {{ ref('first') }} {% if not tried %}join not_there_yet using (id){% endif %}",
    "models/third.sql": "select * from {{ ref('second') }}",
    "models/fourth.sql": "select * from {{ ref('third') }}",
    "tests/first_is_there.sql": "select * from {{ ref('first') }} where id is null",
    "tests/third_is_wrong.sql": "select * from {{ ref('third') }}",
}
NODES = ("model.shop.first", "model.shop.second", "model.shop.third", "test.shop.first_is_there")


def task(task_id: str, *nodes: str, upstream: tuple[str, ...] = ()) -> TaskPlan:
    return TaskPlan(
        task_id,
        TaskKind.BUILD,
        nodes=nodes,
        upstream=upstream,
        runner="local",
        retry=RetrySettings(retries=1, delay=0, exponential_backoff=False),
        dbt=DbtInvocation("build", tuple(node_by_id(node) for node in nodes)),
    )


@pytest.fixture(scope="module")
def answer(dag_test_lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One fused task that needs a second try, and then one that ends red."""
    shop = tmp_path_factory.mktemp("project") / "shop"
    for name, text in FILES.items():
        path = shop / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tasks = (
        task("twice", *NODES),
        task("red", "model.shop.fourth", "model.shop.third", "test.shop.third_is_wrong", upstream=("twice",)),
    )
    day = datetime(2026, 3, 1, tzinfo=UTC)
    dag = DagPlan("shop__daily", DagKind.SCHEDULED, "shop", "0 0 * * *", "@daily", "UTC", day, tasks=tasks)
    folder = tmp_path_factory.mktemp("dags") / "dags"
    return dag_test_lab.run(folder, shop, (dag,), [{"dag_id": "shop__daily", "logical_date": "2026-03-02T05:00:00Z"}])


def test_a_retry_builds_only_what_is_not_done(answer: Any) -> None:
    """`first` and its test are done by the first try, and Airflow's task state store says so to the second."""
    twice = answer.task("twice")
    assert (twice["state"], twice["tries"]) == ("success", 2)
    assert [(row["unique_id"], row["status"], row.get("earlier", False)) for row in twice["result"]["nodes"]] == [
        ("model.shop.first", "success", True),
        ("model.shop.second", "success", False),
        ("model.shop.third", "success", False),
        ("test.shop.first_is_there", "pass", True),
    ]
    assert "2 of 4 nodes were done by an earlier try." in answer.log


def test_a_failed_test_makes_the_task_red_and_the_table_tells_of_each_node(answer: Any) -> None:
    assert (answer.task("red")["state"], answer.task("red")["tries"]) == ("failed", 1)
    for told in (
        r"\[error *\] model\.shop\.fourth +skipped",
        r"\[info *\] model\.shop\.third +success",
        r"\[error *\] test\.shop\.third_is_wrong +fail +[\d.]+  Got 1 result",
        r"dbt left out what is downstream of a failure: model\.shop\.fourth",
    ):
        assert re.search(told, answer.log), told
