"""Calls to clients: `POST callback_url` with the state, to allowed hosts only, tried again until one answers.

A URL that a client names is a request that the server makes, so it may go only where the settings say. The address is
looked up once, checked, and used for the connection: a name that points elsewhere a moment later changes nothing.
Redirects are not followed.
"""

import http.client
import ipaddress
import json
import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from dbt_af_k8s.server.database import Database, DatabaseError
from dbt_af_k8s.server.metrics import Metrics
from dbt_af_k8s.server.settings import CallbackSection

LOG = logging.getLogger("dbt_af_k8s.server")
_PORTS = {"https": 443, "http": 80}
_LONGEST_URL = 2000
#: How long one try may take, in seconds.
_TIMEOUT = 10.0
#: Pauses between tries grow from the first to the longest, in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 600.0
_LOOK_EVERY = 0.5
#: While one try is under way, no other replica takes the call for so long, in seconds.
_TAKEN_FOR = 60.0


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
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return parsed.is_global and not parsed.is_multicast


def send(url: str, body: dict[str, Any], *, private: bool) -> int:
    """One try: the status that came back. OSError and `http.client.HTTPException` where none did."""
    parts = urlsplit(url)
    address = addresses_of(parts, private=private)[0]
    connected: socket.socket = socket.create_connection(address, timeout=_TIMEOUT)
    connection = http.client.HTTPConnection(address[0], address[1], timeout=_TIMEOUT)
    try:
        if parts.scheme == "https":
            connected = ssl.create_default_context().wrap_socket(connected, server_hostname=parts.hostname)
        connection.sock = connected
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        data = json.dumps(body).encode()
        headers = {"Host": parts.netloc, "Content-Type": "application/json", "User-Agent": "dbt-af-k8s"}
        connection.request("POST", path, data, headers)
        return connection.getresponse().status
    finally:
        connection.close()
        connected.close()


@dataclass(frozen=True, slots=True)
class _Call:
    number: int
    task_id: str
    url: str
    state: str
    tries: int


class CallbackSender:
    """A thread that makes the calls which the store owes. A call may come twice, and late; never for a wrong state."""

    def __init__(self, database: Database, settings: CallbackSection, metrics: Metrics) -> None:
        self._database = database
        self._settings = settings
        self._metrics = metrics
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="callbacks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the try under way; what is left stays in the database for the next server."""
        self._is_closing.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._is_closing.wait(_LOOK_EVERY):
            try:
                while not self._is_closing.is_set() and (call := self._next()) is not None:
                    self._try(call)
            except DatabaseError as reason:
                LOG.warning("calls out of reach", extra={"reason": str(reason)})

    def _next(self) -> _Call | None:
        """Take the call that has waited longest. Calls of one invocation keep their order."""
        with self._database.transaction() as cursor:
            now = cursor.now()
            rows = cursor.run(
                "UPDATE callback SET next_at = ?, tries = tries + 1 WHERE number = (SELECT number FROM callback "
                "WHERE next_at <= ? AND NOT EXISTS (SELECT 1 FROM callback AS earlier WHERE "
                "earlier.task_id = callback.task_id AND earlier.number < callback.number) "
                f"ORDER BY number LIMIT 1 {self._database.skip_locked}) "
                "RETURNING number, task_id, url, state, tries",
                (now + _TAKEN_FOR, now),
            )
        return _Call(*rows[0]) if rows else None

    def _try(self, call: _Call) -> None:
        # The settings may have changed since the client was told that it would be called.
        why = callback_problem(call.url, self._settings)
        if why is None:
            try:
                # `status` is what dbt's own server calls it.
                body = {"task_id": call.task_id, "status": call.state, "state": call.state}
                status = send(call.url, body, private=self._settings.private)
                why = None if 200 <= status < 300 else f"status {status}"
            except (OSError, http.client.HTTPException) as reason:
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
