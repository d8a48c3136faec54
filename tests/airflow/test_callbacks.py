"""Callbacks: found by name or told what is wrong, on the right operators, and called by real Airflow."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseNotifier, DeadlineReference
from airflow.serialization.serialized_objects import DagSerialization

from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.config.resolve import resolve_settings
from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.config.settings_integrations import Callbacks, CallbackSettings, Deadline
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.errors import ProjectError, error
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import DagKind, DagPlan, RefreshPlan, TaskKind, TaskPlan

pytestmark = pytest.mark.airflow

PROJECT = DbtProject(Path("/opt/shop"))
DAY = datetime(2026, 1, 1, tzinfo=UTC)
MODULE = """
import json, os
from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowSkipException
from dbt_af_k8s.airflow import RefreshError

def tell(kind, event):
    def callback(context):
        told = {"kind": kind, "event": event, "task": getattr(context.get("task"), "task_id", None)}
        told |= {"reason": context.get("reason"), "exception": str(context.get("exception", ""))}
        with open(os.environ["HEARD"], "a") as stream:
            stream.write(json.dumps(told) + chr(10))
    return callback

events = ["execute", "success", "failure", "retry", "skipped"]
for kind in ("dag", "task", "run", "refresh", "endpoint"):
    for event in events:
        globals()[f"{kind}_{event}"] = tell(kind, event)

class Notifier(BaseNotifier):
    template_fields = ("text",)
    text = "notified {{ task.task_id }}"
    def notify(self, context):
        tell(self.text, "notified")(context)

def breaks(context):
    raise RuntimeError("the callback is broken")

async def late(context):
    pass

class Provider:
    def refresh(self, resource):
        if resource["do"] == "skip":
            raise AirflowSkipException("nothing new")
        if resource["do"] == "fail":
            raise RefreshError("It is gone.")
        if resource["do"] == "later":
            raise RefreshError("It does not answer.", retryable=True)
        return "Done."
"""
EVENTS = ("execute", "success", "failure", "retry", "skipped")


class Heard(BaseNotifier):
    """A notifier of a test."""

    def notify(self, context: Any) -> None:
        raise AssertionError("nobody calls it here")


def on_trouble(context: Any) -> None:
    """A callback of a test."""


async def too_late(context: Any) -> None:
    """What a deadline calls in a test."""


NOT_CALLABLE = "text"


def refresh(do: str, **more: Any) -> TaskPlan:
    plan = RefreshPlan("called.Provider", "model.shop.orders", ({"do": do},))
    retry = RetrySettings(retries=1, delay=0, exponential_backoff=False)
    return TaskPlan(f"refresh__{do}", TaskKind.REFRESH, refresh=plan, retry=retry, **more)


def dag_of(*tasks: TaskPlan, callbacks: CallbackSettings, dag_id: str = "sales__daily", **more: Any) -> DagPlan:
    given = {"schedule": "0 2 * * *", "schedule_name": "@daily", "timezone": "UTC", "start_date": DAY} | more
    return DagPlan(dag_id, DagKind.SCHEDULED, "sales", tasks=tasks, callbacks=callbacks, **given)


def all_of(*kinds: str) -> Callbacks:
    return Callbacks(*(tuple(f"called.{kind}_{event}" for kind in kinds) for event in EVENTS))


CALLED = CallbackSettings(
    dag=Callbacks(on_success=("called.dag_success",), on_failure=("called.dag_failure",)),
    tasks={
        "run": all_of("task", "run"),
        "refresh": replace(all_of("task", "refresh"), on_success=("called.breaks", "called.Notifier")),
        "endpoint": all_of("task", "endpoint"),
    },
)


@pytest.fixture(scope="module")
def heard(dag_test_lab, tmp_path_factory) -> list[dict[str, Any]]:
    """What was called in two runs: one in which tasks end in every way, and one that goes well."""
    folder = tmp_path_factory.mktemp("callbacks")
    (folder / "called.py").write_text(MODULE)
    dbt = DbtInvocation("run", (node_by_id("model.shop.orders"),), executable="/nowhere/dbt")
    run = TaskPlan("orders", TaskKind.RUN, ("model.shop.orders",), runner="local", dbt=dbt)
    mixed = dag_of(run, refresh("well"), refresh("skip"), refresh("fail"), refresh("later"), callbacks=CALLED)
    well = dag_of(refresh("well"), callbacks=CALLED, dag_id="good__daily")
    broken = dag_of(
        TaskPlan("broken", TaskKind.ENDPOINT, retry=RetrySettings(retries=0)),
        callbacks=CALLED,
        dag_id="broken__daily",
        problems=(error("x", "It is broken.", "Mend it."),),
    )
    lab = dag_test_lab.with_environment(folder, {"HEARD": str(folder / "heard.jsonl")})
    runs = [{"dag_id": dag.dag_id} for dag in (mixed, well, broken)]
    answer = lab.run(folder / "dags", folder, (mixed, well, broken), runs)
    assert answer.states() == {
        "orders": "failed",
        "refresh__fail": "failed",
        "refresh__later": "failed",
        "refresh__skip": "skipped",
        "refresh__well": "success",
    }
    assert "the callback is broken" in answer.log
    return [json.loads(line) for line in (folder / "heard.jsonl").read_text().splitlines()]


def told(heard: list[dict[str, Any]], task: str | None) -> list[tuple[str, str]]:
    return [(each["kind"], each["event"]) for each in heard if each["task"] == task and each["kind"] != "dag"]


def test_every_event_of_a_task_calls_those_of_all_tasks_and_of_its_kind(heard):
    assert told(heard, "orders") == [
        ("task", "execute"),
        ("run", "execute"),
        ("task", "failure"),
        ("run", "failure"),
    ]
    assert told(heard, "refresh__fail") == [
        ("task", "execute"),
        ("refresh", "execute"),
        ("task", "failure"),
        ("refresh", "failure"),
    ]
    assert told(heard, "refresh__skip")[2:] == [("task", "skipped"), ("refresh", "skipped")]
    later = told(heard, "refresh__later")
    assert ("refresh", "retry") in later
    assert later[-2:] == [("task", "failure"), ("refresh", "failure")]


def test_a_callback_that_breaks_keeps_no_other_from_being_called(heard):
    assert told(heard, "refresh__well")[2:3] == [("notified refresh__well", "notified")]


def test_the_failing_task_of_a_broken_domain_is_told(heard):
    assert told(heard, "broken")[-2:] == [("task", "failure"), ("endpoint", "failure")]


def test_a_callback_gets_the_error(heard):
    (found,) = [each for each in heard if each["kind"] == "run" and each["event"] == "failure"]
    assert "/nowhere/dbt" in found["exception"]


def test_runs_of_dags_are_told(heard):
    dags = [(each["event"], each["reason"]) for each in heard if each["kind"] == "dag"]
    assert [event for event, _ in dags] == ["failure", "success", "failure"]
    assert all(reason for _, reason in dags)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> str:
    """The dotted path of this module, importable."""
    monkeypatch.setitem(sys.modules, "callbacks_of_a_test", sys.modules[__name__])
    return "callbacks_of_a_test"


def dag_with(callbacks: CallbackSettings, config: Config | None = None) -> Any:
    tasks = (refresh("well"), TaskPlan("end", TaskKind.ENDPOINT))
    request = PlanRequest(Path("/opt/shop"), config=config)
    return emit_dag(dag_of(*tasks, callbacks=callbacks), PROJECT, request)


def test_kinds_are_kept_apart(here):
    dag = dag_with(CallbackSettings(tasks={"refresh": Callbacks(on_failure=(f"{here}.on_trouble",))}))
    assert dag.get_task("refresh__well").on_failure_callback == [on_trouble]
    assert not dag.get_task("end").on_failure_callback
    assert dag.on_failure_callback is None


def test_a_dag_without_callbacks_is_as_before(here):
    dag = dag_with(CallbackSettings())
    assert dag.get_task("end").on_execute_callback in (None, [])
    assert not dag.has_on_failure_callback


def test_a_class_is_made_and_an_instance_in_python_is_taken_as_it_is(here):
    instance = Heard()
    config = Config.model_validate({"callbacks": {"task": {"on_failure": [f"{here}.Heard", instance, on_trouble]}}})
    settings, issues = resolve_settings(config, file="Config")
    assert not issues
    wanted = settings.callbacks.tasks["endpoint"].on_failure
    assert wanted == (f"{here}.Heard", "callbacks.task.on_failure[1]", "callbacks.task.on_failure[2]")
    found = dag_with(settings.callbacks, config).get_task("end").on_failure_callback
    assert isinstance(found[0], Heard)
    assert found[1] is instance
    assert found[2] is on_trouble


def test_a_plan_without_its_config_says_so():
    with pytest.raises(ProjectError, match="made in Python, and this plan was read without the `Config`"):
        dag_with(CallbackSettings(dag=Callbacks(on_failure=("callbacks.dag.on_failure[0]",))))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_package.alerts.tell", "there is no module `no_such_package`"),
        ("airflow_mcd_not.x", "there is no module `airflow_mcd_not`"),
        ("json.tool.nothing", "`json.tool` has no `nothing`"),
        ("json.decodr.x", "`json` has no `decodr`; did you mean `decoder`?"),
        ("json.JSONEncoder.defalt", "`json.JSONEncoder` has no `defalt`; did you mean `default`?"),
        ("{here}.NOT_CALLABLE", "it is str and cannot be called"),
        ("{here}.too_late", "it is a coroutine function"),
        ("fractions.Fraction.from_float.x", "has no `x`"),
        ("types.MethodType", "it is a class that wants arguments"),
    ],
)
def test_what_cannot_be_called_is_told(here, name, reason):
    with pytest.raises(ProjectError) as caught:
        dag_with(CallbackSettings(tasks={"endpoint": Callbacks(on_retry=(name.format(here=here),))}))
    (issue,) = caught.value.issues
    assert issue.code == "callback-not-found"
    assert reason in issue.message


def test_a_module_that_breaks_when_it_is_imported(tmp_path, monkeypatch):
    (tmp_path / "broken_alerts.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "worse_alerts.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    wanted = Callbacks(on_failure=("broken_alerts.tell", "worse_alerts.tell", "not_there.tell"))
    with pytest.raises(ProjectError) as caught:
        dag_with(CallbackSettings(dag=wanted))
    told = str(caught.value)
    assert "importing `broken_alerts` failed: there is no module `nothing_of_this_name`" in told
    assert "importing `worse_alerts` failed with ZeroDivisionError: division by zero" in told
    assert "there is no module `not_there`" in told


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("queued", DeadlineReference.DAGRUN_QUEUED_AT),
        ("logical_date", DeadlineReference.DAGRUN_LOGICAL_DATE),
        ("average_runtime", DeadlineReference.AVERAGE_RUNTIME()),
    ],
)
def test_a_deadline(here, reference, expected):
    dag = dag_with(CallbackSettings(deadline=Deadline(7200, reference, f"{here}.too_late", {"to": "anna"})))
    (alert,) = dag.deadline
    assert alert.reference == expected
    assert alert.interval == timedelta(hours=2)
    assert (type(alert.callback).__name__, alert.callback.path) == ("AsyncCallback", f"{here}.too_late")
    assert alert.callback.kwargs == {"to": "anna"}
    assert DagSerialization.to_dict(dag)["dag"]["deadline"]


@pytest.mark.parametrize(("call", "kind"), [("on_trouble", "SyncCallback"), ("Heard", "AsyncCallback")])
def test_what_a_deadline_calls_runs_where_it_can(here, call, kind):
    (alert,) = dag_with(CallbackSettings(deadline=Deadline(60, "queued", f"{here}.{call}"))).deadline
    assert type(alert.callback).__name__ == kind


def test_a_deadline_made_in_python():
    def inner(context: Any) -> None:
        pass

    def deadline(call: Any) -> Any:
        config = Config.model_validate({"callbacks": {"dag": {"deadline": {"after": "1h", "call": call}}}})
        return dag_with(resolve_settings(config, file="Config")[0].callbacks, config).deadline

    (alert,) = deadline(too_late)
    assert alert.callback.path == f"{__name__}.too_late"
    with pytest.raises(ProjectError, match="at the top of a module"):
        deadline(inner)


def test_an_airflow_without_deadlines_is_told(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow.sdk.definitions.deadline", None)
    with pytest.raises(ProjectError, match=r"Airflow 3\..* has no deadline alerts of this form; 3\.3 has"):
        dag_with(CallbackSettings(deadline=Deadline(60, "queued", f"{here}.too_late")))


SCHEDULED_RUN = """
import generated_dags
from datetime import datetime, timezone
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.models.dagbag import DBDagBag
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk.definitions.dag import DAG
from airflow.timetables.base import DataInterval
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType

manager = DagBundlesManager()
manager.sync_bundles_to_db()
(bundle,) = manager.get_all_dag_bundles()
bundle.initialize()
sync_bag_to_db(BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name=bundle.name), bundle.name, None)
with create_session() as session:
    day, next_day = datetime(2026, 3, 1, tzinfo=timezone.utc), datetime(2026, 3, 2, tzinfo=timezone.utc)
    SerializedDagModel.get("late__daily", session=session).dag.create_dagrun(
        run_id="scheduled__1", logical_date=day, data_interval=(day, next_day), run_after=next_day,
        run_type=DagRunType.SCHEDULED, triggered_by=DagRunTriggeredByType.TEST, state="queued", session=session,
    )
"""


def test_a_run_gets_its_deadline(dag_test_lab, tmp_path):
    """The run is made as the scheduler makes one. (`dag.test` of Airflow 3.3.2 fails on any DAG with a deadline.)"""
    (tmp_path / "called.py").write_text(MODULE)
    lab = dag_test_lab.with_environment(tmp_path, {"HEARD": str(tmp_path / "heard.jsonl")})
    deadline = Deadline(3600, "logical_date", "called.late", {"to": "anna"})
    plan = dag_of(refresh("well"), callbacks=CallbackSettings(deadline=deadline), dag_id="late__daily")
    # The lab's child, started with the DAG file, is only wanted for that file.
    lab.start(tmp_path / "dags", tmp_path, (plan,)).communicate('{"runs": []}', timeout=300)
    environment = {
        **lab.environment,
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "PYTHONPATH": f"{tmp_path / 'dags'}:{lab.environment['PYTHONPATH']}",
    }
    made = subprocess.run([sys.executable, "-c", SCHEDULED_RUN], env=environment, capture_output=True, timeout=300)
    assert made.returncode == 0, made.stderr.decode()[-3000:]
    with sqlite3.connect(lab.home / "airflow.db") as database:
        asked = "select d.deadline_time, c.data from deadline d join callback c on c.id = d.callback_id"
        ((moment, data),) = database.execute(asked).fetchall()
    assert moment.startswith("2026-03-01 01:00")
    assert "called.late" in data
    assert "anna" in data


def test_a_python_file_beside_the_project_is_found(tmp_path):
    (tmp_path / "json.py").write_text("def tell(context):\n    return 1\n")
    (tmp_path / "broken_alerts.py").write_text("1 / 0\n")

    def dag(call: str, **more: Any) -> Any:
        callbacks = CallbackSettings(tasks={"endpoint": Callbacks(on_failure=(call,))}, **more)
        return emit_dag(dag_of(TaskPlan("end", TaskKind.ENDPOINT), callbacks=callbacks), DbtProject(tmp_path))

    def first(made: Any) -> Any:
        return made.get_task("end").on_failure_callback[0](None)

    # It hides the module of Python's own for this project alone, and is read again when it changes.
    assert first(dag("json.tell")) == 1
    assert not hasattr(json, "tell")
    (tmp_path / "json.py").write_text("def tell(context):\n    return 22\n")
    assert first(dag("json.tell")) == 22
    with pytest.raises(ProjectError, match=r"broken_alerts\.py failed with ZeroDivisionError"):
        dag("broken_alerts.tell")
    with pytest.raises(ProjectError, match=r"`json` has no `tel`; did you mean `tell`"):
        dag("json.tel")
    with pytest.raises(ProjectError, match="where Airflow's triggerer and executor"):
        dag("json.tell", deadline=Deadline(60, "queued", "broken_alerts.tell"))
