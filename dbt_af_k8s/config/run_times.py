"""Recorded run times: how long dbt took for each node, as `dbt_af_k8s_run_times.json` keeps it. Pure.

The file is written by `dbt-af-k8s times` from dbt's run_results.json, and read when a plan is made. So a plan changes
when somebody records anew, and not from day to day.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from dbt_af_k8s.errors import Issue, warning

#: Beside `dbt_project.yml`.
RUN_TIMES_FILE = "dbt_af_k8s_run_times.json"
_VERSION = 1
#: Statuses of nodes that dbt ran to their end; a skipped one tells nothing, and a failed one too little.
_RAN = frozenset({"success", "pass", "warn", "fail"})
#: Digits of a recorded second: more would only make the file change each time.
_DIGITS = 1


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Seconds by unique_id, and what is wrong with where they were read from."""

    seconds: Mapping[str, float]
    issues: tuple[Issue, ...] = ()


def parse_run_times(text: str) -> RunTimes:
    """Read the file's text; what cannot be read is a warning, for a plan can be made without."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _unreadable("It is no JSON.")
    nodes = found.get("nodes") if isinstance(found, dict) and found.get("version") == _VERSION else None
    if not isinstance(nodes, dict) or not all(_is_seconds(seconds) for seconds in nodes.values()):
        return _unreadable(f"It is no record of run times of version {_VERSION}.")
    return RunTimes({str(key): float(nodes[key]) for key in sorted(nodes)})


def unreadable_run_times(reason: str) -> RunTimes:
    """No run times, since the file cannot be read."""
    return _unreadable(f"It cannot be read: {reason}.")


def run_times_text(seconds: Mapping[str, float]) -> str:
    """The file's text, one node a line, sorted."""
    nodes = {key: round(seconds[key], _DIGITS) for key in sorted(seconds)}
    return json.dumps({"version": _VERSION, "nodes": nodes}, indent=1) + "\n"


def times_of_results(document: Any) -> Mapping[str, float] | None:
    """Seconds by unique_id in one run_results.json; None for what is none."""
    rows = document.get("results") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        return None
    return {
        row["unique_id"]: float(row["execution_time"])
        for row in rows
        if isinstance(row, dict)
        and isinstance(row.get("unique_id"), str)
        and row.get("status") in _RAN
        and _is_seconds(row.get("execution_time"))
    }


def median_times(runs: Iterable[Mapping[str, float]]) -> Mapping[str, float]:
    """The median of each node over several runs."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for key, seconds in run.items():
            found.setdefault(key, []).append(seconds)
    return {key: median(found[key]) for key in sorted(found)}


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _unreadable(message: str) -> RunTimes:
    fix = "Write it anew with `dbt-af-k8s times`, or remove it."
    return RunTimes({}, (warning("bad-run-times", message, fix, file=RUN_TIMES_FILE),))
