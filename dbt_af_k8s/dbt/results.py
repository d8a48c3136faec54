"""What dbt says it did: `run_results.json`, and the verdict over one task.

A task is green only by dbt's own result for each node that it was to run; the exit code alone proves nothing (dbt
ends with 0 when its selection found no node).
"""

import json
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt_af_k8s.dbt.faults import is_lasting_end, is_lasting_failure
from dbt_af_k8s.dbt.logs import LogDigest
from dbt_af_k8s.dbt.process import ProcessEnd

#: dbt's statuses (`dbt/artifacts/schemas/results.py`, 1.11) that are as good as done. `warn` is a failed test of
#: severity `warn`; `no-op` is a node that dbt leaves alone on purpose. `skipped` is none: with one node selected dbt
#: skips it only after something else went wrong.
GOOD_STATUSES = frozenset({"success", "pass", "warn", "no-op"})
#: dbt writes a row for each project hook too: nobody selects those, and a failed one fails the task.
_HOOK_PREFIX = "operation."
#: Longest text of one failure in a summary, in letters.
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class NodeResult:
    """One row of run_results.json."""

    unique_id: str
    status: str
    message: str = ""
    #: Failing rows of a test.
    failures: int | None = None
    seconds: float = 0.0
    #: Rows that the warehouse says it wrote; None where the adapter does not tell.
    rows: int | None = None

    @property
    def is_good(self) -> bool:
        """Whether the node counts as done."""
        return self.status in GOOD_STATUSES

    @property
    def is_skipped(self) -> bool:
        """Whether dbt left the node out, since something before it failed."""
        return self.status == "skipped"

    @property
    def is_hook(self) -> bool:
        """Whether it is an `on-run-start` or `on-run-end` hook of a project."""
        return self.unique_id.startswith(_HOOK_PREFIX)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a task ended."""

    ok: bool
    #: For a person: one line when all is well, else every failure with dbt's own words.
    summary: str
    #: Whether the same command may succeed later. Never true when `ok`.
    retryable: bool
    #: dbt's rows for the nodes that were asked for, in that order.
    results: tuple[NodeResult, ...] = ()


def read_results(target_path: Path) -> tuple[NodeResult, ...] | None:
    """The rows of run_results.json, in dbt's order; None where dbt wrote none, or none that can be read."""
    try:
        return rows_in((target_path / "run_results.json").read_bytes())
    except OSError:
        return None


def rows_in(run_results: bytes) -> tuple[NodeResult, ...] | None:
    """The rows of the content of a run_results.json, in dbt's order; None where there are none that can be read."""
    try:
        document = json.loads(run_results)
    except ValueError:
        return None
    rows = document.get("results") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        return None
    return tuple(read_result(row) for row in rows if isinstance(row, dict) and isinstance(row.get("unique_id"), str))


def verdict(
    expected: tuple[str, ...], results: tuple[NodeResult, ...] | None, end: ProcessEnd, log: LogDigest
) -> Verdict:
    """Judge one dbt process by its results, the way it ended and its log. `expected` are unique_ids."""
    rows = {result.unique_id: result for result in results or ()}
    found = tuple(rows[unique_id] for unique_id in expected if unique_id in rows)
    troubles = tuple(_troubles(expected, rows, end, log))
    if not troubles:
        return Verdict(True, _good_summary(found), retryable=False, results=found)
    summary = "\n".join(trouble.text for trouble in troubles)
    # One failure that stays makes the task stay red, whatever becomes of the others.
    return Verdict(False, summary, retryable=not any(trouble.is_lasting for trouble in troubles), results=found)


def verdict_of_build(
    expected: tuple[str, ...], results: tuple[NodeResult, ...] | None, end: ProcessEnd, log: LogDigest
) -> Verdict:
    """Judge one `dbt build` of several nodes: as `verdict`, but what dbt left out after a failure is told in one line.

    A node that was left out counts as not done, and neither for nor against another try.
    """
    rows = {result.unique_id: result for result in results or ()}
    found = tuple(rows[unique_id] for unique_id in expected if unique_id in rows)
    skipped = tuple(row.unique_id for row in found if row.is_skipped)
    ran = {key: row for key, row in rows.items() if key not in skipped}
    troubles = list(_troubles(tuple(key for key in expected if key not in skipped), ran, end, log))
    if skipped:
        troubles.append(_left_out(skipped))
    if not troubles:
        return Verdict(True, _good_summary(found), retryable=False, results=found)
    summary = "\n".join(trouble.text for trouble in troubles)
    return Verdict(False, summary, retryable=not any(trouble.is_lasting for trouble in troubles), results=found)


def verdict_of_selection(results: tuple[NodeResult, ...] | None, end: ProcessEnd, log: LogDigest) -> Verdict:
    """Judge one dbt process that ran whatever a selection found: every row must be good, and there must be one."""
    rows = {result.unique_id: result for result in results or ()}
    found = tuple(row for row in rows.values() if not row.is_hook)
    skipped = tuple(row.unique_id for row in found if row.is_skipped)
    ran = {key: row for key, row in rows.items() if key not in skipped}
    expected = tuple(key for key, row in ran.items() if not row.is_hook)
    troubles = list(_troubles(expected, ran, end, log))
    if skipped:
        troubles.append(_left_out(skipped))
    if not found and not troubles:
        text = f"dbt found nothing to run (exit code {end.exit_code}): does the selection name a model?"
        troubles.append(Trouble(f"{text}{last_errors(log)}", is_lasting=True))
    if not troubles:
        return Verdict(True, _good_summary(found), retryable=False, results=found)
    summary = "\n".join(trouble.text for trouble in troubles)
    return Verdict(False, summary, retryable=not any(trouble.is_lasting for trouble in troubles), results=found)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason why a task is not green."""

    text: str
    #: Whether the same command would fail in the same way.
    is_lasting: bool = False


def process_troubles(end: ProcessEnd, log: LogDigest) -> Iterable[Trouble]:
    """What is wrong with the way in which dbt ended, whatever it ran."""
    if end.is_timeout:
        yield Trouble("dbt was stopped: it ran into the time limit.")
    elif end.is_orphaned:
        yield Trouble("dbt was stopped: Airflow's process above this task, its supervisor or executor, is gone.")
    elif end.was_stopped:
        yield Trouble("dbt was stopped from outside.")
    elif end.exit_code < 0:
        yield Trouble(_killed(-end.exit_code))
    if log.fatal is not None:
        yield Trouble(f"dbt ended with an error:\n{_cut(log.fatal)}", is_lasting_end(log))


def _troubles(
    expected: tuple[str, ...], rows: Mapping[str, NodeResult], end: ProcessEnd, log: LogDigest
) -> Iterable[Trouble]:
    yield from process_troubles(end, log)
    for result in rows.values():
        if result.unique_id not in expected and not result.is_hook:
            text = f"dbt ran {result.unique_id}, which this task did not ask for."
            yield Trouble(text, is_lasting=True)
        elif not result.is_good:
            yield Trouble(_failure(result, log), is_lasting_failure(result.status, result.message))
    missing = tuple(unique_id for unique_id in expected if unique_id not in rows)
    has_cause = log.fatal is not None or end.was_stopped or end.exit_code < 0
    if missing and not has_cause:
        yield Trouble(_missing(missing, end.exit_code, log))
    elif end.exit_code > 0 and not missing and log.fatal is None and all(row.is_good for row in rows.values()):
        yield Trouble(f"dbt ended with exit code {end.exit_code}, though every result is good.{last_errors(log)}")


def _left_out(skipped: tuple[str, ...]) -> Trouble:
    return Trouble(f"dbt left out what is downstream of a failure: {', '.join(skipped)}")


def _failure(result: NodeResult, log: LogDigest) -> str:
    what = "hook" if result.is_hook else "node"
    said = result.message.strip()
    # Of a failed microbatch model dbt's row says only "ERROR"; the reason is in the log.
    text = _cut(said) if len(said.split()) > 1 else f"{said}{last_errors(log)}"
    return f"{what} {result.unique_id}: {result.status}\n{text}".rstrip()


def _missing(missing: tuple[str, ...], exit_code: int, log: LogDigest) -> str:
    nodes = ", ".join(missing)
    return (
        f"dbt ended with exit code {exit_code} and has no result for {nodes}. The manifest that the plan was made "
        "from and the project that dbt reads may differ, or the node is disabled or an empty file."
        f"{last_errors(log)}"
    )


def _killed(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    hint = " Often the machine or the pod ran out of memory." if name == "SIGKILL" else ""
    return f"dbt was killed by signal {name}.{hint}"


def last_errors(log: LogDigest) -> str:
    """The last errors of the log on lines of their own; empty where there is none."""
    return f"\n{_cut(chr(10).join(log.errors[-3:]))}" if log.errors else ""


def _good_summary(results: tuple[NodeResult, ...]) -> str:
    if len(results) == 1:
        return f"{results[0].unique_id}: {results[0].status} {results[0].message}".rstrip()
    counts: dict[str, int] = {}
    for result in results:
        counts[result.status] = counts.get(result.status, 0) + 1
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    return f"{len(results)} nodes: {told}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def read_result(row: Mapping[str, Any]) -> NodeResult:
    """One row as dbt writes it; what is missing or of another type counts as not told."""
    response = row.get("adapter_response")
    rows = response.get("rows_affected") if isinstance(response, dict) else None
    return NodeResult(
        unique_id=row["unique_id"],
        status=str(row.get("status") or "").lower(),
        message=str(row.get("message") or ""),
        failures=_count(row.get("failures")),
        seconds=_seconds(row.get("execution_time")),
        rows=_count(rows),
    )


def _count(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        # In the log numbers went through protobuf, which makes floats of them.
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
