"""Run one claimed invocation: start dbt, keep its log and artefacts, and say how it ended."""

import logging
import signal
import tempfile
import threading
from enum import StrEnum
from pathlib import Path

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.dbt.logs import LogDigest, read_line, without_credentials
from dbt_af_k8s.dbt.process import ChildProcess, ProcessEnd
from dbt_af_k8s.dbt.results import last_errors
from dbt_af_k8s.dbt.slices.start import REFUSAL
from dbt_af_k8s.dbt.warm_parent import WRONG_PARSE, FromParse, FromSlices, Start, WarmLostError, WarmRun
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.server.command import Command
from dbt_af_k8s.server.database import DatabaseError
from dbt_af_k8s.server.environment import missed_hint
from dbt_af_k8s.server.operations import root_macro
from dbt_af_k8s.server.outputs import ARTIFACTS, LogWriter, Outputs
from dbt_af_k8s.server.run_as import read_left
from dbt_af_k8s.server.store import Store
from dbt_af_k8s.server.values import Ending, Run
from dbt_af_k8s.server.warm import WarmProject

LOG = logging.getLogger("dbt_af_k8s.server")


class StopReason(StrEnum):
    """Why the server ends an invocation."""

    ABORT = "abort"
    SHUTDOWN = "shutdown"
    #: The database is out of reach, and another replica may take it for lost.
    LEASE = "lease"


class Invocation:
    """One claimed invocation at work. `stop` and `tick` may be called from other threads."""

    def __init__(
        self,
        run: Run,
        command: Command,
        project: WarmProject,
        *,
        owner: str,
        store: Store,
        outputs: Outputs,
        runtime: float,
        log_bytes: int,
        artifact_bytes: int,
    ) -> None:
        self.run = run
        self._command = command
        self._project = project
        self._owner = owner
        self._store = store
        self._outputs = outputs
        self._runtime = runtime
        self._artifact_bytes = artifact_bytes
        self._log = LogWriter(outputs, run.request.task_id, log_bytes)
        self._digest = LogDigest()
        self._process: WarmRun | ChildProcess | None = None
        self._reason: StopReason | None = None
        self._lock = threading.Lock()
        #: How dbt was started in the end.
        self.start = "cold"

    def stop(self, reason: StopReason) -> None:
        """End dbt and all that it started; the first reason counts."""
        with self._lock:
            if self._reason is None:
                self._reason = reason
            if self._process is not None:
                self._process.stop()

    def tick(self) -> None:
        """Write the part of the log that has waited long enough."""
        self._log.tick()

    def execute(self) -> Ending:
        """Run dbt to its end."""
        with tempfile.TemporaryDirectory(prefix="dbt_target_", ignore_cleanup_errors=True) as folder:
            target_path = self._project.user.inner(Path(folder), "target")
            try:
                ended = self._dbt(target_path)
            except (UsageError, WarmLostError) as reason:
                ending = self._lost(reason)
            else:
                ending = self._ending(ended)
            self._keep(target_path)
        self._log.close()
        return ending

    def _dbt(self, target_path: Path) -> ProcessEnd:
        words = (*self._words(), *self._project.target_arguments(self._command))
        argv = (*words, *self._project.arguments(target_path))
        start = self._project.choose_start(self._command, argv, target_path)
        ended = self._process_end(argv, start)
        did_nothing = ended.exit_code == WRONG_PARSE or (target_path / REFUSAL).exists()
        if start is None or not did_nothing or ended.was_stopped:
            return ended
        self._digest = LogDigest()
        return self._process_end(argv, None)

    def _words(self) -> tuple[str, ...]:
        """The command, with the macro of `run-operation` by its whole name."""
        macro = self._command.macro
        if macro is None:
            return self._command.words
        return (self._command.verb, root_macro(macro, self._project.project.project_dir), *self._command.arguments[1:])

    def _process_end(self, argv: tuple[str, ...], start: Start) -> ProcessEnd:
        process = self._project.new_run(argv, start)
        self.start = _start_word(process, start)
        self._store.begun(self.run.request.task_id, self._owner, self.start)
        with self._lock:
            self._process = process
            if self._reason is not None:
                process.stop()
        return process.run(self._see, timeout=self._runtime)

    def _see(self, text: str) -> None:
        self._digest = self._digest.seen(read_line(text))
        self._log.add(without_credentials(text))

    def _ending(self, ended: ProcessEnd) -> Ending:
        if ended.exit_code == 0:
            return Ending(State.SUCCESS, exit_code=0)
        code = ended.exit_code
        if ended.is_timeout:
            text = f"It ran longer than {self._runtime:.0f} s, the server's limit."
            return Ending(State.FAILURE, "RuntimeLimit", text, code)
        if ended.was_stopped:
            return self._stopped(code)
        if code < 0:
            return Ending(State.FAILURE, "Killed", f"dbt was killed by {_signal_name(-code)}.", code)
        said = self._digest.fatal or last_errors(self._digest).strip() or f"dbt ended with exit code {code}."
        if self._digest.of_nodes and self._digest.fatal is None:
            said = "\n".join(self._digest.of_nodes[-3:])
        said += missed_hint(said)
        # dbt's own codes: 1 where it ran and something failed, 2 where it could not run.
        return Ending(State.FAILURE, "NodeFailure" if code == 1 else "DbtError", said, code)

    def _stopped(self, code: int | None) -> Ending:
        if self._reason is StopReason.ABORT:
            return Ending(State.ABORTED, "Aborted", "A client aborted it.", code)
        text = "The server ended it, because the server itself was told to end."
        if self._reason is StopReason.LEASE:
            text = "The server ended it, because its database was out of reach."
        return Ending(State.INTERNAL_ERROR, "ServerStopped", text, code)

    def _lost(self, reason: UsageError | WarmLostError) -> Ending:
        if isinstance(reason, UsageError):
            return Ending(State.INTERNAL_ERROR, "DbtNotStarted", str(reason))
        if self._reason is not None:
            return self._stopped(None)
        return Ending(State.INTERNAL_ERROR, "WarmLost", f"{reason} Whether dbt finished is not known.")

    def _keep(self, target_path: Path) -> None:
        """Keep dbt's artefacts; one that cannot be kept is no reason to lose the ending."""
        for name in ARTIFACTS:
            path = target_path / name
            try:
                # With a slice dbt writes the slice as its manifest, which is of no use to anybody.
                if name == "manifest.json" and self.start == "slice":
                    continue
                content = read_left(path, self._artifact_bytes)
                if content is not None:
                    self._outputs.keep_artifact(self.run.request.task_id, name, content)
            except FileNotFoundError:
                continue
            except (OSError, DatabaseError) as reason:
                told = {"task_id": self.run.request.task_id, "artifact": name, "reason": str(reason)}
                LOG.warning("artefact not kept", extra=told)


def _start_word(process: WarmRun | ChildProcess, start: Start) -> str:
    if isinstance(process, ChildProcess):
        return "cold"
    return {FromSlices: "slice", FromParse: "parse"}.get(type(start), "import")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
