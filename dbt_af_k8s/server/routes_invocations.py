"""The addresses of dbt's own server: `/invocations`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.server.access import NeedRead, NeedRun, answers
from dbt_af_k8s.server.bodies import (
    TASK_ID_PATTERN,
    Invocation,
    InvocationAccepted,
    InvocationList,
    InvocationRequest,
    invocation_body,
    invocation_list,
)
from dbt_af_k8s.server.service import Service
from dbt_af_k8s.server.settings import NAME_PATTERN

InPath = Annotated[str, Path(pattern=TASK_ID_PATTERN, description="Name of the invocation.")]
Size = Annotated[int, Query(ge=1, le=1000, description="Most entries of a page.")]
After = Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next` of the page before.")]
InState = Annotated[State | None, Query(description="Only those in this state.")]
OfProject = Annotated[str | None, Query(pattern=NAME_PATTERN, description="Only those of this project.")]
LogBytes = Annotated[
    int, Query(ge=0, le=16 * 1024 * 1024, description="Most bytes of `log_content`, from the log's end.")
]


def invocation_routes(service: Service) -> APIRouter:
    """`POST` and `GET /invocations`, and abort, as clients of dbt's own server know them."""
    router = APIRouter(tags=["invocations"])

    @router.post("/invocations", status_code=202, responses=answers(409, 413, 422, 429, 503))
    def post_invocation(request: InvocationRequest, caller: NeedRun) -> InvocationAccepted:
        """Run a dbt command.

        The answer comes at once, the command runs when its turn has come. A request whose `task_id` is known already
        starts nothing: the same request gets the same answer, another one gets 409.
        """
        run = service.submit(
            caller,
            command=request.command,
            task_id=request.task_id,
            project=service.project_of(request.project_dir),
            callback_url=request.callback_url,
        )
        task_id = run.request.task_id
        return InvocationAccepted(task_id=task_id, log_path=f"/runs/{task_id}/logs")

    @router.get("/invocations", responses=answers(422, 503))
    def list_invocations(
        caller: NeedRead, limit: Size = 100, after: After = None, state: InState = None, project: OfProject = None
    ) -> InvocationList:
        """Invocations, the newest first."""
        return invocation_list(service.store.page(size=limit, after=after, state=state, project=project))

    @router.get("/invocations/{task_id}", responses=answers(422, 503))
    def get_invocation(task_id: InPath, caller: NeedRead, log_bytes: LogBytes = 1024 * 1024) -> Invocation:
        """Where an invocation stands, and its log. One that does not exist has the state NOT_FOUND, with status 200."""
        run = service.store.find(task_id)
        if run is None:
            return Invocation(task_id=task_id, state=State.NOT_FOUND)
        return invocation_body(run, service.log_end(run, log_bytes))

    def abort(task_id: InPath, caller: NeedRun) -> Invocation:
        """End an invocation: at once where it waits; where it runs, dbt cancels its queries and ends within seconds.

        Nothing changes where it has ended; NOT_FOUND where there is none.
        """
        run = service.store.abort(task_id)
        if run is None:
            return Invocation(task_id=task_id, state=State.NOT_FOUND)
        service.workers.abort(task_id)
        return invocation_body(run)

    for path, name in (("/invocations", "abort_invocation"), ("/invocation", "abort_invocation_older")):
        router.add_api_route(
            f"{path}/{{task_id}}/abort", abort, methods=["POST"], responses=answers(422, 503), operation_id=name
        )
    return router
