"""What requests and answers hold, as the OpenAPI description shows it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.server.projects import Project
from dbt_af_k8s.server.settings import Name
from dbt_af_k8s.server.values import Page, Run
from dbt_af_k8s.server.warm import WarmProject

#: A task id is a part of an address, so it has no `/`, `?`, `#`, `%` or blank.
TASK_ID_PATTERN = r"^[A-Za-z0-9_~@+=:,.-]{1,250}$"
TaskId = Annotated[str, StringConstraints(pattern=TASK_ID_PATTERN)]
_URL = Annotated[str, StringConstraints(max_length=2000)]
_PATH = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Why a request is not followed."""

    status_code: int = Field(description="The status of the answer.")
    message: str = Field(description="What is wrong, for a person.")
    problems: list[str] = Field(description="Everything that is wrong, a sentence each.")


class InvocationRequest(_Body):
    """A dbt command to run."""

    command: list[str] = Field(description='Words of the command without `dbt`: `["run", "--select", "orders"]`.')
    task_id: TaskId | None = Field(
        default=None,
        description="The client's name for it. One request under one name is one invocation, however often it comes.",
    )
    project_dir: _PATH | None = Field(
        default=None,
        description="Name or folder of one of the server's projects. May be left out where there is only one.",
    )
    callback_url: _URL | None = Field(
        default=None, description="Is called with `{task_id, status, state}` when the invocation starts and ends."
    )


class InvocationAccepted(BaseModel):
    """The invocation is in the queue, or was there already."""

    task_id: str = Field(description="Its name.")
    log_path: str = Field(description="Where its log is read, on this server.")


class Invocation(BaseModel):
    """Where an invocation stands."""

    task_id: str = Field(description="Its name.")
    state: State = Field(description="NOT_FOUND where there is none of this name; it comes with status 200.")
    exc_type: str | None = Field(
        default=None,
        description="Why it ended badly, a word: NodeFailure, DbtError, Killed, RuntimeLimit, Aborted, ServerLost, "
        "ServerStopped, ServerFault, DbtNotStarted, WarmLost, NotAllowed.",
    )
    exc_message: str | None = Field(default=None, description="The same for a person, in dbt's words where it has any.")
    log_content: str = Field(default="", description="The log, dbt's JSON lines; of a long one its end (`log_bytes`).")


class InvocationList(BaseModel):
    """Invocations, the newest first, without their logs."""

    invocations: list[Invocation] = Field(description="This page.")
    next: str | None = Field(default=None, description="`after` of the next page; null at the end.")


class RunRequest(_Body):
    """A dbt command to run, by the project's name."""

    project: Name = Field(description="Name of the project.")
    command: list[str] = Field(description="Words of the command without `dbt`.")
    task_id: TaskId | None = Field(default=None, description="As for invocations.")
    callback_url: _URL | None = Field(default=None, description="As for invocations.")


class ModelRunRequest(_Body):
    """How to run one model."""

    task_id: TaskId | None = Field(default=None, description="As for invocations.")
    full_refresh: bool = Field(default=False, description="dbt's `--full-refresh`.")
    variables: dict[str, Any] = Field(default={}, description="dbt vars.")
    callback_url: _URL | None = Field(default=None, description="As for invocations.")


class RunBody(BaseModel):
    """An invocation with all that is known of it. Times are ISO 8601, UTC."""

    id: str = Field(description="The task id.")
    project: str = Field(description="Name of the project.")
    command: list[str] = Field(description="Words of the command.")
    state: State = Field(description="As of invocations.")
    client: str = Field(description="Who asked for it.")
    created_at: datetime = Field(description="When it came.")
    started_at: datetime | None = Field(default=None, description="When a server took it.")
    ended_at: datetime | None = Field(default=None, description="When it ended.")
    start: str | None = Field(
        default=None,
        description="How dbt was started: `slice` and `parse` in a warm process that has the project parsed, `import` "
        "in one that has dbt imported, `cold` by itself.",
    )
    exit_code: int | None = Field(default=None, description="dbt's exit code; negative for a signal.")
    exc_type: str | None = Field(default=None, description="As of invocations.")
    exc_message: str | None = Field(default=None, description="As of invocations.")
    abort_requested: bool = Field(description="Whether a client asked for its end.")
    log_bytes: int = Field(description="Bytes of its log so far.")
    is_removed: bool = Field(description="Whether its log and artefacts were removed.")


class RunList(BaseModel):
    """Runs, the newest first."""

    runs: list[RunBody] = Field(description="This page.")
    next: str | None = Field(default=None, description="`after` of the next page; null at the end.")


class LogBody(BaseModel):
    """A part of a log, in whole lines."""

    task_id: str = Field(description="Whose log it is.")
    offset: int = Field(description="Where the part begins, in bytes.")
    next_offset: int = Field(description="`offset` of the next part.")
    is_end: bool = Field(description="Whether nothing more will come.")
    state: State = Field(description="Where the invocation stands.")
    content: str = Field(description="Lines of dbt's JSON log.")


class ArtifactBody(BaseModel):
    """A file that dbt wrote."""

    name: str = Field(description="Its name.")
    bytes: int = Field(description="Its size.")


class ArtifactList(BaseModel):
    """The artefacts of a run."""

    artifacts: list[ArtifactBody] = Field(description="All, by name.")


class ProjectRequest(_Body):
    """A project to register."""

    name: Name = Field(description="Its name.")
    project_dir: _PATH = Field(description="Folder of dbt_project.yml, below one of the server's `project_roots`.")
    profiles_dir: _PATH | None = Field(default=None, description="Folder of profiles.yml. Default: the project's.")
    target: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="dbt target. Default: the profile's."
    )


class ProjectBody(BaseModel):
    """A dbt project of the server."""

    name: str = Field(description="Its name.")
    project_dir: str = Field(description="Its folder on the server.")
    target: str | None = Field(
        default=None, description="The dbt target of commands that name none; null: the profile's."
    )
    is_fixed: bool = Field(description="Whether the settings file has it, so that it cannot be removed.")
    is_warm: bool = Field(description="Whether dbt waits with the project parsed.")
    problem: str | None = Field(default=None, description="Why it is not warm.")
    models: int | None = Field(default=None, description="How many models it has; null before it was parsed.")
    manifest_sha256: str | None = Field(default=None, description="Hash of the manifest that the parse gave.")


class ProjectList(BaseModel):
    """The projects of the server."""

    projects: list[ProjectBody] = Field(description="All, by name.")


class ModelBody(BaseModel):
    """A model, as dbt parsed it."""

    unique_id: str = Field(description="dbt's name of it.")
    name: str = Field(description="Its short name.")
    materialized: str = Field(description="`table`, `view`, ...")
    relation: str | None = Field(default=None, description="Its relation in the warehouse.")
    file: str = Field(description="Its file, relative to its package.")
    tags: list[str] = Field(description="Its tags.")
    parents: list[str] = Field(description="What it reads, by dbt's names.")


class ModelList(BaseModel):
    """Models of a project."""

    models: list[ModelBody] = Field(description="This page, by unique_id.")
    next: str | None = Field(default=None, description="`after` of the next page; null at the end.")


class Health(BaseModel):
    """Whether the server does its work."""

    status: str = Field(description="`ok`, or why not.")


def run_body(run: Run) -> RunBody:
    """A run as clients see it."""
    return RunBody(
        id=run.request.task_id,
        project=run.request.project,
        command=list(run.request.command),
        state=run.state,
        client=run.request.client,
        created_at=_moment(run.created_at),
        started_at=None if run.started_at is None else _moment(run.started_at),
        ended_at=None if run.ended_at is None else _moment(run.ended_at),
        start=run.start,
        exit_code=run.exit_code,
        exc_type=run.exc_type,
        exc_message=run.exc_message,
        abort_requested=run.abort_requested,
        log_bytes=run.log_bytes,
        is_removed=run.is_removed,
    )


def invocation_body(run: Run, log_content: str = "") -> Invocation:
    """An invocation as clients see it."""
    return Invocation(
        task_id=run.request.task_id,
        state=run.state,
        exc_type=run.exc_type,
        exc_message=run.exc_message,
        log_content=log_content,
    )


def invocation_list(page: Page) -> InvocationList:
    """A page of invocations."""
    return InvocationList(invocations=[invocation_body(run) for run in page.runs], next=page.next)


def run_list(page: Page) -> RunList:
    """A page of runs."""
    return RunList(runs=[run_body(run) for run in page.runs], next=page.next)


def project_body(project: Project, warm: WarmProject) -> ProjectBody:
    """A project as clients see it."""
    prepared = warm.prepared
    nodes = () if prepared is None else prepared.manifest.nodes.values()
    return ProjectBody(
        name=project.name,
        project_dir=str(project.project_dir),
        target=project.target,
        is_fixed=project.is_fixed,
        is_warm=warm.is_loaded,
        problem=warm.problem,
        models=None if prepared is None else sum(node.resource_type == "model" for node in nodes),
        manifest_sha256=None if prepared is None else prepared.manifest.sha256,
    )


def model_body(node: Node) -> ModelBody:
    """A model as clients see it."""
    return ModelBody(
        unique_id=node.unique_id,
        name=node.name,
        materialized=node.materialized,
        relation=node.relation_name,
        file=node.file,
        tags=list(node.tags),
        parents=list(node.parents),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
