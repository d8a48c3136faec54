"""The scopes that addresses need, as FastAPI's dependencies; and the answers that say no."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import JSONResponse

from dbt_af_k8s.server.auth import Caller
from dbt_af_k8s.server.bodies import Problem
from dbt_af_k8s.server.service import RefusedError

_MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        401: "Who calls is not known.",
        403: "The caller has not the scope.",
        404: "There is no such thing.",
        409: "It does not fit what is there.",
        413: "The request is too large.",
        422: "The request is wrong.",
        429: "The queue is full, or too many passwords are tried; `Retry-After` says when to come again.",
        503: "The server is about to end, or its database is out of reach.",
    }
)


def answers(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Descriptions of the answers that say no; 401, 403 and 429 are always among them."""
    return {code: {"model": Problem, "description": _MEANINGS[code]} for code in sorted({401, 403, 429, *codes})}


def problem_answer(status: int, problems: list[str], retry_after: int | None = None) -> JSONResponse:
    """The answer that says no, in the one form that all have."""
    body = Problem(status_code=status, message="\n".join(problems), problems=problems)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="dbt server", Basic realm="dbt server"'
    return JSONResponse(body.model_dump(), status, headers)


def _needs(scope: str) -> Callable[[Request], Awaitable[Caller]]:
    async def caller(request: Request) -> Caller:
        # Who calls is known by now, or the request did not come here (`logins.Gatekeeper`).
        found = Caller(request.scope["caller"], request.scope["scopes"])
        if scope not in found.scopes:
            raise RefusedError(403, f"This needs the scope {scope}.")
        return found

    return caller


NeedRead = Annotated[Caller, Depends(_needs("read"))]
NeedRun = Annotated[Caller, Depends(_needs("run"))]
NeedAdmin = Annotated[Caller, Depends(_needs("admin"))]
