"""A one-time job against a real Airflow: its runs are started through the REST API, in order, and only once."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from scheduler.lab import Lab, moment
from shop_on_disk import run

pytestmark = [pytest.mark.scheduler, pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

DAG = "sales__backfill"
CONFIG = """\
domain: sales
models: orders
partitions: {dates: {from: 2026-02-01, to: 2026-02-03}, static: {region: north}}
tags: {ticket: OPS-12}
chunk: day
poll: 1
image: shop
version: "1"
"""


def test_a_configuration_is_run_once(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "backfill.yml"
    config.write_text(CONFIG)
    url, user, password = lab.rest.address
    for name, value in (("URL", url), ("USERNAME", user), ("PASSWORD", password)):
        monkeypatch.setenv(f"DBT_AF_K8S_AIRFLOW_{name}", value)

    def told(*options: str) -> dict[str, Any]:
        result = run("backfill", "run", str(config), "--format", "json", *options)
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    lab.session.until("Airflow has read the DAG", lambda: DAG in lab.dags_or_fail("two_domains.py"))
    lab.rest.switch_on(DAG)
    first = told()
    assert [(each["state"], each["was_there"]) for each in first["runs"]] == [("success", False)] * 2
    ids = [each["run_id"] for each in first["runs"]]
    runs = {each["dag_run_id"]: each for each in lab.rest.runs(DAG) if each["dag_run_id"] in ids}
    assert runs[ids[0]]["conf"] == {
        "start_dttm": "2026-02-01T00:00:00+00:00",
        "end_dttm": "2026-02-02T00:00:00+00:00",
        "models": "orders",
        "vars": {"region": "north"},
        "tags": {"ticket": "OPS-12"},
        "region": "north",
    }
    assert runs[ids[0]]["note"] == "One-time job, 2026-02-01 → 2026-02-02, region=north (ticket: OPS-12)"
    assert all(moment(runs[a]["end_date"]) <= moment(runs[b]["start_date"]) for a, b in pairwise(ids))
    with duckdb.connect(lab.session.home / "two_domains" / "two_domains.duckdb", read_only=True) as database:
        days = database.execute("select cast(day at time zone 'UTC' as varchar) from orders").fetchall()
    assert days == [("2026-02-02 00:00:00",)]
    again = told("--retry-failed")
    assert [(each["run_id"], each["state"], each["was_there"]) for each in again["runs"]] == [
        (run_id, "success", True) for run_id in ids
    ]
