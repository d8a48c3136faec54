"""A small server with the API of dbt's own that does odd things on order: what a real one does only now and then."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def event(name: str, level: str = "info", **data: Any) -> str:
    """A line of dbt's JSON log."""
    message = data.pop("msg", name)
    return json.dumps({"data": data, "info": {"name": name, "level": level, "msg": message, "ts": data.get("ts", "")}})


def finished(unique_id: str, status: str = "success", **row: Any) -> str:
    """dbt's own result of one node."""
    node = {"unique_id": unique_id, "node_status": status, "resource_type": unique_id.partition(".")[0]}
    result = {"status": status, "message": "SELECT 3", "execution_time": 1.5, "num_failures": 0}
    result["adapter_response"] = {"rows_affected": 3.0}
    return event("NodeFinished", "debug", node_info=node, run_result={**result, **row})


GOOD_LOG = f"{event('StartLine', msg='1 of 1 START')}\n{finished('model.shop.orders')}\n"


@dataclass
class OddServer:
    """What it knows, what it was asked, and what it does wrong."""

    #: task_id -> answer to GET.
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Bodies of the POSTs that started something, and names that were aborted.
    started: list[dict[str, Any]] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    #: The next answers, in place of the real ones: a status, or None for a connection that is dropped.
    faults: list[int | None] = field(default_factory=list)
    #: A POST that works, and whose answer is lost.
    loses_answers: bool = False
    #: Seconds that a POST takes: such servers answer when the work is done.
    blocks: float = 0.0
    #: States of an invocation, one per look; the last one stays.
    states: tuple[str, ...] = ("STARTED", "SUCCESS")
    log: str = GOOD_LOG
    reason: tuple[str, str] = ("", "")
    #: Whether what is not known is answered with 404.
    has_404: bool = False
    only_old_abort: bool = False
    #: Files of dbt's that it keeps of each invocation; None: it keeps none, and has no address for them.
    artifacts: dict[str, bytes] | None = None
    #: Statuses of the next answers about them.
    artifact_faults: list[int] = field(default_factory=list)
    port: int = 0

    def put(self, name: str, state: str, log: str = GOOD_LOG) -> None:
        """An invocation that is there already."""
        self.known[name] = {"states": [state], "log": log}

    def look(self, name: str) -> dict[str, Any] | None:
        found = self.known.get(name)
        if found is None:
            return None if self.has_404 else {"task_id": name, "state": "NOT_FOUND"}
        state = found["states"].pop(0) if len(found["states"]) > 1 else found["states"][0]
        bad = state in ("FAILURE", "INTERNAL_ERROR", "ABORTED")
        reason = self.reason if bad else (None, None)
        return {
            "task_id": name,
            "state": state,
            "exc_type": reason[0],
            "exc_message": reason[1],
            "log_content": found["log"],
        }


def _handler(odd: OddServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            if self._is_faulty():
                return
            odd.headers.append(dict(self.headers))
            if self.path.startswith("/runs/"):
                self._artifact(self.path.partition("/artifacts")[2].strip("/"))
                return
            answer = odd.look(self.path.partition("?")[0].rsplit("/", 1)[1])
            self._answer(404 if answer is None else 200, answer or {"detail": "no such thing"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
            if self._is_faulty():
                return
            if self.path.endswith("/abort"):
                self._abort()
                return
            name = body["task_id"]
            if name in odd.known:
                self._answer(409, {"message": "there already"})
                return
            odd.started.append(body)
            odd.known[name] = {"states": list(odd.states), "log": odd.log}
            time.sleep(odd.blocks)
            if odd.loses_answers:
                self.connection.close()
                return
            self._answer(202, {"task_id": name, "log_path": "/x"})

        def _artifact(self, file: str) -> None:
            if odd.artifact_faults:
                self._answer(odd.artifact_faults.pop(0), {"message": "later"})
            elif odd.artifacts is None or (file and file not in odd.artifacts):
                self._answer(404, {"detail": "no such thing"})
            elif file:
                self._answer(200, json.loads(odd.artifacts[file]))
            else:
                self._answer(200, {"artifacts": [{"name": name} for name in odd.artifacts]})

        def _abort(self) -> None:
            if odd.only_old_abort and self.path.startswith("/invocations/"):
                self._answer(404, {})
                return
            name = self.path.split("/")[2]
            odd.aborted.append(name)
            if name in odd.known:
                odd.known[name]["states"] = ["ABORTED"]
            self._answer(200, {"task_id": name, "state": "ABORTED"})

        def _is_faulty(self) -> bool:
            if not odd.faults:
                return False
            status = odd.faults.pop(0)
            if status is None:
                self.connection.close()
            else:
                self._answer(status, {"message": f"fault {status}"})
            return True

        def _answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                return

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or a connection that was dropped on order, is nothing to tell."""


@contextmanager
def odd_server() -> Iterator[OddServer]:
    """A server until the end of the block."""
    odd = OddServer()
    server = _Server(("127.0.0.1", 0), _handler(odd))
    odd.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield odd
    finally:
        server.shutdown()
        server.server_close()
