"""A new project under real Airflow and real dbt: what is skipped before the first run, and how far that goes."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from airflow.sdk.exceptions import AirflowSkipException
from building import model, test
from building import plan_of as plan_of_nodes
from dag_test_lab import Answer
from many_kinds import plan_of

from dbt_af_k8s.airflow.skip_marks import NOT_BUILT, NOT_DUE, SKIP_KEY
from dbt_af_k8s.airflow.waits.pass_on import pass_on_not_built

pytestmark = pytest.mark.airflow

HOURLY = "meta={'schedule': '@hourly'}"
FILES = {
    "dbt_project.yml": "name: shop\nprofile: shop\nmodels: {+materialized: table}\n",
    "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb}\n",
    "dbt_af_k8s.yml": "dags: {kinds: [], start_date: '2026-03-01'}\nretries: {default: {retries: 0}}\n",
    "models/raw/days.sql": "select 1 as day",
    "models/sales/hours.sql": f"{{{{ config({HOURLY}) }}}} select * from {{{{ ref('days') }}}}",
    "models/sales/later.sql": (
        "{{ config(meta={'schedule': '@hourly', 'enable_from_dttm': '2026-04-01T00:00:00+00:00'}) }} select 1 as later"
    ),
    "models/finance/report.sql": f"{{{{ config({HOURLY}) }}}} select * from {{{{ ref('hours') }}}}",
    "models/finance/news.sql": f"-- depends_on: {{{{ ref('later') }}}}\n{{{{ config({HOURLY}) }}}} select 1 as news",
}


@pytest.fixture(scope="module")
def cold(dag_test_lab: Any, programs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Answer, Path]:
    """Two hours of a project's first day: one before the daily DAG's first run, one after it."""
    shop = tmp_path_factory.mktemp("first_runs") / "shop"
    for name, text in FILES.items():
        (shop / name).parent.mkdir(parents=True, exist_ok=True)
        (shop / name).write_text(text)
    argv = [programs / "dbt", "--quiet", "parse", "--profiles-dir", ".", "--no-send-anonymous-usage-stats"]
    subprocess.run(argv, cwd=shop, check=True, timeout=300)

    def run(dag_id: str, start: str, end: str) -> dict[str, Any]:
        return {"dag_id": dag_id, "logical_date": start, "conf": {"start_dttm": start, "end_dttm": end}}

    early = ("2026-03-01T05:00:00+00:00", "2026-03-01T06:00:00+00:00")
    last = ("2026-03-01T23:00:00+00:00", "2026-03-02T00:00:00+00:00")
    runs = [
        run("sales__hourly", *early),
        run("finance__hourly", *early),
        run("raw__daily", "2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00"),
        run("sales__hourly", *last),
        run("finance__hourly", *last),
    ]
    dags = tuple(plan_of(shop).values())
    return dag_test_lab.run(tmp_path_factory.mktemp("dags") / "cold", shop, dags, runs), shop


@pytest.mark.dbt
@pytest.mark.slow
def test_what_is_not_built_yet_is_skipped_within_a_dag_and_beyond(cold: tuple[Answer, Path]) -> None:
    answer, _ = cold
    assert answer.states(0) == {"hours": "skipped", "later": "skipped", "wait__days": "skipped"}
    states = answer.states(1)
    assert (states["wait__hours"], states["report"]) == ("skipped", "skipped")
    assert "model.shop.days is not built yet: the run of DAG raw__daily that would be waited for begins" in answer.log
    assert "model.shop.hours is not built yet in DAG sales__hourly: skipped 1 of 1" in answer.log
    assert answer.runs[0]["state"] == answer.runs[1]["state"] == "success"


@pytest.mark.dbt
@pytest.mark.slow
def test_a_skip_by_the_enable_window_counts_as_done(cold: tuple[Answer, Path]) -> None:
    states = cold[0].states(1)
    assert (states["wait__later"], states["news"]) == ("success", "success")


@pytest.mark.dbt
@pytest.mark.slow
def test_once_the_first_run_is_there_all_is_built(cold: tuple[Answer, Path]) -> None:
    answer, shop = cold
    assert answer.states(2) == {"days": "success"}
    assert answer.states(3) == {"hours": "success", "later": "skipped", "wait__days": "success"}
    assert set(answer.states(4).values()) == {"success"}
    with duckdb.connect(shop / "shop.duckdb", read_only=True) as database:
        assert database.execute("select day from report").fetchall() == [(1,)]


class TestPassingOn:
    """The look of a task at those before it, with the supervisor faked at Airflow's own boundary."""

    HOURLY_DAG = plan_of_nodes(
        model("days", folder="raw"),
        model("hours", "days", meta={"schedule": "@hourly"}),
        test("positive", "hours"),
        test("unique", "hours"),
        model("report", "hours", meta={"schedule": "@hourly"}),
        settings={"tests": {"per": "test"}},
    ).dag("sales__hourly")

    def look(self, supervisor: Any, **others: str) -> dict[str, Any]:
        """What the task `report` leaves in XCom where the tasks of its run have these states."""
        run = supervisor.put(None, None, others=others)
        assert self.HOURLY_DAG is not None
        pushed: dict[str, Any] = {}
        ti = SimpleNamespace(run_id=run.run_id, xcom_push=lambda key, value: pushed.update({key: value}))
        try:
            pass_on_not_built(self.HOURLY_DAG, "report")({"ti": ti})
        except AirflowSkipException:
            assert SKIP_KEY in pushed
        else:
            assert not pushed
        return pushed

    def test_one_question_while_nothing_is_skipped(self, supervisor: Any) -> None:
        assert self.look(supervisor, positive="success", unique="success") == {}
        assert supervisor.questions == ["count"]

    @pytest.mark.parametrize(("mark", "is_skipped"), [(NOT_BUILT, True), (NOT_DUE, False), (None, False)])
    def test_only_what_is_not_built_goes_on(self, supervisor: Any, mark: str | None, is_skipped: bool) -> None:
        run = supervisor.put(None)
        if mark is not None:
            supervisor.mark(run.run_id, "unique", mark)
        pushed = self.look(supervisor, positive="success", unique="skipped", hours__end="success")
        assert bool(pushed) is is_skipped
        if is_skipped:
            assert pushed[SKIP_KEY] == {"kind": "not-built", "because": "as told"}

    def test_a_skip_elsewhere_in_the_run_is_none_of_its_business(self, supervisor: Any) -> None:
        run = supervisor.put(None)
        supervisor.mark(run.run_id, "orders", NOT_BUILT)
        assert self.look(supervisor, positive="success", unique="success", other="skipped") == {}
        assert supervisor.questions == ["count", "states"]
