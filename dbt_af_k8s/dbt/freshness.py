"""What `dbt source freshness` says about one source: `sources.json`, and the verdict over it.

dbt 1.11 writes a row only for a source whose age it could tell; a query that fails leaves no row, and a selection that
finds no source with limits ends with exit code 0 and no row. So only a row makes a task green.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt_af_k8s.dbt.logs import LogDigest
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.dbt.results import Trouble, last_errors, process_troubles

#: Statuses (`dbt/artifacts/schemas/results.py`, 1.11) of a source that is young enough; `warn` is past `warn_after`.
GOOD_STATUSES = ("pass", "warn")
STALE_STATUS = "error"
#: dbt tells the age of a table without rows from this moment on.
_NO_ROWS = "0001-01-01"
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class SourceAge:
    """One row of sources.json."""

    unique_id: str
    #: `pass`, `warn` or `error`.
    status: str
    #: How old the newest row is, in seconds; None where only the status is known.
    age: float | None
    #: ISO 8601, in dbt's words: when the newest row came, and when dbt looked.
    max_loaded_at: str
    snapshotted_at: str
    #: The source's limits, as in `warn after 12 hours, error after 1 day`.
    limits: str

    def __str__(self) -> str:
        """For a log line."""
        if self.age is None:
            return f"{self.unique_id}: {self.status}"
        if self.max_loaded_at.startswith(_NO_ROWS):
            return f"{self.unique_id} has no rows; limits: {self.limits}"
        return (
            f"{self.unique_id}: the newest row is {age_text(self.age)} old ({self.max_loaded_at}); "
            f"limits: {self.limits}"
        )


@dataclass(frozen=True, slots=True)
class FreshnessVerdict:
    """How one look at a source ended."""

    #: Whether the source is young enough.
    ok: bool
    #: For a person.
    summary: str
    #: Whether dbt could not tell, for a reason that may pass. Never true when `ok` or when the source is stale.
    retryable: bool
    source: SourceAge | None = None

    @property
    def is_stale(self) -> bool:
        """Whether dbt looked and found the source too old."""
        return not self.ok and self.source is not None


def read_source_ages(target_path: Path) -> tuple[SourceAge, ...]:
    """The rows of sources.json; none where dbt wrote none, or none that can be read."""
    try:
        return read_ages((target_path / "sources.json").read_bytes())
    except OSError:
        return ()


def read_ages(content: bytes) -> tuple[SourceAge, ...]:
    """The rows of a sources.json; none where they cannot be read."""
    try:
        document = json.loads(content)
    except ValueError:
        return ()
    rows = document.get("results") if isinstance(document, dict) else None
    return tuple(age for row in rows if (age := _age(row)) is not None) if isinstance(rows, list) else ()


def judge_freshness(source: str, ages: tuple[SourceAge, ...], end: ProcessEnd, log: LogDigest) -> FreshnessVerdict:
    """Judge one look at one source, a unique_id."""
    found = next((age for age in ages if age.unique_id == source), None)
    others = ", ".join(sorted(age.unique_id for age in ages if age.unique_id != source))
    troubles = list(process_troubles(end, log))
    if others:
        troubles.append(Trouble(f"dbt looked at {others}, which this task did not ask for.", is_lasting=True))
    if not troubles and found is not None and found.status == STALE_STATUS:
        return FreshnessVerdict(False, f"Too old: {found}", retryable=False, source=found)
    if not troubles and (found is None or end.exit_code != 0):
        troubles.append(_not_told(source, end, log))
    if found is not None and found.status in GOOD_STATUSES and not troubles:
        word = "Old, but not too old" if found.status == "warn" else "Fresh"
        return FreshnessVerdict(True, f"{word}: {found}", retryable=False, source=found)
    summary = "\n".join(trouble.text for trouble in troubles)
    return FreshnessVerdict(False, summary, retryable=not any(trouble.is_lasting for trouble in troubles))


def _not_told(source: str, end: ProcessEnd, log: LogDigest) -> Trouble:
    if end.exit_code == 0:
        return Trouble(
            f"dbt knows no source {source} with freshness limits. The manifest that the plan was made from and the "
            "project that dbt reads may differ.",
            is_lasting=True,
        )
    said = f"\n{log.of_nodes[-1]}" if log.of_nodes else last_errors(log)
    return Trouble(f"dbt could not tell how old {source} is (exit code {end.exit_code}).{said}")


def age_text(seconds: float) -> str:
    """A span of time in its two largest units: `5 h 12 min`."""
    left, parts = max(int(seconds), 0), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _age(row: object) -> SourceAge | None:
    """A row that tells an age; None for what does not (dbt's `runtime error`, or anything else)."""
    if not isinstance(row, Mapping):
        return None
    age, status = row.get("max_loaded_at_time_ago_in_s"), row.get("status")
    if isinstance(age, bool) or not isinstance(age, int | float):
        return None
    if not isinstance(row.get("unique_id"), str) or status not in (*GOOD_STATUSES, STALE_STATUS):
        return None
    return SourceAge(
        unique_id=row["unique_id"],
        status=str(status),
        age=float(age),
        max_loaded_at=str(row.get("max_loaded_at") or ""),
        snapshotted_at=str(row.get("snapshotted_at") or ""),
        limits=_limits(row.get("criteria")),
    )


def _limits(criteria: object) -> str:
    written: Mapping[str, Any] = criteria if isinstance(criteria, Mapping) else {}
    told = []
    for key, word in (("warn_after", "warn"), ("error_after", "error")):
        limit = written.get(key)
        if isinstance(limit, Mapping) and limit.get("count"):
            plural = "" if limit["count"] == 1 else "s"
            told.append(f"{word} after {limit['count']} {limit.get('period')}{plural}")
    return ", ".join(told) or "none"
