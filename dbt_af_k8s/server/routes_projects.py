"""Projects and their models as resources: `/projects`."""

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.dbt.selection import select_argument
from dbt_af_k8s.dbt.values import DbtSelection
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.server.access import NeedAdmin, NeedRead, NeedRun, answers
from dbt_af_k8s.server.bodies import (
    ModelBody,
    ModelList,
    ModelRunRequest,
    ProjectBody,
    ProjectList,
    ProjectRequest,
    RunBody,
    model_body,
    project_body,
    run_body,
)
from dbt_af_k8s.server.routes_invocations import Size
from dbt_af_k8s.server.service import RefusedError, Service
from dbt_af_k8s.server.settings import NAME_PATTERN

InPath = Annotated[str, Path(pattern=NAME_PATTERN, description="Name of the project.")]
ModelId = Annotated[
    str, Path(pattern=r"^model\.[^/?#%]+$", max_length=500, description="dbt's unique_id of the model.")
]
AfterModel = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]


def project_routes(service: Service) -> APIRouter:
    """What can be run here."""
    router = APIRouter(tags=["projects"])

    @router.get("/projects", responses=answers(503))
    def list_projects(caller: NeedRead) -> ProjectList:
        """All projects."""
        found = service.projects.all().values()
        return ProjectList(projects=[project_body(each, service.workers.warm_of(each)) for each in found])

    @router.post("/projects", status_code=201, responses=answers(409, 413, 422, 503))
    def post_project(request: ProjectRequest, caller: NeedAdmin) -> ProjectBody:
        """Register a project below one of the server's `project_roots`. Its folder must be there already."""
        if service.projects.find(request.name) is not None:
            raise RefusedError(409, f"There is a project {request.name} already.")
        try:
            made = service.projects.register(request.name, request.project_dir, request.profiles_dir, request.target)
        except UsageError as reason:
            raise RefusedError(422, str(reason)) from None
        return project_body(made, service.workers.warm_of(made))

    @router.get("/projects/{project}", responses=answers(404, 422, 503))
    def get_project(project: InPath, caller: NeedRead) -> ProjectBody:
        """One project."""
        found = service.project(project)
        return project_body(found, service.workers.warm_of(found))

    @router.delete("/projects/{project}", status_code=204, responses=answers(404, 409, 422, 503))
    def delete_project(project: InPath, caller: NeedAdmin) -> Response:
        """Remove a registered project. Its files stay, and so do its runs."""
        found = service.project(project)
        if found.is_fixed:
            raise RefusedError(409, "The server's settings have it; remove it there.")
        for state in (State.PENDING, State.STARTED):
            if service.store.page(size=1, after=None, state=state, project=project).runs:
                raise RefusedError(409, "It has runs that have not ended.")
        service.projects.remove(project)
        service.workers.drop(project)
        return Response(status_code=204)

    @router.get("/projects/{project}/models", responses=answers(404, 409, 422, 503))
    def list_models(project: InPath, caller: NeedRead, limit: Size = 100, after: AfterModel = None) -> ModelList:
        """Models of a project, by unique_id, as dbt parsed it last."""
        found = sorted(_models(service, project).items())
        rest = [node for unique_id, node in found if after is None or unique_id > after]
        page = rest[:limit]
        return ModelList(
            models=[model_body(node) for node in page], next=page[-1].unique_id if len(rest) > limit else None
        )

    @router.get("/projects/{project}/models/{unique_id}", responses=answers(404, 409, 422, 503))
    def get_model(project: InPath, unique_id: ModelId, caller: NeedRead) -> ModelBody:
        """One model."""
        return model_body(_model(service, project, unique_id))

    @router.post(
        "/projects/{project}/models/{unique_id}/runs", status_code=202, responses=answers(404, 409, 413, 422, 429, 503)
    )
    def run_model(project: InPath, unique_id: ModelId, request: ModelRunRequest, caller: NeedRun) -> RunBody:
        """Run one model and nothing else."""
        node = _model(service, project, unique_id)
        command = ["run", "--select", select_argument(DbtSelection(unique_id, "model", node.package, node.fqn))]
        command += ["--full-refresh"] if request.full_refresh else []
        command += ["--vars", json.dumps(request.variables)] if request.variables else []
        return run_body(
            service.submit(
                caller,
                command=command,
                task_id=request.task_id,
                project=service.project(project),
                callback_url=request.callback_url,
            )
        )

    return router


def _models(service: Service, project: str) -> dict[str, Node]:
    prepared = service.workers.warm_of(service.project(project)).prepared
    if prepared is None:
        raise RefusedError(409, "The project is not parsed yet, or cannot be; see its `problem`.", retry_after=5)
    return {key: node for key, node in prepared.manifest.nodes.items() if node.resource_type == "model"}


def _model(service: Service, project: str, unique_id: str) -> Node:
    found = _models(service, project).get(unique_id)
    if found is None:
        raise RefusedError(404, f"The project has no model {unique_id}.")
    return found
