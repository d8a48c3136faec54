"""Runs as resources: `/runs`, their logs and artefacts."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from dbt_af_k8s.server.access import NeedAdmin, NeedRead, NeedRun, answers
from dbt_af_k8s.server.bodies import (
    ArtifactBody,
    ArtifactList,
    LogBody,
    RunBody,
    RunList,
    RunRequest,
    run_body,
    run_list,
)
from dbt_af_k8s.server.routes_invocations import After, InPath, InState, OfProject, Size
from dbt_af_k8s.server.service import RefusedError, Service

ArtifactName = Annotated[str, Path(pattern=r"^[a-z_]{1,40}\.(json|html)$", description="Name of the file.")]
Offset = Annotated[
    int, Query(ge=0, le=2**53, description="Where to begin, in bytes: `next_offset` of the part before.")
]
LogSize = Annotated[int, Query(ge=1, le=16 * 1024 * 1024, description="Most bytes.")]


def run_routes(service: Service) -> APIRouter:
    """An invocation is a run; here are its details, and what it left."""
    router = APIRouter(tags=["runs"])

    @router.get("/runs", responses=answers(422, 503))
    def list_runs(
        caller: NeedRead, limit: Size = 100, after: After = None, state: InState = None, project: OfProject = None
    ) -> RunList:
        """Runs, the newest first."""
        return run_list(service.store.page(size=limit, after=after, state=state, project=project))

    @router.post("/runs", status_code=202, responses=answers(404, 409, 413, 422, 429, 503))
    def post_run(request: RunRequest, caller: NeedRun) -> RunBody:
        """Run a dbt command, as `POST /invocations` does."""
        return run_body(
            service.submit(
                caller,
                command=request.command,
                task_id=request.task_id,
                project=service.project(request.project),
                callback_url=request.callback_url,
            )
        )

    @router.get("/runs/{task_id}", responses=answers(404, 422, 503))
    def get_run(task_id: InPath, caller: NeedRead) -> RunBody:
        """One run."""
        return run_body(service.run(task_id))

    @router.delete("/runs/{task_id}", status_code=204, responses=answers(404, 409, 422, 503))
    def delete_run(task_id: InPath, caller: NeedAdmin) -> Response:
        """Remove the log and the artefacts of a run that has ended.

        Its task id and its state stay until `state.keep` is over, so that it is never run again by mistake.
        """
        if not service.store.remove(task_id):
            service.run(task_id)
            raise RefusedError(409, "It has not ended; abort it first.")
        return Response(status_code=204)

    @router.get("/runs/{task_id}/logs", responses=answers(404, 422, 503))
    def get_log(task_id: InPath, caller: NeedRead, offset: Offset = 0, size: LogSize = 1024 * 1024) -> LogBody:
        """A part of the log. Ask again with `next_offset` for what has come since, until `is_end`."""
        run = service.run(task_id)
        part = service.outputs.log(task_id, offset, size)
        return LogBody(
            task_id=task_id,
            offset=offset,
            next_offset=part.next_offset,
            is_end=run.state.is_end and part.next_offset >= run.log_bytes,
            state=run.state,
            content=part.data.decode("utf-8", "replace"),
        )

    @router.get("/runs/{task_id}/artifacts", responses=answers(404, 422, 503))
    def list_artifacts(task_id: InPath, caller: NeedRead) -> ArtifactList:
        """What dbt wrote, once the run has ended."""
        service.run(task_id)
        found = service.outputs.artifacts(task_id)
        return ArtifactList(artifacts=[ArtifactBody(name=name, bytes=size) for name, size in found])

    @router.get(
        "/runs/{task_id}/artifacts/{name}",
        response_class=Response,
        responses={
            **answers(404, 422, 503),
            200: {"description": "The file.", "content": {"application/json": {}, "text/plain": {}}},
        },
    )
    def get_artifact(task_id: InPath, name: ArtifactName, caller: NeedRead) -> Response:
        """A file that dbt wrote, as it is. HTML comes as text, so that no browser runs it."""
        service.run(task_id)
        content = service.outputs.artifact(task_id, name)
        if content is None:
            raise RefusedError(404, f"The run has no artefact {name}.")
        kind = "application/json" if name.endswith(".json") else "text/plain; charset=utf-8"
        return Response(content, media_type=kind)

    return router
