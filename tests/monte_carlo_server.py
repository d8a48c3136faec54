"""A local HTTP server that answers what `airflow-mcd` and `pycarlo` ask Monte Carlo when they send dbt artefacts or
tell of tasks: the GraphQL API, the uploads, and the gateway of callbacks."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAREHOUSE = "11111111-1111-1111-1111-111111111111"


@dataclass
class MonteCarlo:
    """What the server knows and was told."""

    port: int = 0
    warehouses: dict[str, str] = field(default_factory=lambda: {"shop": WAREHOUSE})
    #: Status of the next answers to GraphQL; 200 answers.
    status: int = 200
    uploads: dict[str, Any] = field(default_factory=dict)
    #: Variables of each `sendDbtArtifactsEvent`.
    events: list[dict[str, Any]] = field(default_factory=list)
    #: Bodies at the gateway of callbacks.
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def monte_carlo_server() -> Iterator[MonteCarlo]:
    """Serve until the block ends."""
    held = MonteCarlo()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"held": held}))
    held.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    held: MonteCarlo

    def do_POST(self) -> None:
        body = json.loads(self._body())
        self.held.keys.add(str(self.headers.get("x-mcd-id")))
        if self.path == "/airflow/callbacks":
            self.held.callbacks.append(body)
            self._send(200, {"success": True})
        else:
            self._send(self.held.status, {"data": self._graphql(body["query"], body.get("variables") or {})})

    def do_PUT(self) -> None:
        self.held.uploads[self.path.rsplit("/", 1)[-1]] = json.loads(self._body())
        self._send(200, {})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "getPiiFilteringPreferences" in query:
            return {"getPiiFilteringPreferences": {"enabled": False, "failMode": "OPEN"}}
        if "getDbtUploadUrl" in query:
            return {"getDbtUploadUrl": f"{self.held.url}/upload/{variables['fileName']}"}
        if "sendDbtArtifactsEvent" in query:
            self.held.events.append(variables)
            return {"sendDbtArtifactsEvent": {"ok": True}}
        assert "warehouses" in query, query
        found = [{"uuid": key, "name": name, "connectionType": "DUCKDB"} for name, key in self.held.warehouses.items()]
        return {"getUser": {"account": {"warehouses": found}}}

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
