"""The API over HTTP: who asks, may they, what goes wrong by order, and who answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web
from cluster_server.access import Access
from cluster_server.answers import Refused
from cluster_server.asked import Asked, asked_for
from cluster_server.deletion import delete
from cluster_server.discovery import VERSION, described
from cluster_server.faults import Faults, RequestFault
from cluster_server.kinds import ACCOUNT, POD
from cluster_server.kubelet import Kubelet
from cluster_server.objects_api import LARGEST, Objects, read_json
from cluster_server.pods_api import run_command, send_log
from cluster_server.store import Store
from cluster_server.watches import watch

_OPEN = ("/version", "/healthz", "/readyz", "/livez")


class Api:
    """One API server."""

    def __init__(self, store: Store, access: Access, kubelet: Kubelet, faults: Faults) -> None:
        self._store, self._access, self._kubelet, self._faults = store, access, kubelet, faults
        self.objects = Objects(store)
        #: Every request as `verb resource name`, for tests that count.
        self.requests: list[tuple[str, str, str]] = []

    def app(self) -> web.Application:
        """The application that aiohttp serves."""
        app = web.Application(client_max_size=LARGEST + 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answered(request)
        except Refused as refused:
            headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
            return web.json_response(refused.status, status=refused.code, headers=headers)

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if path in _OPEN:
            return web.json_response(VERSION) if path == "/version" else web.Response(text="ok")
        if "protobuf" in request.headers.get("Content-Type", ""):
            raise Refused(
                415, "the body of the request was in an unknown format - accepted media types include: application/json"
            )
        user = self._access.user(request.headers.get("Authorization"))
        special = self._special(request.method, path)
        if special is not None:
            return await special(request, user)
        if request.method == "GET" and (found := described(path)) is not None:
            return web.json_response(found)
        asked = asked_for(request.method, path, request.query)
        name = asked.name or _name_in(await request.read())
        self.requests.append((asked.fault_verb, asked.kind.plural, name))
        self._access.check(user, asked.verb, asked.kind.group, asked.resource, asked.namespace, asked.name)
        fault = self._faults.of_request(asked.fault_verb, asked.kind.plural, name)
        if fault is None:
            return await self._done(asked, request)
        if fault.after_doing:
            await self._done(asked, request)
        return self._failed(fault, request)

    def _failed(self, fault: RequestFault, request: web.Request) -> web.StreamResponse:
        if fault.code == 0:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("by order of a test")
        raise Refused(fault.code, fault.message, retry_after=fault.retry_after)

    async def _done(self, asked: Asked, request: web.Request) -> web.StreamResponse:
        longest = self._faults.longest_request
        if longest is None or request.transport is None:
            return await self._carried_out(asked, request)
        cut = asyncio.get_running_loop().call_later(longest, request.transport.abort)
        try:
            return await self._carried_out(asked, request)
        finally:
            cut.cancel()

    async def _carried_out(self, asked: Asked, request: web.Request) -> web.StreamResponse:
        if asked.verb == "watch":
            return await self._watch(asked, request)
        if asked.subresource == "log":
            return await send_log(self._store, self._kubelet, asked, request)
        if asked.subresource == "exec":
            return await run_command(self._store, self._kubelet, asked, request)
        body = await request.read()
        if asked.subresource == "token":
            return self._token(asked, body)
        if asked.subresource == "eviction":
            pod = self._store.get(POD, asked.namespace or "", asked.name)
            delete(self._store, POD, pod, (read_json(body) or {}).get("deleteOptions") or {})
            return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"}, status=201)
        code, answer = self.objects.answer(asked, body, request.headers.get("Content-Type", ""))
        return web.json_response(answer, status=code)

    async def _watch(self, asked: Asked, request: web.Request) -> web.StreamResponse:
        lines = watch(self._store, asked)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async for line in lines:
            await response.write(line)
        await response.write_eof()
        return response

    def _token(self, asked: Asked, body: bytes) -> web.Response:
        self._store.get(ACCOUNT, asked.namespace or "", asked.name)
        token = self._access.token_of(asked.namespace or "", asked.name)
        spec = (read_json(body) or {}).get("spec") or {}
        until = datetime.now(UTC) + timedelta(seconds=spec.get("expirationSeconds") or 3600)
        status = {"token": token, "expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        head = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {}}
        return web.json_response({**head, "spec": spec, "status": status}, status=201)

    def _special(self, method: str, path: str) -> Callable[[web.Request, str], Awaitable[web.Response]] | None:
        if method == "POST" and path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            return self._review
        return None

    async def _review(self, request: web.Request, user: str) -> web.Response:
        review = read_json(await request.read())
        wanted = (review.get("spec") or {}).get("resourceAttributes") or {}
        resource = wanted.get("resource", "")
        if wanted.get("subresource"):
            resource = f"{resource}/{wanted['subresource']}"
        allowed = self._access.may(
            user,
            wanted.get("verb", ""),
            wanted.get("group", ""),
            resource,
            wanted.get("namespace") or None,
            wanted.get("name") or "",
        )
        return web.json_response({**review, "status": {"allowed": allowed}}, status=201)


def _name_in(body: bytes) -> str:
    """The name that a new object asks for, or how its name is to begin."""
    try:
        metadata = json.loads(body)["metadata"]
        return str(metadata.get("name") or metadata.get("generateName") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
