"""The application: all addresses, and what a problem looks like."""

import asyncio
import logging
from typing import Any

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from dbt_af_k8s import __version__
from dbt_af_k8s.server.access import NeedRead, answers, problem_answer
from dbt_af_k8s.server.bodies import Health
from dbt_af_k8s.server.database import DatabaseError
from dbt_af_k8s.server.logins import Door, Gatekeeper
from dbt_af_k8s.server.metrics import CONTENT_TYPE
from dbt_af_k8s.server.middleware import BodyLimit, RequestWatch
from dbt_af_k8s.server.openapi_text import openapi_html
from dbt_af_k8s.server.routes_invocations import invocation_routes
from dbt_af_k8s.server.routes_projects import project_routes
from dbt_af_k8s.server.routes_runs import run_routes
from dbt_af_k8s.server.service import RefusedError, Service

LOG = logging.getLogger("dbt_af_k8s.server")
_DESCRIPTION = (
    "dbt behind an HTTP API. `/invocations` is the contract of dbt's own server; `/runs` and `/projects` show more. "
    "All requests but those for health and for this description need `Authorization`: an API token or an OAuth 2 token "
    "(`Bearer`), or a name and a password (`Basic`)."
)
#: How long a look whether the server is ready may take, in seconds.
_READY_SECONDS = 3.0
#: Addresses that anybody may ask.
_OPEN = ("/healthz", "/readyz")


def make_app(service: Service) -> FastAPI:
    """The application over a service."""
    app = FastAPI(
        title="dbt server",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    for routes in (invocation_routes, run_routes, project_routes):
        app.include_router(routes(service))
    _add_health(app, service)
    _add_problems(app)
    _add_security(app, is_open=service.config.metrics_open)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(openapi_html(app.openapi()))

    # The last one is the outermost: nobody's body is read who is not known.
    open_paths = (*_OPEN, "/docs", "/openapi.json", *(("/metrics",) if service.config.metrics_open else ()))
    app.add_middleware(BodyLimit, most_bytes=service.config.limits.body_bytes, without=open_paths)
    app.add_middleware(Gatekeeper, door=Door(service.authenticator), open_paths=open_paths)
    app.add_middleware(RequestWatch, metrics=service.metrics)
    return app


class _Probe:
    """Looks whether the server is ready, on a thread that does nothing else, and no longer than a probe waits."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._look: asyncio.Task[str | None] | None = None

    async def status(self) -> str | None:
        """Why it is not ready, or None. Whoever asks while somebody looks gets the same answer."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait((self._look,), timeout=_READY_SECONDS)
        return self._look.result() if done else "the database does not answer"

    async def _ask(self) -> str | None:
        return await anyio.to_thread.run_sync(_why_not_ready, self._service, limiter=anyio.CapacityLimiter(1))


def _add_health(app: FastAPI, service: Service) -> None:
    probe = _Probe(service)

    @app.get("/healthz", tags=["health"])
    async def healthz() -> Health:
        """Whether the process lives. For a liveness probe."""
        return Health(status="ok")

    not_ready: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "Not now; `status` says why."}}

    @app.get("/readyz", tags=["health"], responses=not_ready)
    async def readyz(response: Response) -> Health:
        """Whether invocations are taken and worked on. For a readiness probe."""
        status = await probe.status()
        response.status_code = 200 if status is None else 503
        return Health(status=status or "ok")

    def text() -> Response:
        workers = service.workers
        warm = {project.name: workers.warm_of(project).is_warm for project in service.projects.all().values()}
        told = service.metrics.text(service.store.counts(), workers.running(), service.config.limits.concurrency, warm)
        return Response(told, media_type=CONTENT_TYPE)

    shown: dict[int | str, dict[str, Any]] = {
        200: {"description": "Prometheus text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    }

    def open_metrics() -> Response:
        """Numbers for Prometheus."""
        return text()

    def metrics(caller: NeedRead) -> Response:
        """Numbers for Prometheus."""
        return text()

    app.add_api_route(
        "/metrics",
        open_metrics if service.config.metrics_open else metrics,
        methods=["GET"],
        name="metrics",
        tags=["health"],
        response_class=Response,
        responses={**({} if service.config.metrics_open else answers(503)), **shown},
    )


def _why_not_ready(service: Service) -> str | None:
    if service.workers.is_draining:
        return "the server is about to end"
    if not service.workers.is_ready:
        return "the projects are being parsed"
    try:
        service.store.counts()
    except DatabaseError:
        return "the database is out of reach"
    return None


def _add_problems(app: FastAPI) -> None:
    """Every problem has one form: status, message and a list of sentences."""

    @app.exception_handler(RefusedError)
    def refused(request: Request, reason: RefusedError) -> JSONResponse:
        return problem_answer(reason.status, list(reason.problems), retry_after=reason.retry_after)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, reason: RequestValidationError) -> JSONResponse:
        # Where and why, but not what was sent: it may hold secrets.
        return problem_answer(
            422, [f"{'.'.join(map(str, found['loc']))}: {found['msg']}." for found in reason.errors()]
        )

    @app.exception_handler(HTTPException)
    def http(request: Request, reason: HTTPException) -> JSONResponse:
        # A body that is no JSON is as wrong as one that is other JSON.
        status = 422 if reason.status_code == 400 else reason.status_code
        answer = problem_answer(status, [str(reason.detail)])
        answer.headers.update(reason.headers or {})
        return answer

    @app.exception_handler(DatabaseError)
    def out_of_reach(request: Request, reason: DatabaseError) -> JSONResponse:
        LOG.error("database out of reach", extra={"reason": str(reason)})
        return problem_answer(503, ["The server's database is out of reach."], retry_after=5)

    @app.exception_handler(Exception)
    def fault(request: Request, reason: Exception) -> JSONResponse:
        return problem_answer(500, ["A fault of the server; its log has more."])


def _add_security(app: FastAPI, *, is_open: bool) -> None:
    """Say in the description how to authenticate; who checks it is `access`."""
    made = app.openapi

    def described() -> dict[str, Any]:
        schema = made()
        schema["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "An API token, or a JWT of OAuth 2."},
            "basic": {"type": "http", "scheme": "basic"},
        }
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                if path not in _OPEN and not (is_open and path == "/metrics"):
                    operation["security"] = [{"bearer": []}, {"basic": []}]
        return schema

    app.openapi = described  # type: ignore[method-assign]
