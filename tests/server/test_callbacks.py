"""Calls to clients: where they may go, and that they are tried again."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.server.callbacks import CallbackSender, addresses_of, callback_problem, send
from dbt_af_k8s.server.database import SqliteDatabase
from dbt_af_k8s.server.metrics import Metrics
from dbt_af_k8s.server.settings import CallbackSection
from dbt_af_k8s.server.store import Store
from dbt_af_k8s.server.values import Ending, Request

ALLOWED = CallbackSection(hosts=("hooks.example.com", "other.example.com:8443"))


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/a?b=c", "https://HOOKS.example.com:443/", "https://other.example.com:8443/x"]
)
def test_allowed_addresses(url: str) -> None:
    assert callback_problem(url, ALLOWED) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com.evil.org/",
        "https://evil.org/?hooks.example.com",
        "https://hooks.example.com@evil.org/",
        "https://me:pw@hooks.example.com/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "file:///etc/passwd",
        "ftp://hooks.example.com/",
        "https:///x",
        "//hooks.example.com/",
        "hooks.example.com",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nX: y",
        "https://hööks.example.com/",
        "https://hooks.example.com/" + "x" * 3000,
        "",
    ],
)
def test_refused_addresses(url: str) -> None:
    assert callback_problem(url, ALLOWED)
    assert callback_problem(url, CallbackSection())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "[2002:7f00:1::]",
        "localhost",
    ],
)
def test_addresses_that_are_not_public_are_not_called(host: str) -> None:
    with pytest.raises(OSError, match=r"not public|Address family|Name or service"):
        addresses_of(urlsplit(f"https://{host}/"), private=False)


def test_public_and_allowed_private_addresses_are_called() -> None:
    assert addresses_of(urlsplit("https://8.8.8.8/"), private=False) == [("8.8.8.8", 443)]
    assert addresses_of(urlsplit("http://127.0.0.1:81/"), private=True) == [("127.0.0.1", 81)]


class _Client(ThreadingHTTPServer):
    """A client that is called back; answers with the statuses given, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        self.statuses: list[int] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Client

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.server.got.append({**body, "answered": status, "path": self.path})
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def client() -> Iterator[_Client]:
    with _Client() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_redirects_are_not_followed(client: _Client) -> None:
    client.statuses = [302]
    url = f"http://127.0.0.1:{client.server_port}/hook?x=1"
    assert send(url, {"task_id": "a"}, private=True) == 302
    assert [call["path"] for call in client.got] == ["/hook?x=1"]
    with pytest.raises(OSError, match="not public"):
        send(url, {"task_id": "a"}, private=False)


def test_the_states_come_in_order_and_again_until_they_are_taken(client: _Client, tmp_path: Path) -> None:
    host = f"127.0.0.1:{client.server_port}"
    database = SqliteDatabase(tmp_path / "state.sqlite")
    store = Store(database)
    store.submit(Request("t", "shop", ("run",), f"http://{host}/done", "me"), 10)
    store.submit(Request("quiet", "shop", ("run",), None, "me"), 10)
    client.statuses = [500]
    for name in ("t", "quiet"):
        store.claim("me", 30)
        store.finish(name, "me", Ending(State.SUCCESS, exit_code=0))
    settings = CallbackSection(hosts=(host,), private=True, insecure=True)
    metrics = Metrics()
    sender = CallbackSender(database, settings, metrics)
    sender.start()
    deadline = time.monotonic() + 30
    while len(client.got) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    sender.close()
    calls = [(call["task_id"], call["status"], call["state"], call["answered"]) for call in client.got]
    assert calls == [
        ("t", "STARTED", "STARTED", 500),
        ("t", "STARTED", "STARTED", 200),
        ("t", "SUCCESS", "SUCCESS", 200),
    ]
    with database.transaction() as cursor:
        assert cursor.run("SELECT count(*) FROM callback") == [(0,)]
    database.close()


def test_a_call_is_given_up_in_the_end(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        database = SqliteDatabase(tmp_path / "state.sqlite")
        store = Store(database)
        store.submit(Request("t", "shop", ("run",), f"http://{host}/done", "me"), 10)
        store.claim("me", 30)
        metrics = Metrics()
        settings = CallbackSection(hosts=(host,), private=True, insecure=True, tries=1)
        sender = CallbackSender(database, settings, metrics)
        sender.start()
        deadline = time.monotonic() + 30
        while "given_up" not in metrics.text({}, 0, 1, {}) and time.monotonic() < deadline:
            time.sleep(0.05)
        sender.close()
        with database.transaction() as cursor:
            assert cursor.run("SELECT count(*) FROM callback") == [(0,)]
        database.close()
