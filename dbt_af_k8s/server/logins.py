"""Who may come in: every request is looked at before its body is read, and a password costs a stranger more than us.

A wrong password takes 32 MB and a tenth of a second here (`secrets_hashed`), so few are looked at once, an address that
sent a wrong one waits longer each time, and what can be told without a hash is. Nothing here waits on a thread that
does other work.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from dbt_af_k8s.server.access import problem_answer
from dbt_af_k8s.server.auth import ANYBODY, Authenticator, Caller

#: Passwords that are hashed at once, and that may wait for it.
_AT_ONCE, _WAITING = 2, 8
#: Tokens that are looked at at once: a provider's keys may have to be fetched.
_TOKENS_AT_ONCE = 8
#: How long an address waits after its first wrong password, at most, and until that is forgotten, in seconds.
_FIRST_DELAY, _LONGEST_DELAY, _FORGET_AFTER = 0.5, 60.0, 600.0
#: Most addresses that are kept; the one that was wrong longest ago goes first.
_MOST_ADDRESSES = 10_000


class TooManyLoginsError(Exception):
    """The password is not looked at now. `after` is when to come again, in seconds."""

    def __init__(self, after: float) -> None:
        super().__init__(after)
        self.after = after


class Delays:
    """How long addresses that sent wrong passwords have to wait. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: Address -> wrong passwords in a row, and when the last one came.
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def left(self, address: str) -> float:
        """Seconds until this address may try again; 0 where it may."""
        count, last = self._wrong.get(address, (0, 0.0))
        return max(0.0, last + _delay(count) - self._clock()) if count else 0.0

    def failed(self, address: str) -> None:
        """A password from there was wrong."""
        now = self._clock()
        count, last = self._wrong.pop(address, (0, now))
        self._wrong[address] = (1 if now - last > _FORGET_AFTER else count + 1, now)
        while len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """A password from there was right."""
        self._wrong.pop(address, None)


def _delay(count: int) -> float:
    return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(count - 1, 20))


class Door:
    """Says who calls. Made once; used by the event loop's thread alone."""

    def __init__(self, authenticator: Authenticator | None, delays: Delays | None = None) -> None:
        """`authenticator` is None where everybody is let in."""
        self._authenticator = authenticator
        self._delays = delays or Delays()
        self._hashing: CapacityLimiter | None = None
        self._tokens: CapacityLimiter | None = None
        self._waiting = 0

    async def caller(self, header: str | None, address: str) -> Caller | None:
        """Who the header `Authorization` names, or None. Raises `TooManyLoginsError`."""
        authenticator = self._authenticator
        if authenticator is None:
            return ANYBODY
        if self._hashing is None or self._tokens is None:
            # They belong to the event loop that is running by now.
            self._hashing, self._tokens = CapacityLimiter(_AT_ONCE), CapacityLimiter(_TOKENS_AT_ONCE)
        known = await anyio.to_thread.run_sync(partial(authenticator.known, header), limiter=self._tokens)
        if known is not None or not authenticator.needs_hash(header):
            return known
        self._check(address)
        if self._waiting >= _WAITING:
            raise TooManyLoginsError(1.0)
        self._waiting += 1
        try:
            async with self._hashing:
                # Others from there may have failed meanwhile.
                self._check(address)
                found = await anyio.to_thread.run_sync(
                    partial(authenticator.by_password, header), limiter=CapacityLimiter(1)
                )
        finally:
            self._waiting -= 1
        (self._delays.failed if found is None else self._delays.succeeded)(address)
        return found

    def _check(self, address: str) -> None:
        left = self._delays.left(address)
        if left > 0:
            raise TooManyLoginsError(left)


class Gatekeeper:
    """The layer of the application that lets nobody in who is not known, whatever the address and the body."""

    def __init__(self, app: ASGIApp, door: Door, open_paths: tuple[str, ...]) -> None:
        self._app = app
        self._door = door
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        try:
            caller = await self._door.caller(_authorization(scope), network_of(client[0] if client else ""))
        except TooManyLoginsError as reason:
            text = "Too many passwords are being tried. Come again later."
            await problem_answer(429, [text], retry_after=math.ceil(reason.after))(scope, receive, send)
            return
        if caller is None:
            text = "Send an API token, a password or a bearer token that this server knows."
            await problem_answer(401, [text])(scope, receive, send)
            return
        scope["caller"], scope["scopes"] = caller.name, caller.scopes
        await self._app(scope, receive, send)


def network_of(address: str) -> str:
    """What counts as one address: of IPv6, the network that one customer has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped is not None else str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _authorization(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value.decode("latin-1"))
    return None
