"""Run the nodes of one task by one dbt process, and judge it. Needs no Airflow."""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dbt_af_k8s.dbt.command import dbt_argv
from dbt_af_k8s.dbt.logs import LogDigest, LogLine, read_line
from dbt_af_k8s.dbt.process import GRACE_SECONDS, ChildProcess, ProcessEnd
from dbt_af_k8s.dbt.results import Verdict, read_results, verdict
from dbt_af_k8s.dbt.slices.start import refusal_in, start_from_slice
from dbt_af_k8s.dbt.slices.values import NoSlice
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject

OnLine = Callable[[LogLine], None]


class DbtRun:
    """One try of one task. `stop` may be called from a signal handler or another thread while `run` works."""

    def __init__(self, invocation: DbtInvocation, project: DbtProject, *, environment: Mapping[str, str]) -> None:
        """`environment` is the worker's; the invocation's own variables go over it."""
        self._invocation = invocation
        self._project = project
        self._environment = {**environment, **dict(invocation.env)}
        self._process: ChildProcess | None = None
        self._is_stopped = False

    def run(
        self,
        *,
        start: datetime,
        end: datetime,
        on_line: OnLine,
        variables: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Verdict:
        """Run dbt for the data interval `[start, end)` in a private target folder, which is gone afterwards.

        `on_line` gets dbt's output as it comes; `timeout` is in seconds. `UsageError` where dbt cannot be started.
        """
        digest = LogDigest()

        def see(text: str) -> None:
            nonlocal digest
            line = read_line(text)
            digest = digest.seen(line)
            on_line(line)

        with tempfile.TemporaryDirectory(prefix="dbt_target_", ignore_cleanup_errors=True) as folder:
            target_path = Path(folder)
            argv = dbt_argv(
                self._invocation, self._project, target_path=target_path, start=start, end=end, variables=variables
            )
            ended = self._from_slice(argv, target_path, see, on_line, timeout)
            if ended is None:
                digest = LogDigest()
                ended = self._end_of(argv, see, timeout)
            results = read_results(target_path)
        expected = tuple(node.unique_id for node in self._invocation.nodes)
        return verdict(expected, results, ended, digest)

    def _from_slice(
        self, argv: Sequence[str], target_path: Path, see: Callable[[str], None], on_line: OnLine, timeout: float | None
    ) -> ProcessEnd | None:
        """Run dbt from the slices of its nodes; None where there are none that fit, which is said in the log."""
        if self._project.slices is None:
            return None
        start = start_from_slice(
            self._invocation,
            self._project.slices,
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
        self._process = ChildProcess(argv, cwd=self._project.project_dir, environment=self._environment)
        if self._is_stopped:
            self._process.stop()
        return self._process.run(see, timeout=timeout)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End dbt and all that it started; see `ChildProcess.stop`."""
        self._is_stopped = True
        if self._process is not None:
            self._process.stop(grace_seconds)


def _told(because: str) -> LogLine:
    return LogLine(logging.INFO, f"No slice of the manifest, so dbt parses the whole project: {because}.")
