"""A small HTTP server that answers as Airflow's REST API is documented to: for errors that a real one gives rarely."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, Any]
FORM = {"start_dttm": {}, "end_dttm": {}, "models": {}, "vars": {}, "full_refresh": {}, "with_tests": {}}


@dataclass
class AirflowState:
    """What the server holds, and what it was asked."""

    url: str = ""
    users: dict[str, str] = field(default_factory=lambda: {"admin": "secret"})
    tokens: set[str] = field(default_factory=lambda: {"fixed"})
    #: DAGs by id: what `/details` says.
    dags: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"finance__backfill": {"is_paused": False, "params": FORM}}
    )
    #: Runs by id.
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    pools: dict[str, int] = field(default_factory=lambda: {"default_pool": 128})
    connections: dict[str, str] = field(default_factory=dict)
    providers: dict[str, str] = field(default_factory=lambda: {"apache-airflow-providers-cncf-kubernetes": "10.25.0"})
    version: str = "3.3.2"
    health: dict[str, Any] = field(
        default_factory=lambda: {
            name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")
        }
    )
    #: Answers that come before the real ones, one for each call, whatever it is; None breaks the connection.
    faults: list[Answer | None] = field(default_factory=list)
    #: Called with method and path when an answer is made and not yet sent: whoever waits for it finds this done.
    after: Callable[[str, str], None] = lambda *_: None
    #: States that a run goes through, one for each look at it.
    course: Callable[[str], list[str]] = lambda _: ["running", "success"]
    asked: list[tuple[str, str]] = field(default_factory=list)
    most_active: int = 0

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any, token: str) -> Answer:
        if path == "/auth/token":
            return self._token(method, body)
        if path == "/api/v2/version":
            return 200, {"version": self.version, "git_version": None}
        if path == "/api/v2/monitor/health":
            return 200, self.health
        if token not in self.tokens:
            return 401, {"detail": "Invalid JWT token"}
        for pattern, handler in self._routes().items():
            if found := re.fullmatch(pattern, f"{method} {path}"):
                return handler(*map(unquote, found.groups()), query=query, body=body)
        return 404, {"detail": "Not Found"}

    def _token(self, method: str, body: Any) -> Answer:
        if method == "POST" and self.users.get(body["username"]) == body["password"]:
            token = f"token-{len(self.tokens)}"
            self.tokens.add(token)
            return 201, {"access_token": token}
        return (401 if method == "POST" else 403), {"detail": "Invalid credentials"}

    def _routes(self) -> dict[str, Callable[..., Answer]]:
        run = r"/api/v2/dags/([^/]+)/dagRuns/([^/]+)"
        return {
            r"GET /api/v2/dags": lambda **kw: self._page("dags", [{"dag_id": dag} for dag in self.dags], kw["query"]),
            r"GET /api/v2/dags/([^/]+)/details": self._details,
            r"GET /api/v2/dags/([^/]+)/dagRuns": self._runs,
            r"POST /api/v2/dags/([^/]+)/dagRuns": self._trigger,
            f"GET {run}": self._run,
            f"POST {run}/clear": self._clear,
            f"GET {run}/taskInstances": self._tasks,
            r"GET /api/v2/pools": lambda **kw: self._page(
                "pools", [{"name": name, "slots": slots} for name, slots in self.pools.items()], kw["query"]
            ),
            r"GET /api/v2/providers": lambda **kw: self._page(
                "providers", [{"package_name": n, "version": v} for n, v in self.providers.items()], kw["query"]
            ),
            r"GET /api/v2/connections/([^/]+)": lambda name, **_: (
                (200, {"connection_id": name, "conn_type": self.connections[name]})
                if name in self.connections
                else (404, {"detail": "not found"})
            ),
        }

    def _page(self, key: str, items: list[Any], query: dict[str, list[str]]) -> Answer:
        offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["50"])[0])
        return 200, {key: items[offset : offset + limit], "total_entries": len(items)}

    def _details(self, dag_id: str, **_: Any) -> Answer:
        return (200, self.dags[dag_id]) if dag_id in self.dags else (404, {"detail": "Dag was not found"})

    def _runs(self, dag_id: str, *, query: dict[str, list[str]], **_: Any) -> Answer:
        pattern = query["run_id_pattern"][0].removesuffix("%")
        return self._page("dag_runs", [run for key, run in self.runs.items() if key.startswith(pattern)], query)

    def _trigger(self, dag_id: str, *, body: Any, **_: Any) -> Answer:
        if set(body) - {"dag_run_id", "logical_date", "conf", "note"}:
            return 422, {"detail": [{"type": "extra_forbidden"}]}
        run_id = body["dag_run_id"]
        if run_id in self.runs:
            return 409, {"detail": {"reason": "Unique constraint violation"}}
        course = ["queued", *self.course(run_id)]
        self.runs[run_id] = {"dag_run_id": run_id, "state": course[0], "course": course[1:], **body}
        active = sum(run["state"] in ("queued", "running") for run in self.runs.values())
        self.most_active = max(self.most_active, active)
        return 200, self.runs[run_id]

    def _run(self, dag_id: str, run_id: str, **_: Any) -> Answer:
        if run_id not in self.runs:
            return 404, {"detail": "The DagRun was not found"}
        run = self.runs[run_id]
        if run["course"]:
            run["state"] = run["course"].pop(0)
        return 200, run

    def _clear(self, dag_id: str, run_id: str, *, body: Any, **_: Any) -> Answer:
        assert body == {"dry_run": False, "only_failed": True}
        self.runs[run_id] |= {"state": "queued", "course": ["running", "success"]}
        return 200, self.runs[run_id]

    def _tasks(self, dag_id: str, run_id: str, *, query: dict[str, list[str]], **_: Any) -> Answer:
        assert query["state"] == ["failed"]
        return self._page("task_instances", [{"task_id": "revenue", "state": "failed"}], query)


@contextmanager
def airflow_server() -> Iterator[AirflowState]:
    """A server on a free port of this machine, as long as the block lasts."""
    state = AirflowState()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            state.asked.append((self.command, parts.path))
            fault = state.faults.pop(0) if state.faults else (0, None)
            if fault is None:
                self.close_connection = True
                return
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, found = (
                fault if fault[0] else state.answer(self.command, parts.path, parse_qs(parts.query), body, token)
            )
            data = found.encode() if isinstance(found, str) else json.dumps(found).encode()
            state.after(self.command, parts.path)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _do  # noqa: N815 - the names that the server looks for

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
