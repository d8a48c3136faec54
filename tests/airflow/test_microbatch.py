"""Which batches a run of a microbatch model builds: with real dbt on DuckDB, by how the run was started."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from airflow.sdk.exceptions import AirflowSkipException
from many_kinds import plan_of

from dbt_af_k8s.airflow import DbtOperator
from dbt_af_k8s.dbt.values import DbtProject

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

DAY = datetime(2026, 3, 2, tzinfo=UTC)
FILES = {
    "dbt_project.yml": "name: shop\nprofile: shop\n",
    "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb}\n",
    "dbt_af_k8s.yml": "dags: {kinds: []}\n",
    "models/sources.yml": (
        "sources: [{name: raw, schema: main, tables: [{name: clicks, config: {event_time: seen}}]}]\n"
    ),
    "models/web/clicks_by_day.sql": (
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='seen', "
        "batch_size='day', begin='2026-03-01') }} select seen, id from {{ source('raw', 'clicks') }}"
    ),
}


@pytest.fixture(scope="module")
def shop(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("microbatch") / "shop"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    argv = [programs / "dbt", "--quiet", "parse", "--profiles-dir", ".", "--no-send-anonymous-usage-stats"]
    subprocess.run(argv, cwd=folder, check=True, timeout=300)
    with duckdb.connect(folder / "shop.duckdb") as database:
        database.execute("create table clicks (seen timestamp, id integer)")
    return folder


def click(shop: Path, number: int, seen: datetime) -> None:
    with duckdb.connect(shop / "shop.duckdb") as database:
        database.execute("insert into clicks values (?, ?)", [seen.replace(tzinfo=None), number])


def built(shop: Path) -> list[int]:
    with duckdb.connect(shop / "shop.duckdb", read_only=True) as database:
        return [row[0] for row in database.execute("select id from clicks_by_day order by id").fetchall()]


def run(shop: Path, start: datetime, run_type: str = "scheduled", **form: str) -> dict[str, Any]:
    """One daily run, as the plan has the task; what it left in XCom."""
    (task,) = plan_of(shop)["web__daily"].tasks
    assert task.dbt is not None
    pushed: dict[str, Any] = {}
    dag_run = SimpleNamespace(
        run_type=run_type,
        data_interval_start=start,
        data_interval_end=start + timedelta(days=1),
        logical_date=start if run_type != "manual" else start + timedelta(days=1),
        run_after=start + timedelta(days=1),
    )
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    operator = DbtOperator(
        task_id=task.task_id, invocation=task.dbt, project=DbtProject(shop), cron="0 0 * * *", timezone="UTC"
    )
    operator.execute({"dag_run": dag_run, "params": form, "ti": ti})
    return pushed


def test_rows_of_yesterday_that_come_late_arrive_with_the_next_scheduled_run(shop: Path) -> None:
    click(shop, 1, DAY - timedelta(hours=30))
    click(shop, 2, DAY - timedelta(hours=1))
    run(shop, DAY - timedelta(days=1))
    assert built(shop) == [2], "nothing before `begin`, 1 March"

    click(shop, 3, DAY - timedelta(hours=2))
    click(shop, 4, DAY + timedelta(hours=2))
    named = {"start_dttm": DAY.isoformat(), "end_dttm": (DAY + timedelta(days=1)).isoformat()}
    run(shop, DAY, "manual", **named)
    assert built(shop) == [2, 4], "an interval that a person names is taken as it is"
    run(shop, DAY, "backfill")
    assert built(shop) == [2, 4], "and so is that of a backfill"
    run(shop, DAY)
    assert built(shop) == [2, 3, 4]

    click(shop, 5, DAY - timedelta(hours=3))
    run(shop, DAY, "manual")
    assert built(shop) == [2, 3, 4, 5], "a form that is left empty names nothing"


def test_a_run_before_begin_has_nothing_to_do(shop: Path) -> None:
    with pytest.raises(AirflowSkipException, match="before `begin` 2026-03-01"):
        run(shop, DAY - timedelta(days=5))
