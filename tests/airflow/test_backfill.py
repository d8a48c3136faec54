"""Backfills under real Airflow (`dag.test`) and real dbt on DuckDB: choosing, chunks, skipping, stopping."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from airflow.sdk.exceptions import DagRunTriggerException
from dag_test_lab import Answer
from many_kinds import plan_of, rows, write_project

from dbt_af_k8s.airflow.backfill import BackfillChooseOperator, BackfillFormError, BackfillNextOperator, chunk_run_id
from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.plan.values import DagPlan

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

FORM = {"start_dttm": "2026-01-01", "end_dttm": "2026-01-04", "chunk": "day"}


@pytest.fixture
def shop(programs: Path, tmp_path: Path) -> Path:
    return write_project(tmp_path / "shop", programs)


@pytest.fixture
def dag(shop: Path) -> DagPlan:
    return plan_of(shop)["sales__backfill"]


def run(lab: Any, folder: Path, shop: Path, dag: DagPlan, form: dict[str, Any]) -> Answer:
    """`dag.test` removes the runs that have the logical date of its own, those without one, too: so give it one."""
    date = f"2026-03-0{folder.name}T00:00:00+00:00"
    return lab.run(folder, shop, (dag,), [{"dag_id": dag.dag_id, "logical_date": date, "conf": form}])


def runs_in(lab: Any, dag_id: str) -> dict[str, dict[str, Any]]:
    """Runs that Airflow knows, by id, with their forms."""
    with closing(sqlite3.connect(lab.home / "airflow.db")) as database:
        found = database.execute("select run_id, conf from dag_run where dag_id = ?", (dag_id,)).fetchall()
    return {run_id: json.loads(conf) if isinstance(conf, str) else conf for run_id, conf in found}


def test_one_chunk_after_the_other(dag_test_lab: Any, tmp_path: Path, shop: Path, dag: DagPlan) -> None:
    """The first chunk of three with tests, vars and a full refresh; then the second as Airflow was told to start it."""
    dag = replace(dag, dag_id="one_after_the_other")
    with duckdb.connect(shop / "shop.duckdb") as database:
        database.execute("create table orders as select 99 as id, now() as placed, 'before' as region")
    chain = {"of": "mine", "number": 1, "chunks": 3}
    more = {"models": "+checked reader", "vars": {"region": "north"}, "full_refresh": True, "with_tests": True}
    form = FORM | more | {"backfill": chain}
    first = run(dag_test_lab, tmp_path / "1", shop, dag, form)
    assert first.states() == {
        "choose": "success",
        "checked": "success",
        "next_chunk": "success",
        "orders": "success",
        "orders__tests": "success",
        "rates": "skipped",
        "reader": "success",
    }
    assert "Chunk 1 of 3, from 2026-01-01T00:00:00+00:00 to 2026-01-02T00:00:00+00:00: 4 of 5 nodes" in first.log
    assert rows(shop, "select id, region from orders order by id") == [(0, "north")]
    known = runs_in(dag_test_lab, dag.dag_id)
    following = known["mine__chunk_0002__20260102T000000Z"]
    assert following == {
        "start_dttm": "2026-01-02T00:00:00+00:00",
        "end_dttm": "2026-01-04T00:00:00+00:00",
        "chunk": "day",
        "models": "+checked reader",
        "vars": {"region": "north"},
        "full_refresh": False,
        "with_tests": True,
        "backfill": {"of": "mine", "number": 2, "chunks": 3},
    }

    second = run(dag_test_lab, tmp_path / "2", shop, dag, following)
    assert second.states()["next_chunk"] == "success", second.log
    assert second.task("choose")["result"]["number"] == 2
    assert rows(shop, "select id, region from orders order by id") == [(0, "north"), (1, "north")]
    assert "mine__chunk_0003__20260103T000000Z" in runs_in(dag_test_lab, dag.dag_id)

    # As after a retry, or when the run is cleared: the second chunk is there already.
    before = runs_in(dag_test_lab, dag.dag_id)
    again = run(dag_test_lab, tmp_path / "3", shop, dag, form | {"with_tests": False, "models": "reader"})
    assert again.states()["next_chunk"] == "skipped"
    assert again.states()["orders__tests"] == "skipped"
    assert len(runs_in(dag_test_lab, dag.dag_id)) == len(before) + 1


def test_it_stops_at_the_first_failure(dag_test_lab: Any, tmp_path: Path, shop: Path, dag: DagPlan) -> None:
    dag = replace(dag, dag_id="stops_at_the_first_failure")
    with duckdb.connect(shop / "shop.duckdb") as database:
        database.execute("insert into raw_orders values (13, '2026-01-01 13:00:00+00')")
    answer = run(dag_test_lab, tmp_path / "1", shop, dag, FORM | {"models": "orders checked"})
    states = answer.states()
    assert (states["orders"], states["checked"], states["next_chunk"]) == ("success", "failed", "upstream_failed")
    assert len(runs_in(dag_test_lab, dag.dag_id)) == 1


@pytest.fixture(scope="module")
def parsed(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("backfill") / "shop", programs)


def choose(project: Path, form: dict[str, Any], run_id: str = "manual__1") -> dict[str, Any]:
    dag = emit_dag(plan_of(project)["sales__backfill"], DbtProject(project))
    operator = dag.get_task("choose")
    assert isinstance(operator, BackfillChooseOperator)
    values = {name: dag.params[name] for name in dag.params} | form
    return operator.execute({"params": values, "dag_run": SimpleNamespace(run_id=run_id)})


def test_without_a_selection_the_whole_domain_is_chosen(parsed: Path) -> None:
    chosen = choose(parsed, FORM | {"with_tests": True, "chunk": "none"})
    assert (chosen["nodes"], chosen["next"], chosen["chunks"]) == (None, None, 1)
    assert (chosen["start"], chosen["end"]) == ("2026-01-01T00:00:00+00:00", "2026-01-04T00:00:00+00:00")
    without = choose(parsed, FORM)
    assert without["nodes"] == [
        "model.shop.checked",
        "model.shop.orders",
        "model.shop.reader",
        "seed.shop.rates",
    ]
    assert without["next"]["run_id"] == "manual__1__chunk_0002__20260102T000000Z"


def test_the_tests_of_what_is_selected_go_with_it(parsed: Path) -> None:
    chosen = choose(parsed, FORM | {"models": "orders", "with_tests": True})
    assert [key.split(".")[2] for key in chosen["nodes"]] == ["orders", "each_once"]
    assert choose(parsed, FORM | {"models": "reader", "with_tests": True})["nodes"] == ["model.shop.reader"]


def test_everything_that_is_wrong_with_a_form_is_told_at_once(parsed: Path) -> None:
    form = {
        "start_dttm": "yesterday",
        "models": "ordrs source:raw.fresh tga:x -x",
        "vars": {"start_dttm": "2026-01-01"},
    }
    with pytest.raises(BackfillFormError) as caught:
        choose(parsed, form)
    assert str(caught.value) == (
        "The form has 7 problems:\n"
        "- start_dttm is no date and time that can be read: 'yesterday'. Write ISO 8601, for example "
        "2026-03-29T00:00:00+00:00 or 2026-03-29.\n"
        "- end_dttm is empty: a backfill needs a start and an end.\n"
        '- models cannot hold "-x": a term of a selection does not begin with `-` and has no control characters.\n'
        "- vars: start_dttm is the chunk's own and cannot be set.\n"
        "- models: `ordrs` selects nothing in domain `sales`; did you mean `orders`?\n"
        "- models: `source:raw.fresh` selects nothing in domain `sales`.\n"
        "- models: 'tga' in 'tga:x' is no method of selection. Did you mean `tag:`?"
    )


def test_tests_alone_without_the_switch_are_told(parsed: Path) -> None:
    with pytest.raises(BackfillFormError, match="models selects tests only: switch `with_tests` on"):
        choose(parsed, FORM | {"models": "each_once"})


def test_a_project_that_cannot_be_read_is_told(parsed: Path, tmp_path: Path) -> None:
    operator = emit_dag(plan_of(parsed)["sales__backfill"], DbtProject(tmp_path)).get_task("choose")
    with pytest.raises(BackfillFormError, match="it has no dbt_project"):
        operator.execute({"params": FORM, "dag_run": SimpleNamespace(run_id="x")})


def next_chunk(chosen: object) -> None:
    context = {
        "ti": SimpleNamespace(xcom_pull=lambda task_ids: chosen),
        "dag_run": SimpleNamespace(dag_id="sales__backfill"),
    }
    BackfillNextOperator(task_id="next_chunk", choose="choose").execute(context)


def test_the_next_chunk_is_a_run_of_the_same_dag() -> None:
    with pytest.raises(DagRunTriggerException) as caught:
        next_chunk({"next": {"run_id": "mine__2", "form": {"chunk": "day"}}, "chunks": 2})
    asked = caught.value
    assert (asked.trigger_dag_id, asked.dag_run_id, asked.conf) == ("sales__backfill", "mine__2", {"chunk": "day"})
    assert (asked.reset_dag_run, asked.skip_when_already_exists, asked.wait_for_completion) == (False, True, False)


def test_after_the_last_chunk_nothing_follows() -> None:
    next_chunk({"next": None, "chunks": 2})


def test_a_run_whose_form_was_not_read_starts_nothing() -> None:
    with pytest.raises(BackfillFormError, match="The task `choose` has left no result in this run"):
        next_chunk(None)


def test_run_ids_are_short_and_always_the_same() -> None:
    start = datetime(2026, 1, 2, tzinfo=UTC)
    assert chunk_run_id("manual__x", 2, start) == "manual__x__chunk_0002__20260102T000000Z"
    long, other = chunk_run_id("a" * 240, 2, start), chunk_run_id("a" * 239 + "b", 2, start)
    assert long == chunk_run_id("a" * 240, 2, start)
    assert long != other
    assert len(long) <= 250
