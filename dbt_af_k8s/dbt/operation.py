"""What became of one `dbt run-operation` of the maintenance macros.

dbt ends with 0 whenever the macro raised nothing, and writes no more than that into `run_results.json`. So only the
macro's own line about this operation and this node makes a task green.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dbt_af_k8s.dbt.faults import is_lasting_operation
from dbt_af_k8s.dbt.logs import LogDigest
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.dbt.results import Trouble, last_errors, process_troubles

#: What the macros say of themselves when they did their work, or had none because the table is not there yet.
DONE = "done"
NOT_BUILT = "not built"
#: dbt's words (`run_operation.py`, 1.11) for a macro that no package has.
_NO_MACRO = "could not find a macro"


@dataclass(frozen=True, slots=True)
class OperationVerdict:
    """How one operation ended."""

    ok: bool
    #: For a person.
    summary: str
    #: Whether the same command may succeed later. Never true when `ok`.
    retryable: bool
    #: The macro's own words: `operation`, `model`, `relation`, `outcome` and what the operation adds; empty when red.
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int | None:
        """Rows that were deleted; None where the operation deletes none, or the warehouse does not tell."""
        rows = self.result.get("rows_deleted")
        return rows if isinstance(rows, int) and not isinstance(rows, bool) else None


def judge_operation(
    operation: str, node: str, told: Sequence[Mapping[str, Any]], end: ProcessEnd, log: LogDigest
) -> OperationVerdict:
    """Judge one dbt process that was to do `operation` to `node`, a unique_id; `told` are the macros' lines."""
    mine = [result for result in told if (result.get("operation"), result.get("model")) == (operation, node)]
    troubles = list(process_troubles(end, log))
    if log.fatal is not None and _NO_MACRO in log.fatal:
        text = "Put our dbt package into the project on the workers: `dbt-af-k8s package install`."
        troubles.append(Trouble(text, is_lasting=True))
    if not troubles and end.exit_code != 0:
        text = f"dbt could not do {operation} to {node} (exit code {end.exit_code}).{last_errors(log)}"
        troubles.append(Trouble(text, is_lasting_operation(log)))
    if not troubles and (not mine or mine[-1].get("outcome") not in (DONE, NOT_BUILT)):
        text = (
            f"dbt ended with exit code 0 and did not say that it did {operation} to {node}. The project's copy of our "
            "dbt package may be of another version: `dbt-af-k8s package install` brings it up to date."
        )
        troubles.append(Trouble(text, is_lasting=True))
    if not troubles:
        return OperationVerdict(True, _summary(mine[-1]), retryable=False, result=mine[-1])
    summary = "\n".join(trouble.text for trouble in troubles)
    return OperationVerdict(False, summary, retryable=not any(trouble.is_lasting for trouble in troubles))


def _summary(result: Mapping[str, Any]) -> str:
    """`ttl of model.shop.visits: done, 3 rows deleted (cutoff 2026-01-08T00:00:00+00:00)`."""
    what = f"{result.get('operation')} of {result.get('model')}: {result.get('outcome')}"
    if result.get("outcome") == NOT_BUILT:
        return f"{what} yet, so there is nothing to do"
    rows, cutoff = result.get("rows_deleted"), result.get("cutoff")
    deleted = "" if rows is None else f", {rows} row{'' if rows == 1 else 's'} deleted"
    return f"{what}{deleted}{f' (cutoff {cutoff})' if cutoff else ''}"
