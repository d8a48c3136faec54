"""Calls to clients: where they may go, and that they are tried again."""

import contextlib
import ipaddress
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
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.server import callbacks
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
        "[2002:808:808::]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a00:1]",
        "[fec0::1]",
        "[::127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[2001::7f00:1]",
        "[2001:db8::1]",
        "[ff0e::1]",
        "[::]",
        "192.88.99.1",
        "198.18.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "localhost",
    ],
)
def test_addresses_that_are_not_public_are_not_called(host: str) -> None:
    with pytest.raises(OSError, match=r"not public|Address family|Name or service"):
        addresses_of(urlsplit(f"https://{host}/"), private=False)


@given(st.binary(min_size=4, max_size=4), st.sampled_from(["::ffff:0:0/96", "64:ff9b::/96", "::/96", "2002::/16"]))
def test_an_address_within_another_is_judged_by_what_it_leads_to(inner: bytes, prefix: str) -> None:
    """No way of writing an IPv4 address as an IPv6 one makes it public that is not."""
    network = ipaddress.IPv6Network(prefix)
    shift = 0 if network.prefixlen == 96 else 80
    outer = ipaddress.IPv6Address(int(network.network_address) | int.from_bytes(inner) << shift)
    assert callbacks._is_public(str(outer)) <= callbacks._is_public(str(ipaddress.IPv4Address(inner)))


def test_public_and_allowed_private_addresses_are_called() -> None:
    assert addresses_of(urlsplit("https://8.8.8.8/"), private=False) == [("8.8.8.8", 443)]
    assert addresses_of(urlsplit("https://[2606:4700::1111]/"), private=False) == [("2606:4700::1111", 443)]
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


@contextlib.contextmanager
def dripping() -> Iterator[int]:
    """A client that answers a letter at a time and never ends; its port."""
    is_over = threading.Event()
    threads = []

    def drip(connected: socket.socket) -> None:
        with connected, contextlib.suppress(OSError):
            connected.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not is_over.wait(0.05):
                connected.sendall(b"x")

    def serve(listening: socket.socket) -> None:
        while True:
            connected, _ = listening.accept()
            if is_over.is_set():
                connected.close()
                return
            threads.append(threading.Thread(target=drip, args=(connected,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        yield port
        is_over.set()
        socket.create_connection(("127.0.0.1", port)).close()
        for thread in (serving, *threads):
            thread.join()


def test_a_try_has_a_limit_as_a_whole() -> None:
    with dripping() as port:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            send(f"http://127.0.0.1:{port}/", {}, private=True, seconds=0.5)
        assert time.monotonic() - began < 10


def test_all_addresses_are_tried(client: _Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = [unused.getsockname(), ("127.0.0.1", client.server_port)]
        monkeypatch.setattr(callbacks, "addresses_of", lambda *_, **__: found)
        assert send("http://hooks.example.com/both", {"task_id": "a"}, private=True) == 200
        monkeypatch.setattr(callbacks, "addresses_of", lambda *_, **__: found[:1])
        with pytest.raises(ConnectionError):
            send("http://hooks.example.com/one", {"task_id": "a"}, private=True)
    assert [call["path"] for call in client.got] == ["/both"]


def test_a_slow_host_holds_no_other_up(client: _Client, tmp_path: Path) -> None:
    """Twenty calls to a host that never ends its answer, and then one to another: it comes at once."""
    at_once: list[str] = []
    most = 0
    with dripping() as port:
        slow, good = f"127.0.0.1:{port}", f"127.0.0.1:{client.server_port}"
        database = SqliteDatabase(tmp_path / "state.sqlite")
        store = Store(database)
        urls = [f"http://{slow}{path}" for path in ("", "/", "?a", "/b") for _ in range(5)]
        for number, url in enumerate((*urls, f"http://{good}/done")):
            store.submit(Request(f"t{number}", "shop", ("run",), url, "me"), 100)
            store.claim("me", 30)

        def post(url: str, body: dict[str, Any], *, private: bool) -> int:
            nonlocal most
            at_once.append(url)
            most = max(most, sum(slow in each for each in at_once))
            try:
                return send(url, body, private=private, seconds=2)
            finally:
                at_once.remove(url)

        settings = CallbackSection(hosts=(slow, good), private=True, insecure=True)
        sender = CallbackSender(database, settings, Metrics(), post)
        sender.start()
        deadline = time.monotonic() + 30
        while not client.got and time.monotonic() < deadline:
            time.sleep(0.02)
        # The slow host is called once at a time, whatever its addresses look like.
        assert [call["path"] for call in client.got] == ["/done"]
        assert most == 1
        sender.close()
        database.close()


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
