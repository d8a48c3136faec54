"""The scopes that addresses need, as FastAPI's dependencies; and the answers that say no."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from dbt_af_k8s.server.auth import ANYBODY, Caller
from dbt_af_k8s.server.bodies import Problem
from dbt_af_k8s.server.service import RefusedError, Service

_MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        401: "Who calls is not known.",
        403: "The caller has not the scope.",
        404: "There is no such thing.",
        409: "It does not fit what is there.",
        413: "The request is too large.",
        422: "The request is wrong.",
        429: "The queue is full; `Retry-After` says when to come again.",
        503: "The server is about to end, or its database is out of reach.",
    }
)


def answers(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Descriptions of the answers that say no; 401 and 403 are always among them."""
    return {code: {"model": Problem, "description": _MEANINGS[code]} for code in sorted((401, 403, *codes))}


def _needs(scope: str) -> Callable[[Request], Caller]:
    def caller(request: Request) -> Caller:
        service: Service = request.app.state.service
        found = ANYBODY
        if service.authenticator is not None:
            known = service.authenticator.caller(request.headers.get("authorization"))
            if known is None:
                raise RefusedError(401, "Send an API token, a password or a bearer token that this server knows.")
            found = known
        request.scope["caller"] = found.name
        if scope not in found.scopes:
            raise RefusedError(403, f"This needs the scope {scope}.")
        return found

    return caller


NeedRead = Annotated[Caller, Depends(_needs("read"))]
NeedRun = Annotated[Caller, Depends(_needs("run"))]
NeedAdmin = Annotated[Caller, Depends(_needs("admin"))]
