"""Run the nodes of one task by one dbt process, and judge it. Needs no Airflow."""

import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dbt_af_k8s.dbt.command import dbt_argv
from dbt_af_k8s.dbt.logs import LogDigest, LogLine, read_line
from dbt_af_k8s.dbt.process import GRACE_SECONDS, ChildProcess, ProcessEnd
from dbt_af_k8s.dbt.results import Verdict, read_results, verdict
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject


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
        on_line: Callable[[LogLine], None],
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
            self._process = ChildProcess(argv, cwd=self._project.project_dir, environment=self._environment)
            if self._is_stopped:
                self._process.stop()
            ended: ProcessEnd = self._process.run(see, timeout=timeout)
            results = read_results(target_path)
        expected = tuple(node.unique_id for node in self._invocation.nodes)
        return verdict(expected, results, ended, digest)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End dbt and all that it started; see `ChildProcess.stop`."""
        self._is_stopped = True
        if self._process is not None:
            self._process.stop(grace_seconds)
