"""What every runner must do alike: the same plan, the same node, the same verdict; only the place differs."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from monte_carlo_server import monte_carlo_server
from runners.api import TOKEN
from runners.bench import DAY, SECRET, Bench, retried, selection

from dbt_af_k8s.airflow import DbtBuildOperator
from dbt_af_k8s.airflow.artifacts import ArtifactSender
from dbt_af_k8s.airflow.dbt_operator import DbtFailedError, DbtRetryError
from dbt_af_k8s.dbt.values import DbtInvocation, node_by_id
from dbt_af_k8s.plan.values import ArtifactsPlan

pytestmark = [pytest.mark.airflow, pytest.mark.dbt, pytest.mark.slow]


def keys(*names: str) -> tuple[str, ...]:
    return tuple(f"test.shop.{name}" for name in names)


def test_a_model_is_green_with_rows_and_seconds(bench: Bench) -> None:
    task = bench.task("orders")
    result = task.run()
    assert result["status"] == "success"
    assert result["message"] == "model.shop.orders: success OK"
    assert result["rows"] is None
    assert 0 < result["seconds"] < 30
    assert bench.query("select distinct s from main.orders") == [(DAY.isoformat(),)]
    assert "OK created sql table model main.orders" in task.log.text
    assert bench.at_work() == 0


def test_a_seed_tells_its_rows(bench: Bench) -> None:
    assert bench.task("raw", "seed").run()["rows"] == 2


def test_data_tests_warn_or_fail_for_good(bench: Bench) -> None:
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


def test_a_failure_that_may_pass_is_retried_and_then_green(bench: Bench) -> None:
    bench.query("drop table if exists not_there_yet")
    task = bench.task("flaky")
    with pytest.raises(DbtRetryError, match="not_there_yet does not exist"):
        task.run()
    bench.query("create table not_there_yet as select 1 as id")
    task.try_number = 2
    assert task.run()["status"] == "success"


def test_a_node_that_dbt_does_not_know_is_red(bench: Bench) -> None:
    with pytest.raises(DbtRetryError, match=r"has no result for model\.shop\.renamed"):
        bench.task("renamed").run()


def test_a_task_that_is_killed_leaves_nothing_at_work(bench: Bench) -> None:
    running = bench.task("endless").begin()
    bench.until_at_work()
    running.task.operator.on_kill()
    error = running.ended()
    # Airflow ends the task whatever it raises now; a pod that is gone is told in Kubernetes' words.
    assert isinstance(error, Exception)
    assert bench.name == "kubernetes_pod" or "dbt was stopped from outside" in str(error)
    bench.until_idle()
    # The warehouse is free again: nothing holds DuckDB's only place for a writer.
    assert retried(lambda: bench.query("select 1")) == [(1,)]


def test_a_task_that_runs_out_of_time_leaves_nothing_at_work(bench: Bench) -> None:
    from airflow.sdk.exceptions import AirflowTaskTimeout

    with pytest.raises((AirflowTaskTimeout, DbtRetryError), match=r"(?i)time"):
        bench.task("endless", execution_timeout=timedelta(seconds=6)).run()
    bench.until_idle()


def test_a_large_log_arrives_whole_and_once(bench: Bench) -> None:
    task = bench.task("talkative")
    assert task.run()["status"] == "success"
    told = [line.split()[1] for _, line in task.log.lines if line.startswith("Zeile ")]
    assert told == [str(number) for number in range(5000)]


def test_letters_of_the_whole_world_arrive(bench: Bench) -> None:
    task = bench.task("grün", variables={"note": 'Ünï 😀 "x"'})
    assert task.run()["message"].startswith("model.shop.grün: success")
    assert 'Größe 😀 {"a": 1}' in task.log.text
    assert bench.query('select note from main."grün"') == [('Ünï 😀 "x"',)]


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

    bench.task("raw", "seed").run()
    invocation = DbtInvocation("freshness", (node_by_id("source.shop.main.raw"),))
    found = bench.task_of("age", invocation, DbtFreshnessOperator).run()
    assert (found["status"], found["max_loaded_at"][:10]) == ("warn", "2026-01-03")
    assert found["age"] > 86400


def test_a_macro_is_run_and_judged_by_its_own_words(bench: Bench) -> None:
    from dbt_af_k8s.airflow import DbtMaintenanceOperator

    bench.task("orders").run()
    options = (("expiration_timeout", 1), ("key", "moment"))
    node = (selection("model.shop.moments"),)
    bench.task("moments").run()
    invocation = DbtInvocation("run-operation", node, operation="ttl", options=options)
    found = bench.task_of("ttl", invocation, DbtMaintenanceOperator, not_while=()).run()
    assert (found["status"], found["rows"]) == ("done", 1)


def test_secrets_are_nowhere(bench: Bench) -> None:
    task = bench.task("orders")
    result = task.run()
    failed = bench.task("flaky_and_gone", nodes=("model.shop.broken",))
    with pytest.raises(DbtFailedError) as error:
        failed.run()
    fields = {name: getattr(task.operator, name) for name in type(task.operator).template_fields}
    shown = [result, task.log.text, failed.log.text, str(error.value), task.pushed, fields, repr(task.operator)]
    everything = json.dumps([*shown, task.stored, failed.stored], default=repr)
    for secret in (SECRET, TOKEN):
        assert secret not in everything


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
    assert {"model.shop.orders", "model.shop.endless"} <= set(manifest["nodes"])
    assert [row["unique_id"] for row in results["results"]] == ["model.shop.orders"]
