"""Run one dbt process for one task, and judge it. Needs no Airflow."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dbt_af_k8s.dbt.command import dbt_words, operation_words, selection_words
from dbt_af_k8s.dbt.freshness import FreshnessVerdict, judge_freshness
from dbt_af_k8s.dbt.here import Here
from dbt_af_k8s.dbt.logs import LogLine
from dbt_af_k8s.dbt.maintenance import maintenance_result
from dbt_af_k8s.dbt.operation import OperationVerdict, judge_operation
from dbt_af_k8s.dbt.place import OnLine, Outcome, Place
from dbt_af_k8s.dbt.process import GRACE_SECONDS
from dbt_af_k8s.dbt.results import Verdict, verdict, verdict_of_build, verdict_of_selection
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, FreeSelection


class DbtRun:
    """One try of one task, in the place where its dbt runs.

    Each of `run`, `build`, `look`, `maintain` and `run_selection` starts one dbt process for the data interval
    `[start, end)`. `on_line` gets dbt's output as it comes; `timeout` is in seconds. They raise `UsageError` where dbt
    cannot be started. `stop` may be called from a signal handler or another thread while dbt works.
    """

    def __init__(self, invocation: DbtInvocation, place: Place) -> None:
        self._invocation = invocation
        self._place = place

    @classmethod
    def here(
        cls,
        invocation: DbtInvocation,
        project: DbtProject,
        *,
        environment: Mapping[str, str],
        on_artifacts: Callable[[Path], None] | None = None,
    ) -> "DbtRun":
        """A run on this machine; see `Here`."""
        return cls(invocation, Here(invocation, project, environment=environment, on_artifacts=on_artifacts))

    def run(
        self,
        *,
        start: datetime,
        end: datetime,
        on_line: OnLine,
        variables: Mapping[str, Any] | None = None,
        full_refresh: bool = False,
        batches_from: datetime | None = None,
        timeout: float | None = None,
    ) -> Verdict:
        """Run the nodes of the invocation and nothing else; the batches of a microbatch model from `batches_from`."""
        words = dbt_words(
            self._invocation,
            start=start,
            end=end,
            variables=variables,
            full_refresh=full_refresh,
            batches_from=batches_from,
        )
        found = self._outcome(words, on_line, timeout, may_slice=True)
        expected = tuple(node.unique_id for node in self._invocation.nodes)
        return verdict(expected, found.results, found.end, found.log)

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
        nodes = self._invocation.nodes
        done = tuple(node for node in nodes if only is not None and node.unique_id not in only)
        words = dbt_words(
            self._invocation, start=start, end=end, variables=variables, full_refresh=full_refresh, done=done
        )
        found = self._outcome(words, on_line, timeout, may_slice=True)
        expected = tuple(node.unique_id for node in nodes if node not in done)
        return verdict_of_build(expected, found.results, found.end, found.log)

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
        (source,) = self._invocation.nodes
        words = dbt_words(self._invocation, start=start, end=end, variables=variables)
        found = self._outcome(words, on_line, timeout, may_slice=True)
        return judge_freshness(source.unique_id, found.ages, found.end, found.log)

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

        (node,) = self._invocation.nodes
        words = operation_words(self._invocation, start=start, end=end, variables=variables)
        found = self._place.run(words, on_line=on_line, see=listen, timeout=timeout, may_slice=True)
        return judge_operation(self._invocation.operation or "", node.unique_id, told, found.end, found.log)

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
        words = selection_words(self._invocation, selection, start=start, end=end)
        found = self._outcome(words, on_line, timeout)
        return verdict_of_selection(found.results, found.end, found.log)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End dbt and all that it started."""
        self._place.stop(grace_seconds)

    def _outcome(
        self, words: tuple[str, ...], on_line: OnLine, timeout: float | None, *, may_slice: bool = False
    ) -> Outcome:
        return self._place.run(words, on_line=on_line, see=_pass, timeout=timeout, may_slice=may_slice)


def _pass(line: LogLine) -> None:
    """Most verdicts need no more of the log than its digest."""
