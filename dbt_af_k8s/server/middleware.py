"""What is done around each request: its answer is logged, counted and given safe headers, and its size is limited."""

import logging
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dbt_af_k8s.server.access import problem_answer
from dbt_af_k8s.server.metrics import Metrics

LOG = logging.getLogger("dbt_af_k8s.server.requests")
#: Nothing here is a page with scripts, and nothing may be kept by a cache.
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
#: Addresses that are asked every few seconds, and not logged while all is well.
_QUIET = ("/healthz", "/readyz", "/metrics")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class RequestWatch:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = uuid.uuid4().hex
        seen = {"status": 500}

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                given = {name for name, _ in message["headers"]}
                added = [pair for pair in _HEADERS if pair[0] not in given]
                message["headers"] = [*message["headers"], *added, (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            # Strangers may send any word: what has no end is no label.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requested(method, route, seen["status"])
            if route not in _QUIET or seen["status"] == 500:
                told: dict[str, Any] = {
                    "request_id": request_id,
                    "method": method,
                    "route": route,
                    "status": seen["status"],
                    "milliseconds": round((time.perf_counter() - began) * 1000, 1),
                    "client": scope.get("caller"),
                }
                LOG.info("request", extra=told)


class BodyLimit:
    """The innermost layer: the whole body is read, up to a limit, before anything is done."""

    def __init__(self, app: ASGIApp, most_bytes: int, without: tuple[str, ...]) -> None:
        """`without` are addresses whose body nobody reads."""
        self._app = app
        self._most = most_bytes
        self._without = without

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] in self._without:
            await self._app(scope, receive, send)
            return
        body = await self._body(scope, receive)
        if body is None:
            await problem_answer(413, [f"A request may have {self._most} bytes."])(scope, receive, send)
        else:
            await self._app(scope, _replayed(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> Message | None:
        """The whole body as one message; None where it goes past the limit, said beforehand or not."""
        if _announced(scope) > self._most:
            return None
        data = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message
            data += message.get("body", b"")
            if len(data) > self._most:
                return None
            if not message.get("more_body", False):
                return {"type": "http.request", "body": bytes(data), "more_body": False}


def _replayed(body: Message, receive: Receive) -> Receive:
    """Gives the body that was read before, and then what comes."""
    left = [body]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay


def _announced(scope: Scope) -> int:
    """What `Content-Length` says, 0 where it says nothing."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
