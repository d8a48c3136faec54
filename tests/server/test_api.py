"""The API over a real server process, real dbt and a real PostgreSQL."""

import base64
import contextlib
import http.client
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from desk import TOKENS, term
from server_process import ServerProcess

pytestmark = [pytest.mark.dbt, pytest.mark.slow]


def log_of(server: ServerProcess, task_id: str, size: int = 1_000_000) -> str:
    """The whole log, part by part, as a client that follows it reads it."""
    text, offset = "", 0
    while True:
        part = server.get(f"/runs/{task_id}/logs?offset={offset}&size={size}").json
        assert part["offset"] == offset
        text, offset = text + part["content"], part["next_offset"]
        if part["is_end"]:
            return text


def test_a_model_runs_from_its_slice_and_leaves_its_results(server: ServerProcess) -> None:
    accepted = server.invoke("slice-1", "run", "--select", term("counted"), "--vars", '{"id": "s1"}')
    assert accepted.status == 202
    assert accepted.json == {"task_id": "slice-1", "log_path": "/runs/slice-1/logs"}
    run = server.ended("slice-1")
    assert (run["state"], run["exit_code"], run["start"], run["client"]) == ("SUCCESS", 0, "slice", "adminer")
    got = server.get("/invocations/slice-1").json
    assert {key: got[key] for key in got if key != "log_content"} == {
        "task_id": "slice-1",
        "state": "SUCCESS",
        "exc_type": None,
        "exc_message": None,
    }
    events = [json.loads(line)["info"]["name"] for line in got["log_content"].splitlines()]
    assert "LogModelResult" in events
    assert log_of(server, "slice-1", 2000) == got["log_content"]
    assert [each["name"] for each in server.get("/runs/slice-1/artifacts").json["artifacts"]] == ["run_results.json"]
    results = server.get("/runs/slice-1/artifacts/run_results.json").json["results"]
    assert [(row["unique_id"], row["status"]) for row in results] == [("model.desk.counted", "success")]


def test_any_selection_starts_from_the_saved_parse(server: ServerProcess) -> None:
    server.invoke("parse-1", "--log-format", "json", "run", "--exclude", "broken", "sleeper")
    run = server.ended("parse-1")
    assert (run["state"], run["start"]) == ("SUCCESS", "parse"), run
    messages = [json.loads(line)["info"]["msg"] for line in log_of(server, "parse-1", 300).splitlines()]
    assert "Größe 😀" in messages
    results, manifest = (
        server.get(f"/runs/parse-1/artifacts/{name}.json").json["metadata"] for name in ("run_results", "manifest")
    )
    assert results["invocation_id"] == manifest["invocation_id"]


def test_vars_that_a_slice_cannot_take_mean_a_parse_of_their_own(server: ServerProcess) -> None:
    server.invoke("import-1", "test", "--select", "never", "--vars", "{fails: 'true'}")
    run = server.ended("import-1")
    assert (run["state"], run["start"], run["exc_type"]) == ("FAILURE", "import", "NodeFailure")
    assert "Got 1 result" in run["exc_message"]


def test_a_failure_says_what_dbt_says(server: ServerProcess) -> None:
    server.invoke("broken", "run", "--select", term("broken"))
    got = server.wait("broken", "FAILURE")
    assert (got["exit_code"], got["exc_type"]) == (1, "NodeFailure")
    assert 'relation "nowhere" does not exist' in got["exc_message"]
    server.invoke("usage", "run", "--selector", "there_is_none")
    got = server.ended("usage")
    assert (got["state"], got["exit_code"], got["exc_type"]) == ("FAILURE", 2, "DbtError")
    assert "there_is_none" in got["exc_message"]


def test_the_same_request_twice_is_one_invocation(server: ServerProcess) -> None:
    command = ("run", "--select", term("counted"), "--vars", '{"id": "twice"}')
    first, second = server.invoke("twice", *command), server.invoke("twice", *command)
    assert (first.status, first.json) == (second.status, second.json)
    other = server.invoke("twice", "run", "--select", term("counted"))
    assert other.status == 409
    assert server.ended("twice")["state"] == "SUCCESS"
    assert server.invoke("twice", *command).json == first.json
    counts = [run["id"] for run in server.get("/runs?limit=1000").json["runs"]].count("twice")
    assert counts == 1


def test_what_is_not_there(server: ServerProcess) -> None:
    none = server.get("/invocations/none")
    assert (none.status, none.json["state"]) == (200, "NOT_FOUND")
    assert server.post("/invocations/none/abort").json["state"] == "NOT_FOUND"
    for path in ("/runs/none", "/runs/none/logs", "/runs/none/artifacts", "/projects/none", "/nowhere"):
        answer = server.get(path)
        assert answer.status == 404, path
        assert set(answer.json) == {"status_code", "message", "problems"}


@pytest.mark.parametrize("path", ["/invocations/{}/abort", "/invocation/{}/abort"])
def test_abort_ends_what_runs(server: ServerProcess, path: str) -> None:
    name = f"abort-{path.count('s/')}"
    server.invoke(name, "run", "--select", term("sleeper"), "--vars", '{"seconds": 15}')
    server.wait(name, "STARTED")
    assert server.post(path.format(name)).status == 200
    run = server.ended(name)
    assert (run["state"], run["exc_type"]) == ("ABORTED", "Aborted")
    assert run["ended_at"] is not None


def test_the_server_s_limit_ends_what_runs_too_long(server: ServerProcess) -> None:
    server.invoke("long", "run", "--select", term("sleeper"), "--vars", '{"seconds": 60}')
    run = server.ended("long")
    assert (run["state"], run["exc_type"]) == ("FAILURE", "RuntimeLimit")


def test_of_a_large_log_the_beginning_and_the_end_are_kept(server: ServerProcess) -> None:
    server.invoke("shout", "run-operation", "shout", "--args", "{lines: 2000}")
    run = server.ended("shout")
    assert run["state"] == "SUCCESS", run
    text = log_of(server, "shout")
    assert 200_000 < len(text) <= 310_000
    assert " line 3" in text
    assert " line 1999" in text
    assert "bytes are left out" in text
    assert all(json.loads(line)["info"]["level"] for line in text.splitlines())
    tail = server.get("/invocations/shout?log_bytes=5000").json["log_content"]
    assert text.endswith(tail)
    assert 3000 < len(tail) <= 5000


def test_a_named_macro_is_that_of_the_root_project_and_no_other(server: ServerProcess) -> None:
    """The settings name `run_query`, which only dbt has: no client can call that."""
    server.invoke("global", "run-operation", "run_query", "--args", "{sql: select 1}")
    run = server.ended("global")
    assert (run["state"], run["exc_type"]) == ("FAILURE", "DbtError"), run
    assert "'desk.run_query'" in run["exc_message"] or "'run_query'" in run["exc_message"]


def test_maintenance_wants_our_package_as_the_server_has_it(server: ServerProcess) -> None:
    args = '{"model": "model.desk.counted"}'
    answer = server.invoke("upkeep", "run-operation", "dbt_af_k8s.vacuum", "--args", args)
    assert answer.status == 422
    assert "package install" in answer.json["message"]


def test_projects_and_models(server: ServerProcess, desk: Path) -> None:
    (project,) = server.get("/projects").json["projects"]
    assert (project["name"], project["is_warm"], project["problem"], project["models"]) == ("desk", True, None, 4)
    page = server.get("/projects/desk/models?limit=3").json
    rest = server.get(f"/projects/desk/models?limit=3&after={quote(page['next'])}").json
    names = [model["name"] for model in (*page["models"], *rest["models"])]
    assert names == ["broken", "counted", "grün", "sleeper"]
    assert rest["next"] is None
    model = server.get("/projects/desk/models/model.desk.counted").json
    assert model["materialized"] == "incremental"
    jinja = {"variables": {"id": ["{{ env_var('WAREHOUSE_PASSWORD') }}"]}}
    refused = server.post("/projects/desk/models/model.desk.counted/runs", jinja)
    assert refused.status == 422
    assert "Jinja" in refused.json["message"]
    body = {"task_id": "model-1", "variables": {"id": "m1"}}
    assert server.post("/projects/desk/models/model.desk.counted/runs", body).status == 202
    assert server.ended("model-1")["start"] == "slice"


def test_an_admin_registers_projects_below_the_roots_alone(server: ServerProcess, desk: Path, tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: x\n")
    assert server.post("/projects", {"name": "out", "project_dir": str(tmp_path)}).status == 422
    assert server.post("/projects", {"name": "desk", "project_dir": str(desk)}).status == 409
    assert server.ask("DELETE", "/projects/desk").status == 409
    made = server.post("/projects", {"name": "again", "project_dir": str(desk)})
    assert (made.status, made.json["is_fixed"]) == (201, False)
    # Two projects now: a request has to say which.
    assert server.invoke("which", "run").status == 422
    assert server.ask("DELETE", "/projects/again").status == 204
    assert server.get("/projects/again").status == 404


def test_deleting_a_run_leaves_its_state(server: ServerProcess) -> None:
    command = ("run", "--select", term("counted"), "--vars", '{"id": "gone"}')
    server.invoke("gone", *command)
    server.ended("gone")
    assert server.ask("DELETE", "/runs/gone").status == 204
    assert server.get("/runs/gone/artifacts").json == {"artifacts": []}
    assert server.get("/invocations/gone").json["state"] == "SUCCESS"
    assert server.invoke("gone", *command).status == 202
    assert server.get("/runs/gone").json["is_removed"] is True


def test_scopes(server: ServerProcess) -> None:
    asks: list[tuple[str, str, Any, str]] = [
        ("GET", "/invocations", None, "read"),
        ("GET", "/metrics", None, "read"),
        ("POST", "/invocations", {"command": ["nonsense"]}, "run"),
        ("POST", "/invocations/x/abort", None, "run"),
        ("DELETE", "/runs/none", None, "admin"),
        ("POST", "/projects", {"name": "x", "project_dir": "/"}, "admin"),
    ]
    order = ("read", "run", "admin")
    for method, path, body, needed in asks:
        for scope in order:
            answer = server.ask(method, path, body, Authorization=f"Bearer {TOKENS[scope]}")
            assert (answer.status == 403) == (order.index(scope) < order.index(needed)), (path, scope, answer)
        for header in ("", "Bearer", "Bearer wrong", "Basic !!!", f"Token {TOKENS['admin']}"):
            answer = server.ask(method, path, body, Authorization=header)
            assert answer.status == 401, header
            assert "Bearer" in answer.headers["WWW-Authenticate"]
    basic = base64.b64encode(f"admin:{TOKENS['admin']}".encode()).decode()
    assert server.get("/runs", Authorization=f"Basic {basic}").status == 401


def test_health_description_and_numbers(server: ServerProcess) -> None:
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert server.get(path, Authorization="none").status == 200, path
    page = server.get("/docs", Authorization="none")
    assert "POST /invocations" in page.text
    assert "<script" not in page.text
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    numbers = server.get("/metrics").text
    assert 'dbt_server_project_warm{project="desk"} 1' in numbers
    assert 'dbt_server_invocations{state="PENDING"}' in numbers
    assert 'dbt_server_requests_total{method="GET",route="/readyz",status="200"}' in numbers


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"command": []}, "empty"),
        ({"command": ["run", "--profiles-dir", "/etc"]}, "--profiles-dir is refused"),
        ({"command": ["run", "--project-dir", "/etc"]}, "names no project"),
        ({"command": ["run"], "project_dir": "/etc"}, "names no project"),
        ({"command": ["run"], "callback_url": "http://169.254.169.254/"}, "may not call"),
        ({"command": ["run"], "task_id": "a/b"}, "task_id"),
        ({"command": ["run"], "tusk": 1}, "tusk"),
        ({"command": "run"}, "command"),
    ],
)
def test_wrong_requests(server: ServerProcess, body: dict[str, Any], said: str) -> None:
    answer = server.post("/invocations", body)
    assert answer.status == 422
    assert said in answer.json["message"]


def test_a_request_that_is_too_large(server: ServerProcess) -> None:
    assert server.post("/invocations", {"command": ["run", "x" * 300_000]}).status == 413
    # In pieces, without a word about how much there will be.
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    pieces = (b"x" * 10_000 for _ in range(27))
    connection.request("POST", "/invocations", pieces, headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def warm_processes(server: ServerProcess) -> list[int]:
    """The server's children that have dbt imported."""
    tasks = Path(f"/proc/{server.process.pid}/task")
    children = {pid for path in tasks.glob("*/children") for pid in path.read_text().split()}
    found = []
    for pid in children:
        with contextlib.suppress(OSError):  # it may have ended since
            if b"warm.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the process in /proc")
def test_a_warm_process_that_is_lost_takes_its_invocation_with_it_and_comes_back(server: ServerProcess) -> None:
    server.invoke("lost", "run", "--select", term("sleeper"), "--vars", '{"seconds": 18}')
    server.wait("lost", "STARTED")
    server.invoke("next", "run", "--select", term("counted"), "--vars", '{"id": "next"}')
    server.ended("next")
    # That of the project which was registered and removed goes.
    deadline = time.monotonic() + 10
    while len(found := warm_processes(server)) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (warm,) = found
    # A process of several threads cannot be forked safely.
    assert len(list(Path(f"/proc/{warm}/task").iterdir())) == 1
    os.kill(warm, signal.SIGKILL)
    run = server.ended("lost")
    assert (run["state"], run["exc_type"]) == ("INTERNAL_ERROR", "WarmLost")
    server.invoke("after", "run", "--select", term("counted"), "--vars", '{"id": "after"}')
    assert server.ended("after")["state"] == "SUCCESS"
    deadline = time.monotonic() + 120
    while server.get("/projects/desk").json["problem"] is not None or not server.get("/projects/desk").json["is_warm"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_changed_project_is_parsed_by_the_invocation_until_the_server_has_parsed_it(
    server: ServerProcess, desk: Path
) -> None:
    (desk / "models" / "added.sql").write_text("{{ config(materialized='view') }} select 1 as a")
    server.invoke("changed-1", "run", "--exclude", "broken", "sleeper")
    run = server.ended("changed-1")
    assert (run["state"], run["start"]) == ("SUCCESS", "import")
    results = server.get("/runs/changed-1/artifacts/run_results.json").json["results"]
    assert "model.desk.added" in [row["unique_id"] for row in results]
    deadline = time.monotonic() + 120
    added = "/projects/desk/models/model.desk.added"
    while server.get(added).status != 200 or not server.get("/projects/desk").json["is_warm"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server.invoke("changed-2", "run", "--exclude", "broken", "sleeper")
    assert server.ended("changed-2")["start"] == "parse"


def test_no_secret_is_anywhere(server: ServerProcess) -> None:
    """After all the others: neither the warehouse's password nor a token nor a var is in the server's log."""
    text = server.log.read_text()
    assert "invocation ended" in text
    for secret in ("s3cret-pass", *TOKENS.values(), "hidden-value", '"seconds"'):
        assert secret not in text
    server.invoke("env", "compile", "--select", term("counted"))
    assert server.ended("env")["state"] == "SUCCESS"
    assert "s3cret-pass" not in log_of(server, "env")
