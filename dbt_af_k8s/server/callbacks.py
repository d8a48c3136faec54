"""Calls to clients: `POST callback_url` with the state, to allowed hosts only, tried again until one answers.

A URL that a client names is a request that the server makes, so it may go only where the settings say. The addresses
are looked up once, checked, and used for the connection, one after the other: a name that points elsewhere a moment
later changes nothing. Redirects are not followed. A few threads make the calls, one call to a host at a time, and one
call has a limit as a whole: no host holds the others up.
"""

import http.client
import io
import ipaddress
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from dbt_af_k8s.server.database import Database, DatabaseError
from dbt_af_k8s.server.metrics import Metrics
from dbt_af_k8s.server.settings import CallbackSection

LOG = logging.getLogger("dbt_af_k8s.server")
_PORTS = {"https": 443, "http": 80}
_LONGEST_URL = 2000
#: How long one try may take, from the connection to the answer's head, in seconds.
_TIMEOUT = 10.0
#: Calls at once; each is to another host.
_AT_ONCE = 8
#: Pauses between tries grow from the first to the longest, in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 600.0
_LOOK_EVERY = 0.5
#: While one try is under way, no other replica takes the call for so long, in seconds.
_TAKEN_FOR = 60.0
#: Where the internet's addresses are in IPv6, and what in there leads elsewhere: Teredo and 6to4 hold IPv4 addresses.
_GLOBAL = ipaddress.IPv6Network("2000::/3")
_LEADS_ON = (ipaddress.IPv6Network("2001::/32"), ipaddress.IPv6Network("2002::/16"))
#: Relays of 6to4, which Python takes for public.
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")


def callback_problem(url: str, settings: CallbackSection) -> str | None:
    """Why this address may not be called, or None."""
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return "callback_url is no address."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "callback_url is no address."
    if parts.scheme not in _PORTS or not parts.hostname:
        return "callback_url must begin with https:// and a host."
    if parts.username is not None or parts.password is not None:
        return "callback_url may hold no name and no password."
    if parts.scheme == "http" and not settings.insecure:
        return "callback_url must be https here."
    host = parts.hostname if port in (None, _PORTS[parts.scheme]) else f"{parts.hostname}:{port}"
    if host not in {name.lower() for name in settings.hosts}:
        return "callback_url names a host that this server may not call."
    return None


def addresses_of(parts: SplitResult, *, private: bool) -> list[tuple[str, int]]:
    """Addresses of the host that may be called. OSError where there is none, or one of them is not public."""
    port = parts.port or _PORTS[parts.scheme]
    found = []
    for _, _, _, _, place in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM):
        address = str(place[0])
        if not private and not _is_public(address):
            raise OSError(f"{parts.hostname} has an address that is not public")
        found.append((address, port))
    if not found:
        raise OSError(f"{parts.hostname} has no address")
    return found


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if not parsed.is_global or parsed.is_multicast:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        # NAT64, `fec0::/10` and `::a.b.c.d` are outside.
        return parsed in _GLOBAL and not any(parsed in network for network in _LEADS_ON)
    return parsed not in _RELAYS


def send(url: str, body: dict[str, Any], *, private: bool, seconds: float = _TIMEOUT) -> int:
    """One try, which takes so many seconds at most: the status that came back.

    OSError and `http.client.HTTPException` where none did.
    """
    until = time.monotonic() + seconds
    parts = urlsplit(url)
    with _connected(addresses_of(parts, private=private), until) as plain, _secured(plain, parts, until) as sock:
        connection = http.client.HTTPConnection(parts.hostname or "", timeout=seconds)
        connection.sock = _Deadline(sock, until)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        data = json.dumps(body).encode()
        headers = {"Host": parts.netloc, "Content-Type": "application/json", "User-Agent": "dbt-af-k8s"}
        connection.request("POST", path, data, headers)
        return connection.getresponse().status


def _connected(addresses: list[tuple[str, int]], until: float) -> socket.socket:
    """A connection to the first address that answers, each with its share of the time. OSError where none does."""
    failed: OSError | None = None
    for number, address in enumerate(addresses):
        try:
            return socket.create_connection(address, timeout=_left(until) / (len(addresses) - number))
        except OSError as reason:
            failed = reason
    raise failed or OSError("there is no address")


def _secured(plain: socket.socket, parts: SplitResult, until: float) -> socket.socket:
    if parts.scheme != "https":
        return plain
    plain.settimeout(_left(until))
    return ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("it takes too long")
    return left


class _Deadline(io.RawIOBase):
    """A connection, as `http.client` uses one, that ends at a time, however often something comes."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        super().__init__()
        self._sock = sock
        self._until = until

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._sock.settimeout(_left(self._until))
        self._sock.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """What comes back, to be read."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes."""
        self._sock.settimeout(_left(self._until))
        return self._sock.recv_into(buffer)


@dataclass(frozen=True, slots=True)
class _Call:
    number: int
    task_id: str
    url: str
    state: str
    tries: int


class CallbackSender:
    """Threads that make the calls which the store owes. A call may come twice, and late; never for a wrong state."""

    def __init__(
        self,
        database: Database,
        settings: CallbackSection,
        metrics: Metrics,
        post: Callable[..., int] = send,
    ) -> None:
        """`post` makes one try, as `send` does."""
        self._database = database
        self._settings = settings
        self._metrics = metrics
        self._post = post
        self._is_closing = threading.Event()
        #: There may be something to do: a thread is free again, or the server ends.
        self._wake = threading.Event()
        #: Hosts that are being called, and what guards them.
        self._called: set[str] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, "callback")
        self._thread = threading.Thread(target=self._serve, name="callbacks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the tries under way; what is left stays in the database for the next server."""
        self._is_closing.set()
        self._wake.set()
        self._thread.join()
        self._pool.shutdown()

    def _serve(self) -> None:
        while not self._is_closing.is_set():
            try:
                while not self._is_closing.is_set() and self._hand_out():
                    continue
            except DatabaseError as reason:
                LOG.warning("calls out of reach", extra={"reason": str(reason)})
            except Exception:
                LOG.exception("calls not handed out")
            self._wake.wait(_LOOK_EVERY)
            self._wake.clear()

    def _hand_out(self) -> bool:
        """Give the next call to a thread, if there are both."""
        with self._lock:
            called = sorted(self._called)
        call = self._next(called) if len(called) < _AT_ONCE else None
        if call is None:
            return False
        host = _host(call.url)
        with self._lock:
            self._called.add(host)
        self._pool.submit(self._make, call, host)
        return True

    def _make(self, call: _Call, host: str) -> None:
        try:
            self._try(call)
        except DatabaseError as reason:
            # It is tried again when its time comes: whoever took it keeps it for a while only.
            LOG.warning("calls out of reach", extra={"reason": str(reason)})
        except Exception:
            LOG.exception("call broke off", extra={"task_id": call.task_id})
        finally:
            with self._lock:
                self._called.discard(host)
            self._wake.set()

    def _next(self, without: list[str]) -> _Call | None:
        """Take the call that has waited longest to a host that is not called now; those of one invocation in order."""
        free = "".join(" AND lower(substr(url, 1, ?)) NOT IN (?, ?, ?, ?)" for _ in without)
        begins = [value for host in without for value in (len(host) + 1, host, f"{host}/", f"{host}?", f"{host}#")]
        with self._database.transaction() as cursor:
            now = cursor.now()
            rows = cursor.run(
                "UPDATE callback SET next_at = ?, tries = tries + 1 WHERE number = (SELECT number FROM callback "
                f"WHERE next_at <= ?{free} AND NOT EXISTS (SELECT 1 FROM callback AS earlier WHERE "
                "earlier.task_id = callback.task_id AND earlier.number < callback.number) "
                f"ORDER BY number LIMIT 1 {self._database.skip_locked}) "
                "RETURNING number, task_id, url, state, tries",
                (now + _TAKEN_FOR, now, *begins),
            )
        return _Call(*rows[0]) if rows else None

    def _try(self, call: _Call) -> None:
        # The settings may have changed since the client was told that it would be called.
        why = callback_problem(call.url, self._settings)
        if why is None:
            try:
                # `status` is what dbt's own server calls it.
                body = {"task_id": call.task_id, "status": call.state, "state": call.state}
                status = self._post(call.url, body, private=self._settings.private)
                why = None if 200 <= status < 300 else f"status {status}"
            # A name that cannot be encoded is a ValueError.
            except (OSError, ValueError, http.client.HTTPException) as reason:
                why = f"{type(reason).__name__}: {reason}"
        told = {"task_id": call.task_id, "state": call.state, "tries": call.tries, "reason": why}
        if why is None or call.tries >= self._settings.tries:
            self._metrics.called_back("done" if why is None else "given_up")
            if why is not None:
                LOG.warning("callback given up", extra=told)
            with self._database.transaction() as cursor:
                cursor.run("DELETE FROM callback WHERE number = ?", (call.number,))
            return
        self._metrics.called_back("failed")
        LOG.info("callback failed", extra=told)
        pause = min(_FIRST_PAUSE * 2 ** (call.tries - 1), _LONGEST_PAUSE)
        with self._database.transaction() as cursor:
            cursor.run("UPDATE callback SET next_at = ? WHERE number = ?", (cursor.now() + pause, call.number))


def _host(url: str) -> str:
    """Scheme, host and port of an address, as it begins, in small letters."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
