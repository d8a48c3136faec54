"""Run one dbt process for one task, and judge it. Needs no Airflow."""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from dbt_af_k8s.dbt.command import dbt_argv, operation_argv, selection_argv
from dbt_af_k8s.dbt.freshness import FreshnessVerdict, judge_freshness, read_source_ages
from dbt_af_k8s.dbt.logs import LogDigest, LogLine, read_line
from dbt_af_k8s.dbt.maintenance import maintenance_result
from dbt_af_k8s.dbt.operation import OperationVerdict, judge_operation
from dbt_af_k8s.dbt.process import GRACE_SECONDS, ChildProcess, ProcessEnd
from dbt_af_k8s.dbt.results import Verdict, read_results, verdict, verdict_of_build, verdict_of_selection
from dbt_af_k8s.dbt.slices.start import refusal_in, start_from_slice
from dbt_af_k8s.dbt.slices.values import NoSlice
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, FreeSelection

Judged = TypeVar("Judged")
OnLine = Callable[[LogLine], None]


class DbtRun:
    """One try of one task. `stop` may be called from a signal handler or another thread while dbt works.

    Each of `run`, `build`, `look`, `maintain` and `run_selection` starts one dbt process for the data interval
    `[start, end)` with a private target folder, which is gone afterwards. `on_line` gets dbt's output as it comes;
    `timeout` is in seconds. They raise `UsageError` where dbt cannot be started.
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
        self._process: ChildProcess | None = None
        self._is_stopped = False

    def run(
        self,
        *,
        start: datetime,
        end: datetime,
        on_line: OnLine,
        variables: Mapping[str, Any] | None = None,
        full_refresh: bool = False,
        timeout: float | None = None,
    ) -> Verdict:
        """Run the nodes of the invocation and nothing else."""

        def argv(target_path: Path) -> tuple[str, ...]:
            return dbt_argv(
                self._invocation,
                self._project,
                target_path=target_path,
                start=start,
                end=end,
                variables=variables,
                full_refresh=full_refresh,
            )

        expected = tuple(node.unique_id for node in self._invocation.nodes)

        def judge(path: Path, ended: ProcessEnd, digest: LogDigest) -> Verdict:
            return verdict(expected, read_results(path), ended, digest)

        return self._dbt(argv, judge, on_line, timeout, may_slice=True)

    def build(
        self,
        *,
        start: datetime,
        end: datetime,
        on_line: OnLine,
        only: frozenset[str] | None = None,
        variables: Mapping[str, Any] | None = None,
        full_refresh: bool = False,
        timeout: float | None = None,
    ) -> Verdict:
        """Build the nodes of the invocation, whose verb is `build`, in dbt's order, or `only` some of them.

        What a failure leaves out is among the results as `skipped`. The others stay in the process's view also where
        only some are built, so that the order between those is the same.
        """
        wanted = tuple(node for node in self._invocation.nodes if only is None or node.unique_id in only)

        def argv(target_path: Path) -> tuple[str, ...]:
            return dbt_argv(
                replace(self._invocation, nodes=wanted),
                self._project,
                target_path=target_path,
                start=start,
                end=end,
                variables=variables,
                full_refresh=full_refresh,
            )

        expected = tuple(node.unique_id for node in wanted)
        return self._dbt(
            argv,
            lambda path, *how: verdict_of_build(expected, read_results(path), *how),
            on_line,
            timeout,
            may_slice=True,
        )

    def look(
        self,
        *,
        start: datetime,
        end: datetime,
        on_line: OnLine,
        variables: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> FreshnessVerdict:
        """Ask how old the only source of the invocation is, whose verb is `freshness`."""

        def argv(target_path: Path) -> tuple[str, ...]:
            return dbt_argv(
                self._invocation, self._project, target_path=target_path, start=start, end=end, variables=variables
            )

        (source,) = self._invocation.nodes
        return self._dbt(
            argv,
            lambda path, *how: judge_freshness(source.unique_id, read_source_ages(path), *how),
            on_line,
            timeout,
            may_slice=True,
        )

    def maintain(
        self,
        *,
        start: datetime,
        end: datetime,
        on_line: OnLine,
        variables: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> OperationVerdict:
        """Do the operation of the invocation, whose verb is `run-operation`, to its only node."""
        told: list[Mapping[str, Any]] = []

        def listen(line: LogLine) -> None:
            result = maintenance_result(line.message)
            if result is not None:
                told.append(result)
            on_line(line)

        def argv(target_path: Path) -> tuple[str, ...]:
            return operation_argv(
                self._invocation, self._project, target_path=target_path, start=start, end=end, variables=variables
            )

        (node,) = self._invocation.nodes
        operation = self._invocation.operation or ""
        return self._dbt(
            argv,
            lambda _, *how: judge_operation(operation, node.unique_id, told, *how),
            listen,
            timeout,
            may_slice=True,
        )

    def run_selection(
        self,
        selection: FreeSelection,
        *,
        start: datetime,
        end: datetime,
        on_line: OnLine,
        timeout: float | None = None,
    ) -> Verdict:
        """Run whatever the selection finds."""

        def argv(target_path: Path) -> tuple[str, ...]:
            return selection_argv(
                self._invocation, selection, self._project, target_path=target_path, start=start, end=end
            )

        return self._dbt(argv, lambda path, *how: verdict_of_selection(read_results(path), *how), on_line, timeout)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End dbt and all that it started; see `ChildProcess.stop`."""
        self._is_stopped = True
        if self._process is not None:
            self._process.stop(grace_seconds)

    def _dbt(
        self,
        argv: Callable[[Path], tuple[str, ...]],
        judge: Callable[[Path, ProcessEnd, LogDigest], Judged],
        on_line: OnLine,
        timeout: float | None,
        *,
        may_slice: bool = False,
    ) -> Judged:
        digest = LogDigest()

        def see(text: str) -> None:
            nonlocal digest
            line = read_line(text)
            digest = digest.seen(line)
            on_line(line)

        with tempfile.TemporaryDirectory(prefix="dbt_target_", ignore_cleanup_errors=True) as folder:
            target_path = Path(folder)
            words = argv(target_path)
            # dbt writes the slice as its manifest.json: no manifest for those who want the artefacts.
            ended = None
            if may_slice and self._on_artifacts is None:
                ended = self._from_slice(words, target_path, see, on_line, timeout)
            if ended is None:
                digest = LogDigest()
                ended = self._end_of(words, see, timeout)
            judged = judge(target_path, ended, digest)
            if self._on_artifacts is not None:
                self._on_artifacts(target_path)
            return judged

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
        self._process = ChildProcess(argv, cwd=self._project.project_dir, environment=self._environment)
        if self._is_stopped:
            self._process.stop()
        return self._process.run(see, timeout=timeout)


def _told(because: str) -> LogLine:
    return LogLine(logging.INFO, f"No slice of the manifest, so dbt parses the whole project: {because}.")
