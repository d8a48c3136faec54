"""What the API does, without HTTP: the steps that several addresses share."""

import uuid
from dataclasses import dataclass

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.server.auth import Authenticator, Caller
from dbt_af_k8s.server.callbacks import callback_problem
from dbt_af_k8s.server.command import Command, check_command
from dbt_af_k8s.server.database import Database
from dbt_af_k8s.server.metrics import Metrics
from dbt_af_k8s.server.operations import has_predicates, installed_problem, is_maintenance, predicate_problems
from dbt_af_k8s.server.outputs import Outputs
from dbt_af_k8s.server.projects import Project, Projects
from dbt_af_k8s.server.settings import ServerConfig
from dbt_af_k8s.server.store import Store
from dbt_af_k8s.server.values import Request, Run, Submitted
from dbt_af_k8s.server.workers import Workers, command_limits


class RefusedError(Exception):
    """A request that is not followed: a status, and sentences about why."""

    def __init__(self, status: int, *problems: str, retry_after: int | None = None) -> None:
        super().__init__(*problems)
        self.status = status
        self.problems = problems
        #: Seconds after which it may be followed.
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the addresses need."""

    config: ServerConfig
    database: Database
    store: Store
    outputs: Outputs
    projects: Projects
    workers: Workers
    metrics: Metrics
    #: None: no authentication.
    authenticator: Authenticator | None

    def submit(
        self,
        caller: Caller,
        *,
        command: list[str],
        task_id: str | None,
        project: Project,
        callback_url: str | None,
        project_dir: str | None = None,
    ) -> Run:
        """Put a command into the queue, once for each task id. Raises `RefusedError`."""
        if self.workers.is_draining:
            raise RefusedError(503, "The server is about to end.", retry_after=5)
        checked = check_command(command, command_limits(self.config, project))
        problems = list(() if isinstance(checked, Command) else checked)
        if isinstance(checked, Command) and checked.project_dir is not None:
            problems += self._other_project(checked.project_dir, project)
        if callback_url is not None:
            problems += [found] if (found := callback_problem(callback_url, self.config.callbacks)) else []
        if isinstance(checked, Command) and checked.macro is not None and is_maintenance(checked.macro):
            problems += self._maintenance_problems(checked, project)
        if problems or not isinstance(checked, Command):
            raise RefusedError(422, *problems)
        name = task_id or str(uuid.uuid4())
        request = Request(name, project.name, checked.words, callback_url, caller.name)
        match self.store.submit(request, self.config.limits.queue):
            case Submitted.FULL:
                raise RefusedError(429, "The queue is full.", retry_after=self._retry_after())
            case Submitted.TAKEN:
                raise RefusedError(409, f"There is another invocation with the task id {name}.")
            case Submitted.NEW:
                self.workers.wake()
        return self.run(name)

    def run(self, task_id: str) -> Run:
        """One invocation. Raises `RefusedError` where there is none."""
        found = self.store.find(task_id)
        if found is None:
            raise RefusedError(404, f"There is no run {task_id}.")
        return found

    def project(self, name: str) -> Project:
        """One project. Raises `RefusedError` where there is none."""
        found = self.projects.find(name)
        if found is None:
            raise RefusedError(404, f"There is no project {name}.")
        return found

    def project_of(self, project_dir: str | None) -> Project:
        """The project that a request for an invocation means. Raises `RefusedError`."""
        try:
            return self.projects.of_request(project_dir)
        except UsageError as reason:
            raise RefusedError(422, str(reason)) from None

    def log_end(self, run: Run, most: int) -> str:
        """The last bytes of a log, from the beginning of a line on."""
        begin = max(0, run.log_bytes - most)
        data = self.outputs.log(run.request.task_id, begin, most + 1).data if most else b""
        if begin and b"\n" in data:
            data = data.partition(b"\n")[2]
        return data.decode("utf-8", "replace")

    def _other_project(self, named: str, project: Project) -> list[str]:
        try:
            if self.projects.of_request(named).name == project.name:
                return []
        except UsageError:
            return ["--project-dir names no project of this server."]
        return ["--project-dir names another project than the request."]

    def _maintenance_problems(self, command: Command, project: Project) -> list[str]:
        """What only the project tells of our own macros: their version, and the SQL that a node's settings hold."""
        problem = installed_problem(project.project_dir)
        problems = [] if problem is None else [problem]
        (args,) = command.values("--args") or ("{}",)
        if has_predicates(args):
            if not project.is_warm:
                return [*problems, "SQL in the arguments of a macro needs a project that is kept warm."]
            prepared = self.workers.warm_of(project).prepared
            if prepared is None:
                raise RefusedError(503, "The project is not parsed yet, or cannot be.", retry_after=5)
            problems += predicate_problems(args, prepared.manifest)
        return problems

    def _retry_after(self) -> int:
        """A guess when there is room: one run of a minute per slot, at most five minutes."""
        return max(1, min(300, 60 // self.config.limits.concurrency))
