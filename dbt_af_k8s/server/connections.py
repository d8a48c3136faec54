"""How many connections there may be, and how long each may take for what: before anybody is known.

A connection waits for a request, sends its head, sends its body, is answered, or is idle. All but the answer has a
limit of time. Where there are as many as there may be, a new one takes the place of one that keeps us waiting: of the
address that has most of them the one that has done so longest. So clients which send what they have are served while
others hold as many connections as they like.
"""

import asyncio
import contextlib
import logging
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LOG = logging.getLogger("dbt_af_k8s.server")
#: Largest head of a request, in bytes.
HEAD_BYTES = 32 * 1024
#: How long a head, a body, and a client that does not read its answer may take, and idle ones may stay, in seconds.
_HEAD_SECONDS, _BODY_SECONDS, _READING_SECONDS, IDLE_SECONDS = 10.0, 30.0, 60.0, 30
#: So long a connection is left in its place, to send what it has, in seconds; and a pause while new ones wait for that.
_YOUNG, _PAUSE = 0.1, 0.001
#: And for so many turns of the event loop, which may be slow.
_TURNS = 4
#: Connections that are taken before others get their turn.
_BURST = 32
#: Descriptors that everything else needs: the database, dbt, files; and besides for each invocation at once.
_RESERVED, _PER_INVOCATION = 112, 6
_LEAST = 16


class Phase(IntEnum):
    """What a connection does; the first ones give way first."""

    HEAD = 0
    IDLE = 1
    BODY = 2
    ANSWER = 3
    #: It is ended, and about to be gone.
    GONE = 4


@dataclass(slots=True, eq=False)
class Connection:
    """One connection, from the moment it is accepted."""

    sock: socket.socket
    address: str
    since: float
    phase: Phase = Phase.HEAD
    #: None until TLS, where there is any, is agreed upon.
    transport: asyncio.Transport | None = None
    #: In which turn of the event loop it could begin to send.
    turn: int = 0
    #: Since when the client does not read what it is sent.
    stuck: float | None = None

    def end(self) -> None:
        """Close it at once."""
        self.phase = Phase.GONE
        if self.transport is not None:
            self.transport.abort()
        else:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


class Connections:
    """All connections of a server. For the event loop's thread."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        #: By descriptor: sockets are the same objects from here to their end, but not in every asyncio.
        self._all: dict[int, Connection] = {}
        self._burst = 0
        #: How often the event loop has come round to accepting.
        self._turn = 0

    def __len__(self) -> int:
        return sum(1 for _ in self._living())

    def listener(self, family: socket.AddressFamily) -> socket.socket:
        """A socket to listen on whose connections are counted."""
        return _Listener(self, family)

    def protocol(self) -> type[asyncio.Protocol]:
        """What uvicorn makes for each connection."""
        connections = self

        class Watched(_WatchedProtocol):
            registry = connections

        return Watched

    def may_accept(self) -> bool:
        """Whether another one may be accepted in this turn of the event loop, and has a place or can be given one."""
        if self._burst == 0:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._burst += 1
        if self._burst > _BURST:
            return False
        first = self._first() if len(self) >= self._most else None
        if first is not None and self._is_young(first):
            # The event loop asks again at once, as long as anybody waits; the others' turns come in between.
            time.sleep(_PAUSE)
            return False
        return True

    def accepted(self, sock: socket.socket, address: str) -> bool:
        """Count a new one, in the place of another where it must be; False where all are being answered."""
        if len(self) >= self._most:
            first = self._first()
            if first is None:
                return False
            first.end()
        self._all[sock.fileno()] = Connection(sock, address, self._clock(), turn=self._turn)
        return True

    def of(self, transport: asyncio.Transport) -> Connection | None:
        """The connection that has become this transport."""
        found = self._all.get(transport.get_extra_info("socket").fileno())
        if found is not None:
            found.transport, found.since, found.turn = transport, self._clock(), self._turn
        return found

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        connection.phase = Phase.GONE

    def now(self, connection: Connection, phase: Phase) -> None:
        """It does something else now."""
        if connection.phase not in (phase, Phase.GONE):
            connection.phase, connection.since = phase, self._clock()

    def stuck(self, connection: Connection, *, is_stuck: bool) -> None:
        """Its client does not read, or reads again."""
        connection.stuck = self._clock() if is_stuck else None

    def sweep(self) -> None:
        """End those whose time is up; called every second or so."""
        now = self._clock()
        self._all = {number: each for number, each in self._all.items() if each.sock.fileno() == number}
        ended = 0
        for each in tuple(self._living()):
            limit = {Phase.HEAD: _HEAD_SECONDS, Phase.BODY: _BODY_SECONDS, Phase.IDLE: IDLE_SECONDS}.get(each.phase)
            is_late = limit is not None and now - each.since > limit
            if is_late or (each.stuck is not None and now - each.stuck > _READING_SECONDS):
                each.end()
                ended += 1
        if ended:
            LOG.info("slow connections ended", extra={"count": ended})

    def _next_turn(self) -> None:
        self._burst = 0
        self._turn += 1

    def _living(self) -> Iterator[Connection]:
        return (each for each in self._all.values() if each.phase is not Phase.GONE and each.sock.fileno() >= 0)

    def _first(self) -> Connection | None:
        """Which one gives way to a new one; None where all are being answered."""
        waiting = [each for each in self._living() if each.phase < Phase.ANSWER]
        held = Counter(each.address for each in waiting)

        def order(each: Connection) -> tuple[int, bool, int, float]:
            return -held[each.address], self._is_young(each), each.phase, each.since

        return min(waiting, key=order, default=None)

    def _is_young(self, connection: Connection) -> bool:
        """Whether it has not had the time to send something: what was accepted is read in a later turn."""
        has_been_read = connection.phase is not Phase.HEAD or connection.turn < self._turn - _TURNS
        return not has_been_read or self._clock() - connection.since < _YOUNG


def most_connections(wanted: int, concurrency: int) -> int:
    """How many connections the descriptors of this process allow, of those that are wanted.

    Takes as many descriptors as the machine gives.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _RESERVED + wanted + _BURST + _PER_INVOCATION * concurrency
    if soft != resource.RLIM_INFINITY and soft < enough:
        soft = enough if hard == resource.RLIM_INFINITY else min(hard, enough)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= enough:
        return wanted
    most = max(_LEAST, wanted - (enough - soft))
    LOG.warning("few descriptors", extra={"descriptors": soft, "connections": most, "wanted": wanted})
    return most


class _Listener(socket.socket):
    """A listening socket; the event loop accepts all that wait at once, and this bounds that."""

    def __init__(self, connections: Connections, family: socket.AddressFamily) -> None:
        super().__init__(family)
        self._connections = connections

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. Raises BlockingIOError where the event loop is to do something else first."""
        if not self._connections.may_accept():
            raise BlockingIOError
        made, address = super().accept()
        if not self._connections.accepted(made, str(address[0])):
            made.close()
            raise BlockingIOError
        return made, address


class _WatchedProtocol(H11Protocol):
    """uvicorn's HTTP, which says what it is waiting for."""

    registry: Connections
    _mine: Connection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._mine = self.registry.of(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._mine is not None:
            self.registry.forget(self._mine)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._mine is not None and self._mine.phase is Phase.IDLE:
            # The head of the next request has begun.
            self.registry.now(self._mine, Phase.HEAD)
        super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._mine is not None:
            self.registry.stuck(self._mine, is_stuck=True)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._mine is not None:
            self.registry.stuck(self._mine, is_stuck=False)

    def _note(self) -> None:
        """Say what is waited for now."""
        if self._mine is None or self.cycle is None:
            return
        if not self.cycle.response_complete:
            self.registry.now(self._mine, Phase.BODY if self.cycle.more_body else Phase.ANSWER)
        elif self.conn.their_state is h11.SEND_BODY:
            # It was answered, and sends on.
            self.registry.now(self._mine, Phase.BODY)
        elif self._mine.phase is not Phase.HEAD:
            self.registry.now(self._mine, Phase.IDLE)
