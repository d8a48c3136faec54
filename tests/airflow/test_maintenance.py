"""Maintenance tasks: they wait while their table is being built, and do what the macros do, under real Airflow."""

import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSensorTimeout
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetTICount, TICount
from dag_test_lab import Answer
from many_kinds import parse

from dbt_af_k8s.airflow.dbt_operator import DbtFailedError, DbtOperator, DbtRetryError
from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.airflow.maintenance import BUSY_STATES, DbtMaintenanceOperator, ModelBusyError
from dbt_af_k8s.dbt.maintenance_package import install_package
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.project import plan_project
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import DagPlan, TaskRef

pytestmark = pytest.mark.airflow

DAY = datetime(2026, 3, 1, tzinfo=UTC)
MODEL = "model.shop.events"
BUILDERS = (TaskRef("sales__backfill", "events"), TaskRef("sales__daily", "events"))
CONTEXT = {
    "dag_run": SimpleNamespace(
        run_type="scheduled",
        data_interval_start=DAY,
        data_interval_end=DAY + timedelta(days=1),
        logical_date=DAY,
        run_after=DAY,
    ),
    "params": {},
}
#: A dbt that says of itself what the last argument of its own says, and writes down that it was started.
PROGRAM = """#!{python}
import json, sys
open({started!r}, "a").write(json.dumps(sys.argv[1:]) + "\\n")
print(json.dumps({{"info": {{"level": "{level}", "msg": {message!r}, "name": "JinjaLogInfo"}}}}))
sys.exit({code})
"""
RESULT = (
    'dbt_af_k8s result: {"model": "model.shop.events", "operation": "vacuum", "outcome": "done", "rows_deleted": null}'
)


@dataclass
class FakeAirflow:
    """The task supervisor of a running task; it knows the states of other tasks, one set after the other."""

    #: What each look finds: (DAG, task) -> state. The last one stays.
    looks: list[dict[tuple[str, str], str]]
    questions: list[GetTICount] = field(default_factory=list)

    def send(self, msg: Any) -> TICount:
        assert isinstance(msg, GetTICount), msg
        assert (msg.run_ids, msg.logical_dates) == (None, None), "any run of the DAG counts"
        self.questions.append(msg)
        look = self.looks[0]
        if len(self.looks) > 1 and self.is_last_question(msg, look):
            self.looks.pop(0)
        return TICount(count=self.count(msg, look))

    @staticmethod
    def count(msg: GetTICount, look: dict[tuple[str, str], str]) -> int:
        wanted = [(msg.dag_id, task_id) for task_id in msg.task_ids or ()]
        return len([key for key in wanted if look.get(key) in (msg.states or ())])

    def is_last_question(self, msg: GetTICount, look: dict[tuple[str, str], str]) -> bool:
        """A look ends with the first task at work, or with the last task asked about."""
        return bool(self.count(msg, look)) or (msg.dag_id, *(msg.task_ids or ())) == ("sales__daily", "events")


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> FakeAirflow:
    """Nothing runs."""
    fake = FakeAirflow([{}])
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", fake, raising=False)
    return fake


@dataclass(frozen=True)
class FakeDbt:
    folder: Path

    def says(self, message: str, *, level: str = "info", code: int = 0) -> None:
        program = PROGRAM.format(
            python=sys.executable, started=str(self.folder / "started"), level=level, message=message, code=code
        )
        (self.folder / "dbt").write_text(program)
        (self.folder / "dbt").chmod(0o755)

    def starts(self) -> int:
        started = self.folder / "started"
        return len(started.read_text().splitlines()) if started.exists() else 0

    def operator(self, poke_interval: float = 0.01, **more: Any) -> DbtMaintenanceOperator:
        invocation = DbtInvocation(
            "run-operation", (node_by_id(MODEL),), executable=str(self.folder / "dbt"), operation="vacuum"
        )
        arguments: dict[str, Any] = {"not_while": BUILDERS, "poke_interval": poke_interval, **more}
        return DbtMaintenanceOperator(
            task_id="vacuum__events", invocation=invocation, project=DbtProject(self.folder), **arguments
        )


@pytest.fixture
def dbt(tmp_path: Path) -> FakeDbt:
    fake = FakeDbt(tmp_path)
    fake.says(RESULT)
    return fake


class TestLooking:
    def test_nothing_at_work_means_dbt_at_once(self, airflow: FakeAirflow, dbt: FakeDbt) -> None:
        airflow.looks = [dict(zip(KEYS, ("scheduled", "up_for_retry"), strict=True))]
        result = dbt.operator().execute(CONTEXT)
        assert (result["status"], result["rows"]) == ("done", None)
        assert result["message"] == "vacuum of model.shop.events: done"
        assert result["result"]["outcome"] == "done"
        assert [(question.dag_id, question.task_ids) for question in airflow.questions] == [
            ("sales__backfill", ["events"]),
            ("sales__daily", ["events"]),
        ]

    @pytest.mark.parametrize("state", BUSY_STATES)
    def test_it_waits_while_the_model_is_at_work(
        self, airflow: FakeAirflow, dbt: FakeDbt, state: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        airflow.looks = [{KEYS[1]: state}, {KEYS[0]: state}, {}]
        operator = dbt.operator()
        assert not operator.poke(CONTEXT)
        assert dbt.starts() == 0
        assert operator.execute(CONTEXT)["status"] == "done"
        assert dbt.starts() == 1
        told = [line.split("] ")[1] for line in capsys.readouterr().out.splitlines() if "Not now" in line]
        assert [line.partition(" [")[0] for line in told] == [
            "Not now: task events of DAG sales__daily builds the same table. Looks again in 0.01 s.",
            "Not now: task events of DAG sales__backfill builds the same table. Looks again in 0.01 s.",
        ]

    def test_it_does_not_wait_for_ever(self, airflow: FakeAirflow, dbt: FakeDbt) -> None:
        airflow.looks = [{KEYS[1]: "running"}]
        with pytest.raises(ModelBusyError, match="task events of DAG sales__daily") as told:
            dbt.operator(timeout=0.05).execute(CONTEXT)
        assert isinstance(told.value, AirflowSensorTimeout), "which Airflow does not retry"
        assert dbt.starts() == 0

    def test_between_two_looks_it_gives_its_slots_back(self, airflow: FakeAirflow, dbt: FakeDbt) -> None:
        airflow.looks = [{KEYS[1]: "deferred"}]
        operator = dbt.operator(poke_interval=60)
        context = CONTEXT | {"ti": SimpleNamespace(get_first_reschedule_date=lambda _: None)}
        before = datetime.now(UTC)
        with pytest.raises(AirflowRescheduleException) as later:
            operator.execute(context)
        assert 59 <= (later.value.reschedule_date - before).total_seconds() <= 70
        airflow.looks = [{}]
        assert operator.execute(context)["status"] == "done"

    def test_it_is_a_dbt_task_and_a_sensor(self, dbt: FakeDbt) -> None:
        operator = dbt.operator(poke_interval=60, execution_timeout=timedelta(hours=1))
        assert isinstance(operator, DbtOperator)
        assert isinstance(operator, BaseSensorOperator)
        assert (operator.mode, operator.execution_timeout) == ("reschedule", timedelta(hours=1))
        operator.render_template_fields(CONTEXT)
        assert operator.command == (
            "dbt run-operation vacuum model.shop.events\nfrom 2026-03-01T00:00:00+00:00 to 2026-03-02T00:00:00+00:00"
        )


class TestFailing:
    def test_a_lasting_failure_is_not_retried_and_a_passing_one_is(self, airflow: FakeAirflow, dbt: FakeDbt) -> None:
        begin = "Encountered an error while running operation: "
        dbt.says(f"{begin}Compilation Error\n  no such column", level="error", code=1)
        with pytest.raises(DbtFailedError, match="no such column"):
            dbt.operator().execute(CONTEXT)
        dbt.says(f"{begin}Database Error\n  connection lost", level="error", code=1)
        with pytest.raises(DbtRetryError, match="connection lost"):
            dbt.operator().execute(CONTEXT)
        dbt.says("nothing to see here")
        with pytest.raises(DbtFailedError, match="did not say"):
            dbt.operator().execute(CONTEXT)


class TestByHand:
    def test_it_is_the_operator_of_the_plan(self, airflow: FakeAirflow, dbt: FakeDbt) -> None:
        made = DbtMaintenanceOperator.for_node(
            task_id="vacuum__events",
            project_dir=dbt.folder,
            node=MODEL,
            operation="vacuum",
            not_while=KEYS,
            executable=str(dbt.folder / "dbt"),
            poke_interval=0.01,
        )
        planned = dbt.operator()
        assert (made.invocation, made.project, made.not_while) == (
            planned.invocation,
            planned.project,
            planned.not_while,
        )
        assert made.execute(CONTEXT)["status"] == "done"

    def test_options_are_those_of_the_macro(self, dbt: FakeDbt) -> None:
        made = DbtMaintenanceOperator.for_node(
            task_id="dedup",
            project_dir=dbt.folder,
            node=MODEL,
            operation="deduplicate",
            options={"unique_key": ["id"], "order_by": ["at desc"]},
        )
        assert made.invocation.options == (("order_by", ("at desc",)), ("unique_key", ("id",)))
        with pytest.raises(UsageError, match=r"no maintenance operation 'vacum'. There are: ttl, "):
            DbtMaintenanceOperator.for_node(task_id="x", project_dir=dbt.folder, node=MODEL, operation="vacum")


KEYS = tuple((ref.dag_id, ref.task_id) for ref in BUILDERS)

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb}\n",
    "dbt_af_k8s.yml": "retries: {default: {retries: 0}}\n",
    "models/sales/events.sql": "{{ config(materialized='incremental', unique_key='id') }} select 1 as id",
    "models/sales/later.sql": "{{ config(materialized='table') }} select 1 as id",
    "models/sales/sales.yml": """
models:
  - name: events
    config:
      meta:
        dbt_af_k8s:
          maintenance:
            ttl: {key: seen_at, expiration_timeout: 2, additional_predicate: "note <> 'keep'"}
            deduplicate_table: {order_by: [seen_at desc]}
            vacuum_table: true
  - name: later
    config: {meta: {dbt_af_k8s: {maintenance: {vacuum_table: true}}}}
""",
}
ROWS = """create table events as select id, cast(seen_at as timestamp) as seen_at, note from (values
    (1, '2026-02-27 23:59:59', 'old'), (2, '2026-02-28 00:00:00', 'edge'), (3, null, 'no time'),
    (4, '2020-01-01', 'keep'), (5, '2026-03-01 05:00', 'first'), (5, '2026-03-01 06:00', 'copy'))
    as rows (id, seen_at, note)"""


@pytest.fixture(scope="module")
def shop(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maintenance") / "shop"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    install_package(folder)
    with duckdb.connect(folder / "shop.duckdb") as database:
        database.execute(ROWS)
    parse(folder, programs)
    return folder


@pytest.fixture(scope="module")
def dag(shop: Path) -> DagPlan:
    plan = plan_project(PlanRequest(shop), os.environ)
    assert plan.issues == ()
    (dag,) = (dag for dag in plan.dags if dag.dag_id == "sales__maintenance")
    return dag


@pytest.fixture(scope="module")
def answer(dag_test_lab: Any, shop: Path, dag: DagPlan, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    interval = {"start_dttm": "2026-03-01T00:00:00+00:00", "end_dttm": "2026-03-02T00:00:00+00:00"}
    folder = tmp_path_factory.mktemp("dags") / "maintenance"
    return dag_test_lab.run(folder, shop, (dag,), [{"dag_id": dag.dag_id, "conf": interval}])


@pytest.mark.dbt
@pytest.mark.slow
class TestUnderAirflow:
    def test_each_operation_is_a_green_task_that_says_what_it_did(self, answer: Answer) -> None:
        assert answer.states() == {
            "deduplicate__events": "success",
            "ttl__events": "success",
            "vacuum__events": "success",
            "vacuum__later": "success",
        }, answer.log[-5000:]
        ttl = answer.task("ttl__events")["result"]
        assert (ttl["status"], ttl["rows"], ttl["result"]["cutoff"]) == ("done", 1, "2026-02-28T00:00:00+00:00")
        assert answer.task("deduplicate__events")["result"]["rows"] == 1
        assert answer.task("vacuum__later")["result"]["status"] == "not built"

    def test_the_right_rows_are_gone(self, answer: Answer, shop: Path) -> None:
        with duckdb.connect(shop / "shop.duckdb", read_only=True) as database:
            left = database.execute("select id, note from events order by id").fetchall()
        assert left == [(2, "edge"), (3, "no time"), (4, "keep"), (5, "copy")]

    def test_the_plan_says_what_each_task_looks_for(self, shop: Path, dag: DagPlan) -> None:
        tasks = emit_dag(dag, DbtProject(shop)).task_dict
        assert {type(task) for task in tasks.values()} == {DbtMaintenanceOperator}
        assert tasks["ttl__events"].not_while == BUILDERS
        assert tasks["ttl__events"].mode == "reschedule"
        assert tasks["vacuum__events"].upstream_task_ids == {"deduplicate__events"}
