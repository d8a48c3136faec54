"""The threads that take invocations from the queue, and the one that keeps house."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.server.command import CommandLimits, check_command
from dbt_af_k8s.server.database import Database, DatabaseError
from dbt_af_k8s.server.metrics import Metrics
from dbt_af_k8s.server.outputs import Outputs
from dbt_af_k8s.server.projects import Project, Projects
from dbt_af_k8s.server.run_as import DbtUser
from dbt_af_k8s.server.runner import Invocation, StopReason
from dbt_af_k8s.server.settings import ServerConfig
from dbt_af_k8s.server.store import Store
from dbt_af_k8s.server.values import Ending, Run
from dbt_af_k8s.server.warm import WarmProject

LOG = logging.getLogger("dbt_af_k8s.server")
#: How often the housekeeper looks, in seconds.
_KEEP_EVERY = 0.5
#: How often a worker looks for what another replica was sent, in seconds.
_POLL_EVERY = 1.0
#: How often old invocations are forgotten, in seconds.
_FORGET_EVERY = 600.0
#: An invocation is ended when the database has been out of reach for this share of the lease.
_FENCE_SHARE = 0.4


def command_limits(config: ServerConfig, project: Project) -> CommandLimits:
    """What a command for this project may be."""
    limits = config.limits
    return CommandLimits(
        limits.verbs, project.targets, limits.words, limits.command_bytes, limits.threads, project.macros
    )


class Workers:
    """All that runs besides the API. `start`, then `drain` and `close`."""

    def __init__(
        self,
        config: ServerConfig,
        database: Database,
        projects: Projects,
        metrics: Metrics,
        *,
        owner: str,
        environment: Mapping[str, str],
        user: DbtUser | None = None,
    ) -> None:
        """`owner` names this process among all that ever use the database; `environment` and `user` are dbt's."""
        self._config = config
        self._is_shared = database.is_shared
        self._lease = float(config.state.lease)
        self._store = Store(database)
        self._outputs = Outputs(database)
        self._projects = projects
        self._metrics = metrics
        self._owner = owner
        self._environment = dict(environment)
        self._user = user
        self._warm: dict[str, WarmProject] = {}
        self._retired: list[WarmProject] = []
        self._running: dict[str, Invocation] = {}
        self._condition = threading.Condition()
        self._renewed = time.monotonic()
        self._is_draining = False
        self._is_closing = threading.Event()
        self._is_prepared = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def is_ready(self) -> bool:
        """Whether invocations are taken."""
        return self._is_prepared.is_set() and not self._is_draining

    @property
    def is_draining(self) -> bool:
        """Whether the server is about to end."""
        return self._is_draining

    def warm_of(self, project: Project) -> WarmProject:
        """The warm side of a project; made, and prepared in the background, at the first call."""
        with self._condition:
            return self._warm_now(project)

    def drop(self, name: str) -> None:
        """End the warm side of a project that is no more."""
        with self._condition:
            found = self._warm.pop(name, None)
            if found is not None:
                self._thread(found.close, f"close {name}")

    def start(self) -> None:
        """Bring what was lost to its end, warm the projects up, and begin to work."""
        for task_id in self._store.end_lost(self._owner):
            LOG.warning("invocation was lost", extra={"task_id": task_id})
        with self._condition:
            for name, project in self._projects.all().items():
                self._warm[name] = WarmProject(project, self._environment, self._user)
            self._thread(self._prepare, "prepare")
            self._thread(self._keep_house, "housekeeper")
            self._thread(self._refresh, "refresher")
            if self._is_shared:
                self._thread(self._fence, "fence")
            for number in range(self._config.limits.concurrency):
                self._thread(self._work, f"worker {number}")

    def wake(self) -> None:
        """There is something new in the queue."""
        with self._condition:
            self._condition.notify()

    def abort(self, task_id: str) -> None:
        """End an invocation if it runs here; the housekeeper of another replica sees it in the database."""
        with self._condition:
            found = self._running.get(task_id)
        if found is not None:
            found.stop(StopReason.ABORT)

    def drain(self, grace: float) -> None:
        """Take nothing more, and wait until what runs has ended; after the grace (seconds), end it."""
        with self._condition:
            self._is_draining = True
            self._condition.notify_all()
            deadline = time.monotonic() + grace
            while self._running and (left := deadline - time.monotonic()) > 0:
                self._condition.wait(left)
            for invocation in self._running.values():
                invocation.stop(StopReason.SHUTDOWN)
            while self._running:
                self._condition.wait(1)

    def close(self) -> None:
        """End everything; after `drain`."""
        self._is_closing.set()
        with self._condition:
            self._is_draining = True
            self._condition.notify_all()
            warm = (*self._warm.values(), *self._retired)
        for project in warm:
            project.close()
        for thread in self._threads:
            thread.join()

    def running(self) -> int:
        """How many invocations run here."""
        return len(self._running)

    def _thread(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _prepare(self) -> None:
        for project in tuple(self._warm.values()):
            if not self._is_closing.is_set():
                project.prepare()
        self._is_prepared.set()
        with self._condition:
            self._condition.notify_all()

    def _work(self) -> None:
        while (invocation := self._next()) is not None:
            began = time.monotonic()
            try:
                ending = invocation.execute()
            except Exception as reason:
                LOG.exception("invocation broke off", extra={"task_id": invocation.run.request.task_id})
                text = f"A fault of the server: {type(reason).__name__}."
                ending = Ending(State.INTERNAL_ERROR, "ServerFault", text)
            self._finish(invocation.run, ending)
            self._metrics.ended(ending.state, invocation.start, time.monotonic() - began)
            with self._condition:
                del self._running[invocation.run.request.task_id]
                self._condition.notify_all()

    def _next(self) -> Invocation | None:
        """Wait for something to do; None when the server ends."""
        while True:
            with self._condition:
                if self._is_draining:
                    return None
                if self._is_prepared.is_set():
                    found = self._claimed()
                    if found is not None:
                        return found
                self._condition.wait(_POLL_EVERY)

    def _claimed(self) -> Invocation | None:
        """Claim under the lock: what is claimed is among `_running` before anybody can look."""
        try:
            run = self._store.claim(self._owner, self._lease)
        except DatabaseError as reason:
            LOG.warning("queue out of reach", extra={"reason": str(reason)})
            return None
        if run is None:
            return None
        try:
            project = self._projects.find(run.request.project)
        except DatabaseError:
            project = None
        if project is None:
            self._finish(run, Ending(State.INTERNAL_ERROR, "NotAllowed", "Its project is not there any more."))
            return None
        command = check_command(run.request.command, command_limits(self._config, project))
        if isinstance(command, tuple):
            text = "The settings do not allow it any more: "
            self._finish(run, Ending(State.INTERNAL_ERROR, "NotAllowed", text + " ".join(command)))
            return None
        made = Invocation(
            run,
            command,
            self._warm_now(project),
            owner=self._owner,
            store=self._store,
            outputs=self._outputs,
            runtime=self._config.limits.runtime_of(command.verb),
            log_bytes=self._config.limits.log_bytes,
            artifact_bytes=self._config.limits.artifact_bytes,
        )
        self._running[run.request.task_id] = made
        LOG.info("invocation started", extra={"task_id": run.request.task_id, "verb": command.verb})
        return made

    def _warm_now(self, project: Project) -> WarmProject:
        """As `warm_of`, under the lock."""
        found = self._warm.get(project.name)
        if found is not None and found.project == project:
            return found
        if found is not None:
            # It may still run something.
            self._retired.append(found)
        made = self._warm[project.name] = WarmProject(project, self._environment, self._user)
        self._thread(made.prepare, f"prepare {project.name}")
        return made

    def _finish(self, run: Run, ending: Ending) -> None:
        """Write the ending, however long the database takes to come back."""
        task_id = run.request.task_id
        while True:
            try:
                kept = self._store.finish(task_id, self._owner, ending)
            except DatabaseError as reason:
                LOG.warning("ending not written yet", extra={"task_id": task_id, "reason": str(reason)})
                if self._is_closing.wait(1):
                    return
                continue
            told = {
                "task_id": task_id,
                "state": ending.state,
                "exc_type": ending.exc_type,
                "exit_code": ending.exit_code,
            }
            LOG.info("invocation ended" if kept else "invocation was taken for lost", extra=told)
            return

    def _keep_house(self) -> None:
        renewed = forgotten = time.monotonic()
        while not self._is_closing.wait(_KEEP_EVERY):
            with self._condition:
                running = dict(self._running)
            now = time.monotonic()
            try:
                for invocation in running.values():
                    invocation.tick()
                if now - renewed >= min(self._lease / 4, 5):
                    self._store.renew(self._owner, sorted(running), self._lease)
                    renewed = self._renewed = now
                    for task_id in self._store.end_lost(self._owner) if self._is_shared else ():
                        LOG.warning("invocation was lost", extra={"task_id": task_id})
                for task_id in self._store.aborted_of(self._owner) if running else ():
                    self.abort(task_id)
                if now - forgotten >= _FORGET_EVERY:
                    self._store.forget(float(self._config.state.keep))
                    forgotten = now
            except DatabaseError as reason:
                LOG.warning("database out of reach", extra={"reason": str(reason)})

    def _fence(self) -> None:
        """End what runs before another replica takes it for lost. A lost database may block the other threads."""
        while not self._is_closing.wait(_KEEP_EVERY):
            if time.monotonic() - self._renewed > self._lease * _FENCE_SHARE:
                # Without the lock: who holds it may be waiting for the database.
                for invocation in self._running.copy().values():
                    invocation.stop(StopReason.LEASE)

    def _refresh(self) -> None:
        """Prepare projects anew that have changed. Its own thread, for a parse takes long."""
        while not self._is_closing.wait(_KEEP_EVERY):
            with self._condition:
                warm = tuple(self._warm.values()) if self._is_prepared.is_set() else ()
            for project in warm:
                project.refresh()
