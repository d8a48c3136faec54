"""dbt as a process of the machine that runs the task."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dbt_af_k8s.dbt.ancestors import task_ancestors
from dbt_af_k8s.dbt.command import argv_here
from dbt_af_k8s.dbt.freshness import read_source_ages
from dbt_af_k8s.dbt.logs import LogDigest, LogLine, read_line
from dbt_af_k8s.dbt.place import OnLine, Outcome, PlaceError
from dbt_af_k8s.dbt.process import GRACE_SECONDS, ChildProcess, ProcessEnd
from dbt_af_k8s.dbt.results import read_results
from dbt_af_k8s.dbt.slices.start import refusal_in, start_from_slice
from dbt_af_k8s.dbt.slices.values import NoSlice
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject

#: Room for dbt's artefacts and compiled files, in bytes, without which it is not started.
_NEEDED_ROOM = 32 * 1024 * 1024


class Here:
    """The machine of the task, as a place where dbt runs (`dbt.place`).

    Each run starts one dbt process with a private target folder, which is gone afterwards.
    """

    def __init__(
        self,
        invocation: DbtInvocation,
        project: DbtProject,
        *,
        environment: Mapping[str, str],
        on_artifacts: Callable[[Path], None] | None = None,
    ) -> None:
        """`environment` is the worker's; the invocation's own variables go over it.

        `on_artifacts` gets dbt's target folder when dbt has ended, well or not, before the folder is removed.
        """
        self._invocation = invocation
        self._project = project
        self._environment = {**environment, **dict(invocation.env)}
        self._on_artifacts = on_artifacts
        self._ancestors = task_ancestors()
        self._process: ChildProcess | None = None
        self._is_stopped = False

    def run(
        self, words: Sequence[str], *, on_line: OnLine, see: OnLine, timeout: float | None, may_slice: bool
    ) -> Outcome:
        """Run dbt, from slices of its nodes where there are some that fit."""
        _check_room(Path(tempfile.gettempdir()))
        digest = LogDigest()

        def read(text: str) -> None:
            nonlocal digest
            line = read_line(text)
            digest = digest.seen(line)
            see(line)
            on_line(line)

        with tempfile.TemporaryDirectory(prefix="dbt_target_", ignore_cleanup_errors=True) as folder:
            target_path = Path(folder)
            argv = argv_here(words, self._project, executable=self._invocation.executable, target_path=target_path)
            # dbt writes the slice as its manifest.json: no manifest for those who want the artefacts.
            ended = None
            if may_slice and self._on_artifacts is None:
                ended = self._from_slice(argv, target_path, read, on_line, timeout)
            if ended is None:
                digest = LogDigest()
                ended = self._end_of(argv, read, timeout)
            outcome = Outcome(ended, digest, read_results(target_path), read_source_ages(target_path))
            if self._on_artifacts is not None:
                self._on_artifacts(target_path)
            return outcome

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End dbt and all that it started; see `ChildProcess.stop`."""
        self._is_stopped = True
        if self._process is not None:
            self._process.stop(grace_seconds)

    def _from_slice(
        self, argv: Sequence[str], target_path: Path, see: Callable[[str], None], on_line: OnLine, timeout: float | None
    ) -> ProcessEnd | None:
        """Run dbt from the slices of its nodes; None where there are none that fit, which is said in the log."""
        store = self._project.slices_for(self._invocation.target)
        if store is None:
            return None
        start = start_from_slice(
            self._invocation,
            store,
            argv,
            project_dir=self._project.project_dir,
            target_path=target_path,
            environment=self._environment,
        )
        if isinstance(start, NoSlice):
            on_line(_told(start.because))
            return None
        ended = self._end_of(start.argv, see, timeout)
        because = refusal_in(target_path)
        if because is None or ended.was_stopped:
            return ended
        on_line(_told(because))
        return None

    def _end_of(self, argv: Sequence[str], see: Callable[[str], None], timeout: float | None) -> ProcessEnd:
        self._process = ChildProcess(
            argv, cwd=self._project.project_dir, environment=self._environment, depends_on=self._ancestors
        )
        if self._is_stopped:
            self._process.stop()
        return self._process.run(see, timeout=timeout)


def _told(because: str) -> LogLine:
    return LogLine(logging.INFO, f"No slice of the manifest, so dbt parses the whole project: {because}.")


def _check_room(folder: Path) -> None:
    """Raise `PlaceError` where dbt could build and then not write what it did: each retry would build again."""
    free = shutil.disk_usage(folder).free
    if free < _NEEDED_ROOM:
        raise PlaceError(
            f"There is no room for dbt's results in {folder}: {free // 1024**2} MB are free, "
            f"{_NEEDED_ROOM // 1024**2} MB are needed. dbt was not started. Make room, or set TMPDIR."
        )
