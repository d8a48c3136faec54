"""The refresh operator and the artefacts of dbt, both through the interface of refreshers."""

import json
import logging
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import TriggerRule

from dbt_af_k8s.airflow import DbtRefreshOperator, Refresher, RefreshError
from dbt_af_k8s.airflow.dbt_operator import DbtFailedError, DbtOperator, DbtRetryError
from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.airflow.integrations.artifacts import ArtifactSender
from dbt_af_k8s.airflow.integrations.refresh import RefreshFailedError, RefreshRetryError
from dbt_af_k8s.airflow.integrations.tableau import TableauRefresher
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.errors import PlanInvariantError
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import ArtifactsPlan, DagKind, DagPlan, RefreshPlan, TaskKind, TaskPlan

pytestmark = pytest.mark.airflow

DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Board:
    """A provider: refreshes what is not called bad, and says of `slow` that another try may help."""

    refreshed: tuple[str, ...] = ()

    def refresh(self, resource: Mapping[str, Any]) -> str:
        name = resource["name"]
        if name in ("bad", "slow"):
            raise RefreshError(f"`{name}` cannot be refreshed.", retryable=name == "slow")
        self.refreshed = (*self.refreshed, name)
        return f"`{name}` is refreshed."


class Receiver:
    """A provider that keeps the artefacts it gets; it is made anew for each task."""

    seen: list[dict[str, Any]] = []  # noqa: RUF012  the instances are not at hand

    def refresh(self, resource: Mapping[str, Any]) -> str:
        results = json.loads(Path(resource["run_results"]).read_text())
        manifest = json.loads(Path(resource["manifest"]).read_text())
        Receiver.seen.append({**resource, "ids": (results["metadata"], manifest["metadata"])})
        return "Received."


class Refuser:
    def refresh(self, resource: Mapping[str, Any]) -> str:
        raise RefreshError("Not today.")


NO_REFRESHER = "text"


def no_refresher() -> str:
    return "text"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(sys.modules, "refreshers_of_a_test", sys.modules[__name__])
    return "refreshers_of_a_test"


def operator(provider: str, *names: str, given: Any = None) -> DbtRefreshOperator:
    plan = RefreshPlan(provider, "model.shop.orders", tuple({"name": name} for name in names))
    return DbtRefreshOperator(task_id="refresh", refresh=plan, provider=given)


def test_all_resources_are_refreshed(here):
    assert operator(f"{here}.Board", "a", "b").execute({}) == ["`a` is refreshed.", "`b` is refreshed."]


def test_a_failure_keeps_no_other_from_being_refreshed():
    board = Board()
    with pytest.raises(RefreshFailedError, match=r"1 of 3 resource\(s\) not refreshed: `bad` cannot be refreshed\."):
        operator("board", "a", "bad", "b", given=board).execute({})
    assert board.refreshed == ("a", "b")


def test_what_may_pass_is_tried_again():
    with pytest.raises(RefreshRetryError, match="`slow`"):
        operator("board", "slow", "a", given=Board()).execute({})
    with pytest.raises(RefreshFailedError, match="2 of 2"):
        operator("board", "slow", "bad", given=Board).execute({})


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("no_such_package.Board", "is not found: there is no module `no_such_package`"),
        ("{here}.Bord", "has no `Bord`; did you mean `Board`?"),
        ("{here}.NO_REFRESHER", "is str, which has no method `refresh`"),
        ("{here}.no_refresher", "gives str, which has no method `refresh`"),
    ],
)
def test_a_provider_that_is_none(here, provider, told):
    with pytest.raises(RefreshFailedError) as caught:
        operator(provider.format(here=here), "a").execute({})
    assert told in str(caught.value)


def dag_of(*tasks: TaskPlan, **more: Any) -> DagPlan:
    given = {"schedule": None, "schedule_name": "@manual", "timezone": "UTC", "start_date": DAY} | more
    return DagPlan("sales__manual", DagKind.MANUAL, "sales", tasks=tasks, **given)


def refresh_task(plan: RefreshPlan | None) -> TaskPlan:
    return TaskPlan("refresh__orders", TaskKind.REFRESH, refresh=plan)


def test_a_planned_refresh_becomes_the_operator():
    plan = RefreshPlan("tableau", "model.shop.orders", ({"resource_name": "x"},), {"connection": "bi", "timeout": 5})
    task = emit_dag(dag_of(refresh_task(plan)), DbtProject(Path("/opt/shop"))).get_task("refresh__orders")
    assert isinstance(task, DbtRefreshOperator)
    assert task.refresh == plan
    assert task.trigger_rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    with pytest.raises(PlanInvariantError, match="does not say what it refreshes"):
        emit_dag(dag_of(refresh_task(None)), DbtProject(Path("/opt/shop")))


def test_a_provider_made_in_python_is_found_by_its_key():
    board = Board()
    config = Config.model_validate({"integrations": {"providers": {"board": lambda: board}}})
    plan = RefreshPlan("integrations.providers[board]", "model.shop.orders", ({"name": "a"},))
    request = PlanRequest(Path("/opt/shop"), config=config)
    task = emit_dag(dag_of(refresh_task(plan)), DbtProject(Path("/opt/shop")), request).get_task("refresh__orders")
    task.execute({})
    assert board.refreshed == ("a",)


def test_tableau_is_a_refresher():
    assert isinstance(TableauRefresher("bi"), Refresher)
    assert not isinstance(NO_REFRESHER, Refresher)


#: A program that does as dbt does when it is asked to run one node.
DBT = """#!{python}
import json, pathlib, sys
target = pathlib.Path(sys.argv[sys.argv.index("--target-path") + 1])
node = "model.shop.orders"
status = {status!r}
metadata = {{"invocation_id": "i1", "dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"}}
row = {{"unique_id": node, "status": status, "execution_time": 0.1, "message": "x", "adapter_response": {{}}}}
(target / "run_results.json").write_text(json.dumps({{"metadata": metadata, "results": [row]}}))
(target / "manifest.json").write_text(json.dumps({{"metadata": {{"invocation_id": "i1"}}}}))
sys.exit(0 if status == "success" else 1)
"""


def dbt_operator(tmp_path: Path, sender: ArtifactSender | None, status: str = "success") -> DbtOperator:
    program = tmp_path / "dbt"
    program.write_text(DBT.format(python=sys.executable, status=status))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    invocation = DbtInvocation("run", (node_by_id("model.shop.orders"),), executable=str(program))
    return DbtOperator(task_id="orders", invocation=invocation, project=DbtProject(tmp_path), artifacts=sender)


CONTEXT = {
    "dag_run": SimpleNamespace(run_type="manual"),
    "params": {"start_dttm": "2026-01-01", "end_dttm": "2026-01-02"},
}


def sender(provider: str, **more: Any) -> ArtifactSender:
    return ArtifactSender(ArtifactsPlan(provider, "shop", **more), job="sales__daily.orders")


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(Receiver, "seen", [])
    return Receiver.seen


@pytest.mark.parametrize("status", ["success", "error"])
def test_artefacts_are_sent_whether_dbt_did_well_or_not(here, tmp_path, received, status):
    task = dbt_operator(tmp_path, sender(f"{here}.Receiver"), status)
    if status == "success":
        assert task.execute(CONTEXT)["status"] == "success"
    else:
        with pytest.raises((DbtFailedError, DbtRetryError), match="orders"):
            task.execute(CONTEXT)
    (seen,) = received
    assert (seen["project"], seen["job"]) == ("shop", "sales__daily.orders")
    assert {part["invocation_id"] for part in seen["ids"]} == {"i1"}
    assert not Path(seen["manifest"]).exists()


def test_artefacts_that_are_not_taken_are_a_warning(here, tmp_path, caplog):
    refused = sender(f"{here}.Refuser")
    assert dbt_operator(tmp_path, refused).execute(CONTEXT)["status"] == "success"
    for file in ("manifest.json", "run_results.json"):
        (tmp_path / file).write_text("{}")
    assert refused.send(tmp_path, logging.getLogger("artefacts")) is None
    assert [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "artefacts"] == [
        ("WARNING", "Not today.")
    ]


def test_artefacts_that_must_be_sent_fail_the_task(here, tmp_path):
    task = dbt_operator(tmp_path, sender(f"{here}.Refuser", required=True))
    with pytest.raises(DbtRetryError, match="dbt did well, but its artefacts were not sent: Not today"):
        task.execute(CONTEXT)


def test_the_verdict_on_dbt_comes_first(here, tmp_path):
    task = dbt_operator(tmp_path, sender(f"{here}.Refuser", required=True), "error")
    with pytest.raises((DbtFailedError, DbtRetryError)) as caught:
        task.execute(CONTEXT)
    assert "Not today" not in str(caught.value)


def test_dbt_that_left_nothing(tmp_path):
    assert sender("no_such_package.x", required=True).send(tmp_path, logging.getLogger("x")) is None


def test_a_planned_dbt_task_sends_to_whom_the_plan_says():
    dbt = DbtInvocation("run", (node_by_id("model.shop.orders"),))
    task = TaskPlan("orders", TaskKind.RUN, ("model.shop.orders",), runner="local", dbt=dbt)
    wanted = ArtifactsPlan("monte_carlo", "shop", {"connection": "mc"}, required=True)
    dag = emit_dag(dag_of(task, artifacts=wanted), DbtProject(Path("/opt/shop")))
    assert dag.get_task("orders").artifacts.plan == wanted
    assert dag.get_task("orders").artifacts.job == "sales__manual.orders"
    plain = emit_dag(replace(dag_of(task)), DbtProject(Path("/opt/shop")))
    assert plain.get_task("orders").artifacts is None
