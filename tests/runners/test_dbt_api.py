"""The runner `dbt_api` and what can go wrong on the way: nothing is lost, and nothing is started twice."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from runners.api import CONNECTION, TOKEN
from runners.bench import Bench, selection, until
from runners.odd_bench import OddBench
from runners.odd_server import GOOD_LOG, OddServer, event, finished
from runners.task import Task, first_event

from dbt_af_k8s.airflow import DbtBuildOperator
from dbt_af_k8s.airflow.dbt_operator import DbtFailedError, DbtRetryError
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.values import DbtInvocation, node_by_id

pytestmark = pytest.mark.airflow


@pytest.fixture
def task(odd: OddServer) -> Task:
    return OddBench(odd).task_of("orders", DbtInvocation("run", (selection("model.shop.orders"),)))


def name_of(task: Task, number: int | None = None) -> str:
    from dbt_af_k8s.airflow.api.tasks import try_of

    return try_of(task.context(), task.operator).name.of_try(number or task.try_number)


def test_the_result_is_that_of_the_log(task: Task, odd: OddServer) -> None:
    result = task.run()
    assert result == {"status": "success", "rows": 3, "seconds": 1.5, "message": "model.shop.orders: success SELECT 3"}
    (body,) = odd.started
    assert body["task_id"] == name_of(task)
    assert body["command"][:3] == [
        "run",
        "--select",
        "fqn:shop.order[s],fqn:order[s],package:sho[p],resource_type:model",
    ]
    assert body["command"][-5:] == ["--log-format", "json", "--log-level", "debug", "--no-use-colors"]
    assert "--project-dir" not in body["command"]
    assert {found["authorization"] for found in map(_lower, odd.headers)} == {f"Bearer {TOKEN}"}


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_a_lost_answer_starts_nothing_twice(task: Task, odd: OddServer) -> None:
    odd.loses_answers = True
    assert task.run()["status"] == "success"
    assert len(odd.started) == 1


def test_a_server_that_answers_when_the_work_is_done(task: Task, odd: OddServer) -> None:
    odd.blocks = 1.5
    assert task.run()["status"] == "success"
    assert len(odd.started) == 1


@pytest.mark.parametrize("faults", [[503, 502], [None, None], [429]])
def test_a_server_that_is_out_of_reach_for_a_while(task: Task, odd: OddServer, faults: list[int | None]) -> None:
    odd.faults = faults
    assert task.run()["status"] == "success"
    assert len(odd.started) == 1
    assert "asks again" in task.log.text


def test_a_server_that_stays_out_of_reach_is_worth_a_retry(task: Task, odd: OddServer) -> None:
    odd.faults = [503] * 500
    with pytest.raises(DbtRetryError, match=r"says 503: fault 503, for 3 s"):
        task.run()


@pytest.mark.parametrize(("status", "said"), [(401, "refuses the credentials"), (422, "fault 422")])
def test_what_the_server_refuses_is_red_for_good(task: Task, odd: OddServer, status: int, said: str) -> None:
    odd.faults = [status]
    with pytest.raises(DbtFailedError, match=said):
        task.run()


def test_some_servers_say_404_where_there_is_nothing_yet(task: Task, odd: OddServer) -> None:
    odd.has_404 = True
    assert task.run()["status"] == "success"


def test_lines_that_come_twice_are_told_once(task: Task, odd: OddServer) -> None:
    line = event("Note", msg="only once", ts="2026")
    odd.log = f"{line}\n{GOOD_LOG}{line}\nplain\nplain\n{finished('model.shop.orders')}\n"
    assert task.run()["rows"] == 3
    assert [text for _, text in task.log.lines if text in ("only once", "plain")] == ["only once", "plain", "plain"]


def test_a_log_without_the_result_is_red(task: Task, odd: OddServer) -> None:
    odd.log = event("Note", msg="nothing of use") + "\n"
    with pytest.raises(DbtRetryError, match=r"has no result for model\.shop\.orders"):
        task.run()


def test_what_dbt_left_out_by_fail_fast_is_told_as_by_a_local_dbt(odd: OddServer) -> None:
    """Its log says nothing of nodes that it did not begin; run_results.json does, where the server keeps it."""
    ids = tuple(f"model.shop.{name}" for name in ("orders", "later"))
    odd.states, odd.log = ("FAILURE",), finished(ids[0], "error", message="no such table") + "\n"
    rows = [{"unique_id": ids[0], "status": "warn"}, {"unique_id": ids[1], "status": "skipped"}]
    odd.artifacts = {"run_results.json": json.dumps({"results": rows}).encode()}
    task = OddBench(odd).task_of("both", DbtInvocation("build", tuple(map(selection, ids))), DbtBuildOperator)
    with pytest.raises(DbtRetryError, match=r"no such table\ndbt left out .*: model\.shop\.later$"):
        task.run()
    assert [row["status"] for row in task.pushed["nodes"]] == ["error", "skipped"]


def test_results_at_level_info_are_enough_for_a_verdict(task: Task, odd: OddServer) -> None:
    node = {"unique_id": "model.shop.orders", "node_status": "success", "resource_type": "model"}
    odd.log = event("LogModelResult", node_info=node, status="SELECT 3", execution_time=2.5) + "\n"
    result = task.run()
    assert (result["seconds"], result["rows"], result["message"]) == (2.5, None, "model.shop.orders: success SELECT 3")


def test_why_it_failed_where_there_is_no_log(task: Task, odd: OddServer) -> None:
    odd.states, odd.log, odd.reason = ("FAILURE",), "", ("DbtError", "Parsing of shop failed")
    with pytest.raises(DbtRetryError, match="Parsing of shop failed"):
        task.run()


def test_work_that_the_server_lost_is_retried_anew(task: Task, odd: OddServer) -> None:
    odd.states, odd.reason = ("STARTED", "INTERNAL_ERROR"), ("ServerLost", "the server was restarted")
    with pytest.raises(DbtRetryError, match="ServerLost: the server was restarted"):
        task.run()
    odd.states = ("SUCCESS",)
    task.try_number = 2
    assert task.run()["status"] == "success"
    assert [body["task_id"] for body in odd.started] == [name_of(task, 1), name_of(task, 2)]


def test_a_server_that_forgot_everything_is_told(task: Task, odd: OddServer) -> None:
    odd.states = ("NOT_FOUND",)
    with pytest.raises(DbtRetryError, match="knows nothing of the invocation"):
        task.run()


@pytest.mark.parametrize("state", ["PENDING", "STARTED"])
def test_a_retry_takes_over_what_still_works(task: Task, odd: OddServer, state: str) -> None:
    task.try_number = 3
    odd.known[name_of(task, 1)] = {"states": [state, state, "SUCCESS"], "log": GOOD_LOG}
    assert task.run()["status"] == "success"
    assert (odd.started, odd.aborted) == ([], [])


def test_a_retry_takes_what_was_done_well_while_nobody_looked(task: Task, odd: OddServer) -> None:
    task.try_number = 2
    odd.put(name_of(task, 1), "SUCCESS")
    assert task.run()["status"] == "success"
    assert odd.started == []


@pytest.mark.parametrize(("state", "log"), [("FAILURE", GOOD_LOG), ("ABORTED", GOOD_LOG), ("SUCCESS", "")])
def test_a_retry_starts_anew_after_anything_else(task: Task, odd: OddServer, state: str, log: str) -> None:
    task.try_number = 2
    odd.put(name_of(task, 1), state, log)
    assert task.run()["status"] == "success"
    assert len(odd.started) == 1


def test_a_task_that_was_cleared_starts_anew(task: Task, odd: OddServer) -> None:
    odd.put(name_of(task, 1), "SUCCESS")
    task.try_number, task.max_tries = 2, 3
    assert task.run()["status"] == "success"
    assert len(odd.started) == 1


def test_what_works_for_a_task_before_it_was_cleared_is_aborted(task: Task, odd: OddServer) -> None:
    odd.put(name_of(task, 1), "STARTED")
    task.try_number, task.max_tries = 2, 3
    assert task.run()["status"] == "success"
    assert odd.aborted == [name_of(task, 1)]
    assert len(odd.started) == 1


def test_a_worker_that_comes_back_finds_its_own_work(task: Task, odd: OddServer) -> None:
    odd.put(name_of(task), "SUCCESS")
    assert task.run()["status"] == "success"
    assert odd.started == []


def test_a_kill_aborts_by_the_older_address_too(task: Task, odd: OddServer) -> None:
    odd.states, odd.only_old_abort = ("STARTED",), True
    task.operator.runner = DbtApiOptions(conn_id=CONNECTION, poke=1, deferrable=False)
    running = task.begin()
    until(lambda: odd.started)
    task.operator.on_kill()
    assert "stopped from outside" in str(running.ended())
    assert odd.aborted == [name_of(task)]


def test_a_deferred_task_that_is_killed_aborts_in_the_triggerer(task: Task, odd: OddServer) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    odd.states = ("STARTED",)
    with pytest.raises(TaskDeferred) as deferred:
        task.operator.execute(task.context())
    asyncio.run(deferred.value.trigger.on_kill())
    assert odd.aborted == [name_of(task)]


def test_a_trigger_that_starts_again_after_a_restart_of_the_triggerer(task: Task, odd: OddServer) -> None:
    from airflow.sdk.exceptions import TaskDeferred
    from airflow.sdk.module_loading import import_string

    odd.states = ("STARTED", "STARTED", "STARTED", "SUCCESS")
    with pytest.raises(TaskDeferred) as deferred:
        task.operator.execute(task.context())
    path, arguments = deferred.value.trigger.serialize()
    assert TOKEN not in repr((path, arguments, deferred.value.kwargs))
    payload = asyncio.run(first_event(import_string(path)(**arguments)))
    result = task.operator.resume(task.context(), payload, **deferred.value.kwargs)
    assert result["status"] == "success"
    assert len(odd.started) == 1


def test_a_triggerer_that_cannot_see_leaves_it_to_the_task(task: Task, odd: OddServer) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    odd.states = ("STARTED", "SUCCESS")
    with pytest.raises(TaskDeferred) as deferred:
        task.operator.execute(task.context())
    event_of = {"position": None, "trouble": "no such connection"}
    assert task.operator.resume(task.context(), event_of, **deferred.value.kwargs)["status"] == "success"
    assert "The task looks itself" in task.log.text
    assert task.operator.resume_execution("__fail__", {"error": "Trigger failure"}, task.context())["rows"] == 3


def test_time_that_runs_out_in_the_triggerer_aborts(odd: OddServer) -> None:
    odd.states = ("STARTED",)
    invocation = DbtInvocation("run", (selection("model.shop.orders"),))
    task = OddBench(odd).task_of("orders", invocation, execution_timeout=timedelta(seconds=1))
    with pytest.raises(DbtRetryError, match="ran into the time limit"):
        task.run()
    assert odd.aborted == [name_of(task)]


def test_a_look_of_a_gate_that_takes_too_long_is_aborted(odd: OddServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from dbt_af_k8s.airflow import DbtFreshnessSensor, freshness

    monkeypatch.setattr(freshness, "_LOOK_SECONDS", 0.5)
    odd.states = ("STARTED",)
    invocation = DbtInvocation("freshness", (node_by_id("source.shop.raw.late"),))
    gate = OddBench(odd).task_of("gate", invocation, DbtFreshnessSensor, poke_interval=1, timeout=1)
    with pytest.raises(freshness.SourceNotFreshError, match="ran into the time limit"):
        gate.run()
    assert odd.aborted == [body["task_id"] for body in odd.started]


def test_names_differ_by_everything_that_tells_tasks_apart() -> None:
    from dbt_af_k8s.dbt.api import InvocationName

    one = InvocationName("d", "t", "r", -1, "a")
    others = [InvocationName(*parts) for parts in [("d2", "t", "r", -1, "a"), ("d", "t2", "r", -1, "a")]]
    others += [InvocationName(*parts) for parts in [("d", "t", "r2", -1, "a"), ("d", "t", "r", 0, "a")]]
    others += [InvocationName("d", "t", "r", -1, "b")]
    names = [one.of_try(1), one.of_try(2), one.of_try(1, "look"), *(each.of_try(1) for each in others)]
    assert len(set(names)) == len(names)
    long = InvocationName("ä" * 300, "t" * 250, "manual__2026-01-01T00:00:00+00:00").of_try(1)
    assert len(long) < 200
    assert long.isascii()


@pytest.mark.dbt
@pytest.mark.slow
def test_sql_that_the_node_does_not_say_is_refused_and_said_so(dbt_api: Bench) -> None:
    """By an operator with options of its own: the project of the server knows nothing of them."""
    from dbt_af_k8s.airflow import DbtMaintenanceOperator

    options = (("force_predicate", "1 = 1"),)
    node = (selection("model.shop.moments"),)
    invocation = DbtInvocation("run-operation", node, operation="ttl", options=options)
    task = dbt_api.task_of("forced", invocation, DbtMaintenanceOperator, not_while=())
    with pytest.raises(DbtFailedError, match="`force_predicate` is SQL, and not what the `maintenance`"):
        task.run()


CONNECTIONS: list[tuple[dict[str, Any], str, Any]] = [
    ({"host": "https://a.b/c"}, "https://a.b/c", None),
    ({"host": "a.b", "schema": "https", "port": 8443}, "https://a.b:8443", None),
    ({"host": "http://a/path/", "port": 1, "login": "u", "password": "p"}, "http://a:1/path", ("u", "p")),
]


@pytest.mark.parametrize(("fields", "url", "auth"), CONNECTIONS)
def test_where_a_connection_leads(fields: dict[str, Any], url: str, auth: Any) -> None:
    from airflow.sdk import Connection

    from dbt_af_k8s.airflow.api.address import address_of

    found = address_of(Connection(conn_id="c", conn_type="http", **fields))
    assert (found.url, found.auth) == (url, auth)
    assert "auth" not in repr(found)


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "Https", "hTTpS"])
def test_the_case_of_the_scheme_turns_no_check_of_certificates_off(scheme: str) -> None:
    from airflow.sdk import Connection

    from dbt_af_k8s.airflow.api.address import address_of, client_arguments

    for fields in (
        {"host": f"{scheme}://a.b"},
        {"host": "a.b", "schema": scheme},
        {"host": f"{scheme}://a.b", "port": 1},
    ):
        found = address_of(Connection(conn_id="c", conn_type="http", **fields))
        assert client_arguments(found, 1.0)["verify"] is True, fields
        assert found.url.startswith("https://a.b")
        assert not found.is_overheard
    plain = address_of(Connection(conn_id="c", conn_type="http", host="HTTP://a.b", password="t"))
    assert (plain.url, plain.is_overheard) == ("http://a.b", True)


def test_a_connection_that_is_missing_is_told_and_not_tried_again(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(f"AIRFLOW_CONN_{CONNECTION.upper()}")
    with pytest.raises(DbtFailedError, match=f"no Airflow connection `{CONNECTION}`.*type HTTP"):
        task.run()


@pytest.mark.parametrize(
    ("fields", "is_overheard"),
    [
        ({"host": "dbt.example.com", "password": "t"}, True),
        ({"host": "http://dbt.example.com", "login": "u", "password": "p"}, True),
        ({"host": "https://dbt.example.com", "password": "t"}, False),
        ({"host": "dbt.example.com"}, False),
        # Within a machine and a cluster.
        ({"host": "localhost", "password": "t"}, False),
        ({"host": "127.0.0.1", "password": "t"}, False),
        ({"host": "dbt-server.data.svc.cluster.local", "password": "t"}, False),
        ({"host": "dbt-server.data.svc", "password": "t"}, False),
    ],
)
def test_credentials_in_clear_are_noticed(fields: dict[str, Any], is_overheard: bool) -> None:
    from airflow.sdk import Connection

    from dbt_af_k8s.airflow.api.address import address_of

    assert address_of(Connection(conn_id="c", conn_type="http", **fields)).is_overheard is is_overheard
