"""What somebody who is not known can do to the server: wrong passwords, and connections that send nothing.

All on loopback, bounded in number and time.
"""

import asyncio
import base64
import contextlib
import http.client
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from desk import TOKENS, tokens
from server_process import ServerProcess, serving

from dbt_af_k8s.server import app as server_app
from dbt_af_k8s.server.auth import Authenticator
from dbt_af_k8s.server.connections import Connection, Connections, Phase
from dbt_af_k8s.server.logins import Delays, Door, TooManyLoginsError, network_of
from dbt_af_k8s.server.secrets_hashed import password_hash
from dbt_af_k8s.server.settings import AuthSection

#: Starts a program that may have so many descriptors and no more.
FEW = "import os, resource, sys; n = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)); "
FEW += "os.execv(sys.argv[2], sys.argv[2:])"


#: Holds so many connections that send nothing or half a request, and opens those again that are closed, for a minute.
ATTACK = """
import resource, select, socket, sys, time
port, count = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
poll, held, until = select.poll(), {}, time.monotonic() + 120
def one(number):
    try:
        made = socket.create_connection(("127.0.0.1", port), timeout=1)
        made.sendall((b"", b"GET /runs HTTP/1.1\\r\\nHost: x\\r\\n", b"POST /invoc")[number % 3])
    except OSError:
        return
    held[made.fileno()] = made
    poll.register(made, select.POLLIN)
for number in range(count):
    one(number)
print(len(held), flush=True)
while time.monotonic() < until:
    for number, _ in poll.poll(100):
        poll.unregister(number)
        held.pop(number).close()
        one(number)
    while len(held) < count and time.monotonic() < until:
        before = len(held)
        one(len(held))
        if len(held) == before:
            break
"""


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@contextlib.contextmanager
def quick_server(folder: Path, *, descriptors: int | None = None, **settings: Any) -> Iterator[ServerProcess]:
    """A server whose dbt is a program that does nothing."""
    (folder / "dbt_project.yml").write_text("name: shop\n")
    (folder / "true").write_text("#!/bin/sh\necho '{}'\n")
    (folder / "true").chmod(0o755)
    shop = {"project_dir": str(folder), "executable": str(folder / "true"), "warm": False}
    auth = {**tokens(), "users": [{"name": "ann", "password": password_hash("right")}]}
    before = () if descriptors is None else (sys.executable, "-c", FEW, str(descriptors))
    written = {"projects": {"shop": shop}, "auth": auth, **settings}
    with serving(folder / "home", written, before=before) as server:
        server.token = TOKENS["admin"]
        yield server.ready()
        assert [line for line in server.logged() if "traceback" in line] == []


def memory(server: ServerProcess, which: str) -> float:
    """VmRSS or VmHWM, the most that there was, in MB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(which)).split()[1]) / 1024


# --- passwords


def test_without_users_nothing_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Authenticator(AuthSection.model_validate(tokens()), tmp_path, {})
    monkeypatch.setattr("dbt_af_k8s.server.auth.is_password", lambda *_: pytest.fail("a hash"))
    assert found.caller(basic("ann", "x")) is None
    assert not found.needs_hash(basic("ann", "x"))


def test_a_login_that_was_wrong_or_right_is_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = {"users": [{"name": "ann", "password": password_hash("right")}]}
    found = Authenticator(AuthSection.model_validate(users), tmp_path, {})
    logins = [("ann", "wrong"), ("bob", "right"), ("ann", "right")]
    first = [found.caller(basic(*login)) for login in logins]
    assert [None if caller is None else caller.name for caller in first] == [None, None, "ann"]
    monkeypatch.setattr("dbt_af_k8s.server.auth.is_password", lambda *_: pytest.fail("a hash"))
    assert [found.caller(basic(*login)) for login in logins] == first


def test_an_address_waits_longer_each_time_and_others_do_not() -> None:
    now = [100.0]
    delays = Delays(lambda: now[0])
    waits = []
    for _ in range(10):
        delays.failed("1.2.3.4")
        waits.append(delays.left("1.2.3.4"))
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert delays.left("1.2.3.5") == 0
    now[0] += 601
    delays.failed("1.2.3.4")
    assert delays.left("1.2.3.4") == 0.5
    delays.succeeded("1.2.3.4")
    assert delays.left("1.2.3.4") == 0
    for number in range(20_000):
        delays.failed(str(number))
    assert len(delays._wrong) == 10_000


def test_what_counts_as_one_address() -> None:
    assert network_of("1.2.3.4") == network_of("::ffff:1.2.3.4") == "1.2.3.4"
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("somewhere") == "somewhere"


def test_few_passwords_are_looked_at_at_once_whatever_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty from forty addresses: no delay holds them back, so only the number does."""
    users = {"users": [{"name": "ann", "password": password_hash("right")}]}
    authenticator = Authenticator(AuthSection.model_validate(users), tmp_path, {})
    at_once, most, lock = 0, 0, threading.Lock()
    turn = threading.Event()

    def hashed(*_: Any) -> bool:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        turn.wait(10)
        with lock:
            at_once -= 1
        return False

    monkeypatch.setattr("dbt_af_k8s.server.auth.is_password", hashed)

    async def forty() -> list[Any]:
        door = Door(authenticator)
        tries = [asyncio.create_task(door.caller(basic("ann", f"no {n}"), f"10.0.0.{n}")) for n in range(40)]
        while sum(each.done() for each in tries) < 32:
            await asyncio.sleep(0.01)
        # A token is known meanwhile.
        assert await asyncio.wait_for(door.caller("Bearer nothing", "10.0.0.1"), 10) is None
        turn.set()
        return await asyncio.gather(*tries, return_exceptions=True)

    found = asyncio.run(forty())
    assert most <= 2
    assert sum(isinstance(each, TooManyLoginsError) for each in found) == 32
    assert sum(each is None for each in found) == 8


@pytest.mark.slow
def test_forty_wrong_logins_at_once(tmp_path: Path) -> None:
    """From one address, which would cost 1.2 GB and hold up health for half a minute."""
    with quick_server(tmp_path) as server:
        assert server.get("/runs", Authorization=basic("ann", "right")).status == 200
        before = memory(server, "VmRSS")
        slowest, is_over = 0.0, threading.Event()

        def watch() -> None:
            nonlocal slowest
            while not is_over.is_set():
                began = time.monotonic()
                assert server.get("/healthz", Authorization="").status == 200
                assert server.get("/readyz", Authorization="").status == 200
                slowest = max(slowest, time.monotonic() - began)

        watching = threading.Thread(target=watch)
        watching.start()
        with ThreadPoolExecutor(40) as strangers:
            answers = list(
                strangers.map(lambda n: server.get("/runs", Authorization=basic("ann", f"wrong {n}")), range(40))
            )
        is_over.set()
        watching.join()
        assert {answer.status for answer in answers} <= {401, 429}
        assert sum(answer.status == 401 for answer in answers) <= 4
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.status == 429)
        assert memory(server, "VmHWM") - before < 200
        assert slowest < 2
        # Who is known, and what was right a moment ago, is let in meanwhile.
        assert server.get("/runs").status == 200
        assert server.get("/runs", Authorization=basic("ann", "right")).status == 200
        assert server.post("/nowhere", Authorization="").status == 401


def test_a_database_that_hangs_holds_no_probe_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many probes wait for one look, which has a limit; the next look begins when that has ended."""
    go_on, looks = threading.Event(), []

    def look(_: Any) -> None:
        looks.append(1)
        go_on.wait(30)

    monkeypatch.setattr(server_app, "_why_not_ready", look)
    monkeypatch.setattr(server_app, "_READY_SECONDS", 0.05)

    async def probes() -> list[str | None]:
        probe = server_app._Probe(None)  # type: ignore[arg-type]
        found = list(await asyncio.gather(*(probe.status() for _ in range(50))))
        go_on.set()
        while not (probe._look is not None and probe._look.done()):
            await asyncio.sleep(0.01)
        monkeypatch.setattr(server_app, "_READY_SECONDS", 30)
        return [*found, await probe.status()]

    assert asyncio.run(probes()) == ["the database does not answer"] * 50 + [None]
    assert len(looks) == 2


# --- connections


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@contextlib.contextmanager
def sockets(connections: Connections, count: int, address: str = "10.0.0.1") -> Iterator[list[Connection]]:
    """So many connections, a second apart."""
    pairs = [socket.socketpair() for _ in range(count)]
    try:
        for ours, _ in pairs:
            assert connections.accepted(ours, address)
            connections._clock.now += 1  # type: ignore[attr-defined]
            for _ in range(5):
                connections._next_turn()
        yield [connections._all[ours.fileno()] for ours, _ in pairs if ours.fileno() in connections._all]
    finally:
        for pair in pairs:
            for each in pair:
                each.close()


def test_what_has_kept_us_waiting_longest_gives_way() -> None:
    clock = Clock()
    connections = Connections(4, clock)
    with sockets(connections, 4) as found:
        first, second, third, fourth = found
        connections.now(first, Phase.ANSWER)
        connections.now(second, Phase.IDLE)
        clock.now += 5
        # A head that does not come, then one that came and is idle; what is answered stays.
        with sockets(connections, 1):
            assert [each.phase for each in found] == [Phase.ANSWER, Phase.IDLE, Phase.GONE, Phase.HEAD]
            assert len(connections) == 4
            connections.now(fourth, Phase.ANSWER)
    assert third.phase is Phase.GONE


def test_an_address_that_holds_most_gives_way_first() -> None:
    connections = Connections(6, Clock())
    with (
        sockets(connections, 2, "10.0.0.2") as few,
        sockets(connections, 4) as many,
        sockets(connections, 2, "10.0.0.3"),
    ):
        assert [each.phase for each in few] == [Phase.HEAD, Phase.HEAD]
        assert [each.phase for each in many] == [Phase.GONE, Phase.GONE, Phase.HEAD, Phase.HEAD]


def test_where_all_are_answered_a_new_one_is_refused() -> None:
    connections = Connections(2, Clock())
    with sockets(connections, 2) as found, contextlib.ExitStack() as more:
        for each in found:
            connections.now(each, Phase.ANSWER)
        ours, theirs = socket.socketpair()
        more.callback(ours.close)
        more.callback(theirs.close)
        assert not connections.accepted(ours, "10.0.0.1")
        assert len(connections) == 2


@pytest.mark.parametrize(("phase", "seconds"), [(Phase.HEAD, 10), (Phase.BODY, 30), (Phase.IDLE, 30)])
def test_everything_but_the_answer_has_a_limit(phase: Phase, seconds: float) -> None:
    clock = Clock()
    connections = Connections(9, clock)
    with sockets(connections, 2) as (watched, answered):
        connections.now(answered, Phase.ANSWER)
        connections.now(watched, Phase.IDLE)
        connections.now(watched, phase)
        begun = clock.now
        for later in (seconds, seconds + 0.5):
            clock.now = begun + later
            connections.sweep()
            assert (watched.phase is Phase.GONE) == (later > seconds)
        clock.now += 10_000
        connections.sweep()
        assert answered.phase is Phase.ANSWER
        # A client that does not read what it is sent.
        connections.stuck(answered, is_stuck=True)
        clock.now += 61
        connections.sweep()
        assert answered.phase is Phase.GONE


def half_sent(port: int, count: int, stack: contextlib.ExitStack) -> list[socket.socket]:
    """Connections that begin a request and do not go on; some have not even begun."""
    made = []
    for number in range(count):
        try:
            each = socket.create_connection(("127.0.0.1", port), timeout=10)
            stack.callback(each.close)
            if number % 3:
                each.sendall(b"GET /runs HTTP/1.1\r\nHost: x\r\n" if number % 3 == 1 else b"POST /invoc")
        except OSError:
            continue
        made.append(each)
    return made


def honest(server: ServerProcess, count: int) -> list[float]:
    """So many clients at once, each with several requests on a connection of its own each time; the seconds of each."""

    def one(number: int) -> float:
        began = time.monotonic()
        for _ in range(3):
            answer = server.get("/runs?limit=1") if number % 2 else server.invoke(f"h{number}", "ls")
            assert answer.status in (200, 202), answer
        return time.monotonic() - began

    with ThreadPoolExecutor(count) as clients:
        return list(clients.map(one, range(count)))


def closed_by_server(sock: socket.socket, seconds: float) -> bool:
    sock.settimeout(seconds)
    try:
        return sock.recv(100) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@pytest.mark.slow
def test_connections_that_send_nothing_are_ended_and_hold_nobody_up(tmp_path: Path) -> None:
    with quick_server(tmp_path, limits={"connections": 20}) as server, contextlib.ExitStack() as stack:
        slow = half_sent(server.port, 60, stack)
        dripping = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        stack.callback(dripping.close)
        dripping.putrequest("POST", "/invocations")
        dripping.putheader("Content-Length", "100000")
        dripping.endheaders()
        # Nobody's body is waited for who is not known.
        assert dripping.getresponse().status == 401
        assert max(honest(server, 8)) < 20
        assert len(slow) == 60
        # Most gave their places up, and the rest have had their time.
        assert all(closed_by_server(each, 15) for each in slow)
        assert server.get("/runs").status == 200


@pytest.mark.slow
def test_numbers_and_heads_of_strangers_have_an_end(tmp_path: Path) -> None:
    with quick_server(tmp_path) as server:
        for number in range(30):
            server.ask(f"METHOD{number}", "/nowhere", Authorization="")
        text = server.get("/metrics").text
        assert "METHOD" not in text
        assert 'method="other"' in text
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as large:
            with contextlib.suppress(ConnectionError):
                large.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000)
            with contextlib.suppress(ConnectionError):
                assert large.recv(100).startswith(b"HTTP/1.1 400")


@pytest.mark.load
@pytest.mark.slow
@pytest.mark.parametrize(("count", "descriptors"), [(1000, None), (3000, 256)])
def test_many_slow_connections_and_twenty_honest_clients(tmp_path: Path, count: int, descriptors: int | None) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 100:
        pytest.skip(f"this machine gives a process {hard} descriptors")
    with quick_server(tmp_path, descriptors=descriptors) as server, contextlib.ExitStack() as stack:
        attacker = subprocess.Popen(
            [sys.executable, "-c", ATTACK, str(server.port), str(count)], stdout=subprocess.PIPE
        )
        stack.callback(attacker.wait)
        stack.callback(attacker.kill)
        assert attacker.stdout is not None
        stack.callback(attacker.stdout.close)
        attacker.stdout.readline()
        seconds = [each for _ in range(3) for each in honest(server, 20)]
        assert attacker.poll() is None
        assert max(seconds) < 30, seconds
        assert server.get("/healthz").status == 200
        opened = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
        assert opened < (descriptors or 700)
