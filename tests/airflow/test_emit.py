"""Every value of a planned DAG is in the Airflow DAG, and nothing else."""

import gc
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk import DAG, CronDataIntervalTimetable, TriggerRule
from airflow.serialization.serialized_objects import DagSerialization

from dbt_af_k8s.airflow.broken import BrokenDomainError, BrokenDomainOperator
from dbt_af_k8s.airflow.dbt_operator import DbtOperator
from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.airflow.waits.sensor import DbtWaitSensor
from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.errors import PlanInvariantError, error
from dbt_af_k8s.plan.values import DagKind, DagPlan, TaskKind, TaskPlan, WaitsFor

pytestmark = pytest.mark.airflow

PROJECT = DbtProject(Path("/opt/somewhere/private/shop"), Path("/opt/somewhere/private/profiles"))
DAY = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "correct horse battery staple"


def dbt_task(task_id: str, *upstream: str, kind: TaskKind = TaskKind.RUN, **more) -> TaskPlan:
    unique_id = f"model.shop.{task_id}"
    invocation = DbtInvocation(kind.value, (node_by_id(unique_id),), env=(("DBT_PASSWORD", SECRET),))
    return TaskPlan(task_id, kind, (unique_id,), upstream, runner="local", dbt=invocation, **more)


def wait_task(task_id: str = "wait__raw") -> TaskPlan:
    waits_for = WaitsFor("raw__hourly", "raw", "model.shop.raw", "all", "0 * * * *", "UTC", DAY, False)
    return TaskPlan(task_id, TaskKind.WAIT, waits_for=waits_for, poke=60, timeout=3600)


def dag_plan(*tasks: TaskPlan, **more) -> DagPlan:
    given = {"schedule": "0 2 * * *", "schedule_name": "@daily", "timezone": "Europe/Berlin", "start_date": DAY} | more
    return DagPlan("sales__daily", DagKind.SCHEDULED, "sales", tasks=tasks, **given)


SHOP = dag_plan(
    wait_task(),
    dbt_task("orders", "wait__raw", group="orders__group"),
    dbt_task("orders__tests", "orders", kind=TaskKind.TEST, group="orders__group"),
    TaskPlan("orders__end", TaskKind.ENDPOINT, upstream=("orders__tests",), group="orders__group"),
    dbt_task("report", "orders__end"),
    tags=("dbt", "sales"),
    owner="anna",
    doc_md="# Sales",
)


def test_the_dag_says_what_the_plan_says():
    dag = emit_dag(replace(SHOP, catchup=True, max_active_runs=3, max_active_tasks=7), PROJECT)
    assert dag.dag_id == "sales__daily"
    assert dag.timetable == CronDataIntervalTimetable("0 2 * * *", timezone="Europe/Berlin")
    assert dag.start_date == DAY
    assert (dag.catchup, dag.max_active_runs, dag.max_active_tasks) == (True, 3, 7)
    assert dag.tags == {"dbt", "sales"}
    assert dag.doc_md == "# Sales"
    assert dag.owner == "anna"
    assert dag.render_template_as_native_obj is False


def test_a_manual_dag_has_no_calendar():
    dag = emit_dag(dag_plan(dbt_task("orders"), schedule=None), PROJECT)
    assert not dag.timetable.can_be_scheduled


def test_every_dag_has_the_form_empty_by_default():
    dag = emit_dag(dag_plan(schedule=None), PROJECT)
    assert list(dag.params) == ["start_dttm", "end_dttm"]
    for name in dag.params:
        field = dag.params.get_param(name)
        assert field.value is None
        assert field.schema["type"] == ["null", "string"]
        assert field.schema["title"]
        assert field.description
    dag.params["start_dttm"] = "2026-01-01"
    dag.params.validate()


def test_operators_and_edges():
    dag = emit_dag(SHOP, PROJECT)
    assert {task.task_id: type(task).__name__ for task in dag.tasks} == {
        "wait__raw": "DbtWaitSensor",
        "orders": "DbtOperator",
        "orders__tests": "DbtOperator",
        "orders__end": "EmptyOperator",
        "report": "DbtOperator",
    }
    edges = {(task.task_id, downstream) for task in dag.tasks for downstream in task.downstream_task_ids}
    assert edges == {
        ("wait__raw", "orders"),
        ("orders", "orders__tests"),
        ("orders__tests", "orders__end"),
        ("orders__end", "report"),
    }
    assert edges == {(upstream, task.task_id) for task in dag.tasks for upstream in task.upstream_task_ids}
    assert {task.trigger_rule for task in dag.tasks} == {TriggerRule.NONE_FAILED}


def test_groups_add_no_prefix():
    dag = emit_dag(SHOP, PROJECT)
    group = dag.task_group.children["orders__group"]
    assert sorted(group.children) == ["orders", "orders__end", "orders__tests"]
    assert dag.get_task("orders").task_group is group


def test_a_pod_override_is_what_the_kubernetes_executor_takes():
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
    from airflow.serialization.serialized_objects import DagSerialization

    spec = {"containers": [{"name": "base", "resources": {"requests": {"memory": "2Gi"}}}]}
    config = {"pod_override": {"metadata": {"labels": {"team": "sales"}}, "spec": spec}}
    dag = emit_dag(dag_plan(dbt_task("orders", executor_config=config)), PROJECT)
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("orders").executor_config
    for found in (dag.get_task("orders").executor_config, stored):
        pod = PodGenerator.from_obj(found)
        assert pod.metadata.labels == {"team": "sales"}
        assert pod.spec.containers[0].resources.requests == {"memory": "2Gi"}


def test_every_setting_of_a_task():
    retry = RetrySettings(retries=5, delay=30, exponential_backoff=True, max_delay=600)
    full = dbt_task(
        "orders",
        display_name="Orders, all of them",
        retry=retry,
        pool="duckdb",
        queue="heavy",
        executor="LocalExecutor",
        executor_config={"pod": "x"},
        priority_weight=9,
        timeout=120,
        owner="ben",
        max_active=1,
        enable_from=DAY,
        disable_from=DAY + timedelta(days=9),
    )
    task = emit_dag(dag_plan(full), PROJECT).get_task("orders")
    assert isinstance(task, DbtOperator)
    assert task.task_display_name == "Orders, all of them"
    assert task.retries == 5
    assert task.retry_delay == timedelta(seconds=30)
    assert task.retry_exponential_backoff == 2.0
    assert task.max_retry_delay == timedelta(seconds=600)
    assert (task.pool, task.queue, task.executor) == ("duckdb", "heavy", "LocalExecutor")
    assert task.executor_config == {"pod": "x"}
    assert task.priority_weight == 9
    assert task.weight_rule == "absolute"
    assert task.execution_timeout == timedelta(seconds=120)
    assert task.owner == "ben"
    assert task.max_active_tis_per_dag == 1
    assert (task.enable_from, task.disable_from) == (DAY, DAY + timedelta(days=9))
    assert task.invocation == full.dbt
    assert task.project == PROJECT
    assert (task.cron, task.timezone) == ("0 2 * * *", "Europe/Berlin")


def test_a_steady_delay_is_a_steady_delay():
    steady = dbt_task("orders", retry=RetrySettings(retries=1, delay=5, exponential_backoff=False))
    task = emit_dag(dag_plan(steady), PROJECT).get_task("orders")
    assert task.retry_exponential_backoff == 0
    assert task.max_retry_delay is None


def test_a_wait_knows_both_calendars_and_its_patience():
    task = emit_dag(SHOP, PROJECT).get_task("wait__raw")
    assert isinstance(task, DbtWaitSensor)
    assert task.waits_for == wait_task().waits_for
    assert (task.cron, task.timezone) == ("0 2 * * *", "Europe/Berlin")
    assert (task.poke_interval, task.timeout, task.deferrable) == (60, 3600, True)


def test_a_broken_domain_fails_with_all_its_problems():
    problems = (
        error("unknown-target", "no target x", "Name one.", node="model.shop.a"),
        error("bad-cron", "no cron", "Write five fields.", node="model.shop.b"),
    )
    plan = dag_plan(TaskPlan("sales__broken", TaskKind.ENDPOINT), problems=problems)
    task = emit_dag(plan, PROJECT).get_task("sales__broken")
    assert isinstance(task, BrokenDomainOperator)
    assert task.retries == 0
    with pytest.raises(BrokenDomainError, match=r"(?s)2 problem.*unknown-target.*Fix: Name one\..*bad-cron"):
        task.execute({})


@pytest.mark.parametrize("kind", [TaskKind.MAINTENANCE, TaskKind.REFRESH])
def test_a_kind_that_cannot_be_built_is_a_broken_promise_of_the_plan(kind):
    with pytest.raises(PlanInvariantError, match="task odd"):
        emit_dag(dag_plan(TaskPlan("odd", kind)), PROJECT)


def test_tasks_that_miss_what_they_need_are_broken_promises():
    with pytest.raises(PlanInvariantError, match="no dbt command"):
        emit_dag(dag_plan(TaskPlan("orders", TaskKind.RUN)), PROJECT)
    with pytest.raises(PlanInvariantError, match="no dbt command for the runner kubernetes_pod"):
        emit_dag(dag_plan(replace(dbt_task("orders"), runner="kubernetes_pod")), PROJECT)
    with pytest.raises(PlanInvariantError, match="what it waits for"):
        emit_dag(dag_plan(TaskPlan("wait__x", TaskKind.WAIT)), PROJECT)


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_as_it_was(enabled):
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        emit_dag(SHOP, PROJECT)
        assert gc.isenabled() is enabled
        with pytest.raises(PlanInvariantError):
            emit_dag(dag_plan(TaskPlan("odd", TaskKind.REFRESH)), PROJECT)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def serialized(dag: DAG) -> str:
    """What Airflow stores, in the order of keys in which it hashes it to find out whether a DAG has changed."""
    return json.dumps(DagSerialization.to_dict(dag), sort_keys=True)


def test_what_airflow_stores_has_no_path_and_no_secret():
    text = serialized(emit_dag(SHOP, PROJECT))
    assert "private" not in text
    assert SECRET not in text
    assert "DBT_PASSWORD" not in text
    assert "model.shop.orders" in text


def test_what_airflow_stores_has_no_line_of_our_code():
    """Else each release of this library would be a new version of every DAG."""
    dag = emit_dag(SHOP, PROJECT)
    assert dag.task_dict["orders"].pre_execute.__qualname__.startswith("pass_on_not_built")
    text = serialized(dag)
    assert "lambda" not in text
    assert "def " not in text
    assert '"_pre_execute_hook"' not in text


def test_the_form_is_stored_once_and_not_with_every_task():
    text = serialized(emit_dag(SHOP, PROJECT))
    assert text.count("Begin of the data interval") == 1


def test_the_stored_dag_comes_back_whole():
    found = DagSerialization.from_dict(json.loads(serialized(emit_dag(SHOP, PROJECT))))
    assert sorted(found.task_dict) == ["orders", "orders__end", "orders__tests", "report", "wait__raw"]
    assert found.task_dict["report"].upstream_task_ids == {"orders__end"}


PRINT_STORED = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
import test_emit
print(hashlib.sha256(test_emit.serialized(test_emit.emit_dag(test_emit.SHOP, test_emit.PROJECT)).encode()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_store_the_same_bytes(tmp_path):
    def stored(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "AIRFLOW_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-c", PRINT_STORED, str(Path(__file__).parent)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout.splitlines()[-1]

    assert stored("1") == stored("2")


def test_five_thousand_tasks_with_many_edges_are_quick():
    tasks = [dbt_task(f"m{number}") for number in range(50)]
    for number in range(50, 5000):
        upstream = sorted({f"m{number - 1}", f"m{number // 2}", f"m{number // 3}"})
        tasks.append(dbt_task(f"m{number}", *upstream))
    plan = dag_plan(*tasks)
    began = time.process_time()
    dag = emit_dag(plan, PROJECT)
    seconds = time.process_time() - began
    assert len(dag.tasks) == 5000
    assert sum(len(task.downstream_task_ids) for task in dag.tasks) == sum(len(task.upstream) for task in tasks)
    # `>>` alone takes 2 s for the edges; the whole takes 0.6 s on a quiet machine.
    assert seconds < 5


def test_a_chain_of_ten_thousand_is_no_trouble():
    tasks = [dbt_task("m0"), *(dbt_task(f"m{number}", f"m{number - 1}") for number in range(1, 10_000))]
    assert len(emit_dag(dag_plan(*tasks), PROJECT).tasks) == 10_000
