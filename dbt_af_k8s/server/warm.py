"""One project kept warm: a process with dbt imported and the project parsed, made anew when either is stale."""

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from dbt_af_k8s.dbt.command import FIXED_FLAGS
from dbt_af_k8s.dbt.logs import LogDigest, read_line
from dbt_af_k8s.dbt.process import ChildProcess
from dbt_af_k8s.dbt.slices.start import REFUSAL, program_path, python_of, start_from_slice
from dbt_af_k8s.dbt.slices.values import NoSlice
from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.dbt.warm_parent import FromParse, FromSlices, Start, WarmDbt, WarmRun
from dbt_af_k8s.errors import DbtAfK8sError
from dbt_af_k8s.server.command import Command
from dbt_af_k8s.server.environment import missed_hint
from dbt_af_k8s.server.prepared import Prepared, fingerprint_of, read_prepared
from dbt_af_k8s.server.projects import Project
from dbt_af_k8s.server.run_as import DbtUser

LOG = logging.getLogger("dbt_af_k8s.server")
#: How long dbt may take to be imported, and a saved parse to be read, in seconds.
_READY_SECONDS = 300.0
#: How long `dbt parse` may take, in seconds.
_PARSE_SECONDS = 1800.0
#: A state of the project's files holds for so long, in seconds.
_LOOK_EVERY = 1.0


class WarmProject:
    """The warm process of one project. Methods may be called from any thread."""

    def __init__(self, project: Project, environment: Mapping[str, str], user: DbtUser | None = None) -> None:
        """`environment` and `user` are those of dbt's processes."""
        self.project = project
        self.user = user or DbtUser()
        self._environment = self.user.environment(environment)
        self._folder = tempfile.TemporaryDirectory(prefix="dbt_af_k8s_warm_", ignore_cleanup_errors=True)
        self._lock = threading.Lock()
        self._preparing = threading.Lock()
        self._warm: WarmDbt | None = None
        self._prepared: Prepared | None = None
        self._is_loaded = False
        self._is_closed = False
        self._is_stale = False
        self._seen: tuple[float, str] | None = None
        self._count = 0
        #: Why it is not warm, for people; None where it is.
        self.problem: str | None = "not prepared yet"

    @property
    def prepared(self) -> Prepared | None:
        """The last parse that succeeded."""
        return self._prepared

    def arguments(self, target_path: Path) -> tuple[str, ...]:
        """What every command gets."""
        return (
            *("--project-dir", str(self.project.project_dir), "--profiles-dir", str(self.project.profiles_dir)),
            *("--target-path", str(target_path), "--log-path", str(target_path / "logs")),
            *FIXED_FLAGS,
        )

    def target_arguments(self, command: Command) -> tuple[str, ...]:
        """The project's own target, where the command names none."""
        if self.project.target is None or command.values("--target") is not None:
            return ()
        return ("--target", self.project.target)

    def prepare(self) -> None:
        """Import dbt, parse the project and load the parse. Says in `problem` and in the log what went wrong."""
        with self._preparing:
            self._is_stale = False
            try:
                self.problem = self._prepare() if self.project.is_warm else "switched off"
            except (DbtAfK8sError, OSError) as reason:
                self.problem = str(reason)
        if self.problem is None:
            LOG.info("project is warm", extra={"project": self.project.name})
        elif self.project.is_warm:
            LOG.warning("project is not warm", extra={"project": self.project.name, "reason": self.problem})

    def new_cold_run(self, argv: tuple[str, ...]) -> ChildProcess:
        """A dbt command in a process that imports dbt by itself."""
        words = (self.project.program, *argv)
        return ChildProcess(words, cwd=self.project.project_dir, environment=self._environment, run_as=self.user.other)

    def new_run(self, argv: tuple[str, ...], start: Start) -> WarmRun | ChildProcess:
        """A dbt command in a child of the warm process, or in a cold one where there is none."""
        warm = self._warm
        if warm is None or not warm.is_alive:
            return self.new_cold_run(argv)
        return warm.new_run(argv, cwd=self.project.project_dir, start=start)

    @property
    def is_warm(self) -> bool:
        """Whether dbt is imported."""
        return self._warm is not None and self._warm.is_alive

    @property
    def is_loaded(self) -> bool:
        """Whether dbt is imported and holds the last parse."""
        return self.is_warm and self._is_loaded

    def choose_start(self, command: Command, argv: tuple[str, ...], target_path: Path) -> Start:
        """What a command starts from: slices of its nodes, the saved parse, or the project itself (None)."""
        prepared = self._prepared
        if prepared is None or not self.is_warm:
            return None
        sliced = prepared.sliced_nodes(command)
        if sliced is not None and isinstance(prepared.slices, Path):
            verb, nodes = sliced
            found = start_from_slice(
                DbtInvocation(verb, nodes),
                prepared.slices,
                (self.project.program, *argv),
                project_dir=self.project.project_dir,
                target_path=target_path,
                environment=self._environment,
            )
            if not isinstance(found, NoSlice):
                ids = tuple(node.unique_id for node in nodes)
                return FromSlices(prepared.slices, target_path / REFUSAL, ids)
            self._note_change(prepared)
        if self._is_loaded and prepared.fits(command) and not self._note_change(prepared):
            return FromParse(prepared.parse)
        return None

    def close(self) -> None:
        """End the process and remove its files."""
        with self._lock:
            self._is_closed = True
            warm, self._warm = self._warm, None
        if warm is not None:
            warm.close()
        self._folder.cleanup()

    def refresh(self) -> None:
        """Prepare anew where the project has changed or the process has gone; called from time to time."""
        lost = self._warm is not None and not self._warm.is_alive
        if self.project.is_warm and (self._is_stale or lost):
            self.prepare()

    def _note_change(self, prepared: Prepared) -> bool:
        """Whether the project has changed since it was parsed."""
        if self._fingerprint() == prepared.fingerprint:
            return False
        self._is_stale = True
        return True

    def _fingerprint(self) -> str:
        seen = self._seen
        if seen is None or time.monotonic() - seen[0] > _LOOK_EVERY:
            seen = (time.monotonic(), fingerprint_of(self.project.project_dir, self.project.profiles_dir))
            self._seen = seen
        return seen[1]

    def _prepare(self) -> str | None:
        if not self.is_warm:
            problem = self._start()
            if problem is not None:
                return problem
        self._count += 1
        # dbt writes into a folder of its own; what we make of it lies where dbt cannot write.
        kept = Path(self._folder.name, str(self._count))
        kept.mkdir()
        Path(self._folder.name).chmod(0o711)
        folder = self.user.inner(kept, "target")
        fingerprint = fingerprint_of(self.project.project_dir, self.project.profiles_dir)
        words: list[str] = []
        target = ("--target", self.project.target) if self.project.target else ()
        argv = ("parse", *self.arguments(folder), *target)
        ended = self.new_run(argv, None).run(words.append, timeout=_PARSE_SECONDS)
        if ended.exit_code != 0:
            said = _last(words)
            return f"dbt parse ended with {ended.exit_code}: {said}{missed_hint(said)}"
        prepared = read_prepared(folder, kept, self.project.project_dir, fingerprint)
        # The one before may still be in use by an invocation that has just begun.
        shutil.rmtree(Path(self._folder.name, str(self._count - 2)), ignore_errors=True)
        self._is_loaded = False
        self._prepared = prepared
        warm = self._warm
        if warm is None:
            return "it is not needed any more"
        problem = warm.load(prepared.parse, _READY_SECONDS)
        self._is_loaded = problem is None
        return None if problem is None else f"dbt's parse cannot be loaded: {problem}"

    def _start(self) -> str | None:
        program = program_path(self.project.program, self._environment)
        python = None if program is None else python_of(program, self._environment)
        if program is None or python is None:
            return f"{self.project.program} is no script of a Python environment that can be read"
        with self._lock:
            if self._is_closed:
                return "it is not needed any more"
            warm = self._warm = WarmDbt(python, program, self._environment, run_as=self.user.other)
        return None if warm.wait(_READY_SECONDS) else "dbt cannot be imported"


def _last(words: list[str]) -> str:
    digest = LogDigest()
    for word in words:
        digest = digest.seen(read_line(word))
    return digest.fatal or (digest.errors[-1] if digest.errors else "\n".join(words[-3:]))
