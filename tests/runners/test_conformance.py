"""What every runner must do alike: the same plan, the same node, the same verdict; only the place differs."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from monte_carlo_server import monte_carlo_server
from runners.api import TOKEN
from runners.bench import Bench, selection, until
from runners.shop import LINES, SECRET
from runners.task import DAY

from dbt_af_k8s.airflow import DbtBuildOperator
from dbt_af_k8s.airflow.dbt_operator import DbtFailedError, DbtRetryError
from dbt_af_k8s.airflow.integrations.artifacts import ArtifactSender
from dbt_af_k8s.dbt.values import DbtInvocation, node_by_id
from dbt_af_k8s.plan.values import ArtifactsPlan

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]

CHATTER = {"nodes": ("model.shop.talkative", "model.shop.grün"), "variables": {"note": 'Ünï 😀 "x"'}}


def keys(*names: str) -> tuple[str, ...]:
    return tuple(f"test.shop.{name}" for name in names)


def test_a_model_is_green_with_seconds(bench: Bench) -> None:
    task, result = bench.once("orders")
    assert result["status"] == "success"
    assert result["message"] == "model.shop.orders: success OK"
    assert result["rows"] is None
    assert 0 < result["seconds"] < 30
    assert bench.query("select distinct s from main.orders") == [(DAY.isoformat(),)]
    assert "OK created sql table model main.orders" in task.log.text
    assert bench.at_work() == 0


def test_a_seed_tells_its_rows(bench: Bench) -> None:
    _, result = bench.once("raw", "seed")
    assert result["rows"] == 2


def test_data_tests_warn_or_fail_for_good(bench: Bench) -> None:
    bench.once("orders")
    task = bench.task("tests", "test", nodes=keys("warns", "id_is_there"))
    result = task.run()
    assert result["status"] == "warn"
    assert result["nodes"] == [
        {"unique_id": "test.shop.warns", "status": "warn", "failures": 1},
        {"unique_id": "test.shop.id_is_there", "status": "pass", "failures": 0},
    ]
    assert (logging.WARNING, True) in {(level, "WARN 1 warns" in line) for level, line in task.log.lines}
    task = bench.task("fails", "test")
    with pytest.raises(DbtFailedError, match=r"test\.shop\.fails: fail\nGot 1 result"):
        task.run()


@pytest.mark.parametrize(("name", "said"), [("broken", "'no_such_macro' is undefined"), ("syntax", "Parser Error")])
def test_what_does_not_compile_is_red_for_good(bench: Bench, name: str, said: str) -> None:
    with pytest.raises(DbtFailedError, match=said):
        bench.task(name).run()


def test_a_failure_that_may_pass_is_retried_and_then_green(any_bench: Bench) -> None:
    any_bench.query("drop table if exists not_there_yet")
    task = any_bench.task("flaky")
    with pytest.raises(DbtRetryError, match="not_there_yet does not exist"):
        task.run()
    any_bench.query("create table not_there_yet as select 1 as id")
    assert task.next_try().run()["status"] == "success"


def test_a_node_that_dbt_does_not_know_is_red(bench: Bench) -> None:
    with pytest.raises(DbtRetryError, match=r"has no result for model\.shop\.renamed"):
        bench.task("renamed").run()


def test_a_killed_task_leaves_nothing_at_work_and_can_run_again_at_once(bench: Bench) -> None:
    began = bench.began()
    task = bench.task("waits", cold=True)
    running = task.begin()
    until(lambda: bench.began() > began)
    running.task.operator.on_kill()
    error = running.ended()
    # Airflow ends the task whatever it raises now; a pod that is gone is told in Kubernetes' words.
    assert isinstance(error, Exception)
    assert bench.name == "kubernetes_pod" or "dbt was stopped from outside" in str(error)
    # As when somebody has cleared it. DuckDB has place for one writer, so whoever is still at work would be noticed.
    assert task.next_try(variables={"ms": 0}).run()["status"] == "success"
    bench.until_idle()
    assert bench.began() == began + 2


def test_a_task_that_runs_out_of_time_leaves_nothing_at_work(any_bench: Bench) -> None:
    from airflow.sdk.exceptions import AirflowTaskTimeout

    task = any_bench.task("waits", execution_timeout=timedelta(seconds=6))
    # It stands in the first line.
    with pytest.raises((AirflowTaskTimeout, DbtRetryError), match=r"(?i)\A.*\btime"):
        task.run()
    assert task.next_try(variables={"ms": 0}, execution_timeout=None).run()["status"] == "success"
    any_bench.until_idle()


def test_the_work_of_a_worker_that_is_lost_is_taken_over_or_done_again(any_bench: Bench) -> None:
    began = any_bench.began()
    task = any_bench.task("waits", variables={"ms": 3000}, cold=True)
    task.with_a_worker_that_is_lost(lambda: any_bench.began() > began)
    if not any_bench.survives:
        any_bench.until_idle()
    assert task.next_try().run()["status"] == "success"
    assert any_bench.began() == began + (1 if any_bench.survives else 2)


def test_a_task_that_was_cleared_after_its_worker_was_lost_starts_anew(bench: Bench) -> None:
    began = bench.began()
    task = bench.task("waits")
    task.with_a_worker_that_is_lost(lambda: bench.began() > began)
    if not bench.survives:
        bench.until_idle()
    assert task.next_try(is_cleared=True, variables={"ms": 0}).run()["status"] == "success"
    bench.until_idle()
    assert bench.began() == began + 2


def test_a_large_log_arrives_whole_and_once(any_bench: Bench) -> None:
    task, result = any_bench.once("chatter", **CHATTER)
    assert result["status"] == "success"
    told = [line.split()[1] for _, line in task.log.lines if line.startswith("Zeile ")]
    assert told == [str(number) for number in range(LINES)]


def test_letters_of_the_whole_world_arrive(any_bench: Bench) -> None:
    task, _ = any_bench.once("chatter", **CHATTER)
    assert 'Größe 😀 {"a": 1}' in task.log.text
    assert "main.grün" in task.log.text
    assert any_bench.query('select note from main."grün"') == [('Ünï 😀 "x"',)]


def test_of_several_nodes_each_has_a_verdict_and_a_retry_runs_only_what_is_not_done(bench: Bench) -> None:
    bench.query("drop table if exists not_there_yet")
    models, tests = ("orders", "flaky", "after_flaky"), ("id_is_there", "warns")
    nodes = tuple(selection(key) for key in (*(f"model.shop.{name}" for name in models), *keys(*tests)))
    task = bench.task_of("several", DbtInvocation("build", nodes), DbtBuildOperator)
    with pytest.raises(DbtRetryError, match="not_there_yet does not exist"):
        task.run()
    assert statuses(task.pushed["nodes"]) == {
        "orders": "success",
        "flaky": "error",
        "after_flaky": "skipped",
        "id_is_there": "pass",
        "warns": "warn",
    }
    assert bench.started_from_slices(task)
    bench.query("create table not_there_yet as select 1 as id")
    bench.query("delete from main.orders")
    task.try_number = 2
    result = task.run()
    assert {row["unique_id"].split(".")[2] for row in result["nodes"] if not row.get("earlier")} == {
        "flaky",
        "after_flaky",
    }
    assert statuses(result["nodes"]) == statuses(task.pushed["nodes"])
    assert set(statuses(result["nodes"]).values()) == {"success", "pass", "warn"}
    assert bench.started_from_slices(task)
    assert bench.query("select count(*) from main.orders") == [(0,)]


def statuses(rows: list[dict[str, Any]]) -> dict[str, str]:
    """By the name of the node."""
    return {row["unique_id"].split(".")[2]: row["status"] for row in rows}


def test_the_age_of_a_source_is_told(bench: Bench) -> None:
    from dbt_af_k8s.airflow import DbtFreshnessOperator

    bench.once("raw", "seed")
    invocation = DbtInvocation("freshness", (node_by_id("source.shop.main.raw"),))
    found = bench.task_of("age", invocation, DbtFreshnessOperator).run()
    assert (found["status"], found["max_loaded_at"][:10]) == ("warn", "2026-01-03")
    assert found["age"] > 86400


def test_a_macro_is_run_and_judged_by_its_own_words(bench: Bench) -> None:
    from dbt_af_k8s.airflow import DbtMaintenanceOperator

    bench.query(
        "create or replace table moments as select timestamp '2026-01-01' + to_days(59 * i) as moment "
        "from range(2) as r(i)"
    )
    options = (("expiration_timeout", 1), ("key", "moment"))
    node = (selection("model.shop.moments"),)
    invocation = DbtInvocation("run-operation", node, operation="ttl", options=options)
    found = bench.task_of("ttl", invocation, DbtMaintenanceOperator, not_while=()).run()
    assert (found["status"], found["rows"]) == ("done", 1)


def test_secrets_are_nowhere(any_bench: Bench) -> None:
    any_bench.once("orders")
    # All that the tasks of this runner have said so far, where the other tests ran before.
    shown = [
        (each.log.lines, each.result, each.pushed, each.stored, each.errors, _fields(each.operator))
        for each in any_bench.tasks
    ]
    everything = json.dumps(shown, default=repr)
    for secret in (SECRET, TOKEN):
        before, found, _ = everything.partition(secret)
        assert not found, f"it stands after: {before[-500:]}"


def _fields(operator: object) -> dict[str, object]:
    return {name: getattr(operator, name) for name in getattr(operator, "template_fields", ())}


# Of the libraries that pycarlo uses, not of ours.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::marshmallow.warnings.RemovedInMarshmallow4Warning")
def test_what_dbt_left_on_a_server_is_sent_to_monte_carlo(dbt_api: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole manifest and the results of one invocation: Monte Carlo's package takes no others."""
    pytest.importorskip("airflow_mcd", reason="needs the extra monte-carlo")
    plan = ArtifactsPlan("monte_carlo", "shop", {"connection": "mc"}, required=True)
    with monte_carlo_server() as monte_carlo:
        connection = {"conn_type": "http", "host": f"{monte_carlo.url}/graphql", "login": "key", "password": "secret"}
        monkeypatch.setenv("AIRFLOW_CONN_MC", json.dumps(connection))
        task = dbt_api.task("orders", artifacts=ArtifactSender(plan, job="shop.orders"))
        assert task.run()["status"] == "success"
    assert "Monte Carlo has dbt's manifest and results of shop.orders." in task.log.text
    (event,) = monte_carlo.events
    assert (event["projectName"], event["jobName"]) == ("shop", "shop.orders")
    manifest, results = (monte_carlo.uploads[f"{name}.json"] for name in ("manifest", "run_results"))
    assert {event["invocationId"], manifest["metadata"]["invocation_id"], results["metadata"]["invocation_id"]} == {
        event["invocationId"]
    }
    assert {"model.shop.orders", "model.shop.waits"} <= set(manifest["nodes"])
    assert [row["unique_id"] for row in results["results"]] == ["model.shop.orders"]
