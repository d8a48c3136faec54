"""dbt's rows for nodes and sources, out of its JSON log: for places whose `run_results.json` nobody sees.

With `--log-level debug` dbt 1.11 logs `NodeFinished` for each node, with the same row that it writes into
`run_results.json`: status, message, seconds, failures, the adapter's response. Without it there is one line for a
person per node, which knows all but the message of a failure and the rows. Lines may come twice, with a prefix, and
between others; the last word about a node counts.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dbt_af_k8s.dbt.freshness import GOOD_STATUSES as FRESH_STATUSES
from dbt_af_k8s.dbt.freshness import STALE_STATUS, SourceAge
from dbt_af_k8s.dbt.results import NodeResult, read_result

#: What a command needs so that its log holds everything that this module reads.
LOG_FLAGS = ("--log-format", "json", "--log-level", "debug", "--no-use-colors")
_FINISHED = "NodeFinished"
_FRESHNESS = "LogFreshnessResult"
#: Lines for a person about one node that ended.
_SPOKEN = frozenset({"LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult", _FRESHNESS})
#: Statuses of data tests, which alone have failing rows.
_TESTS = ("test", "unit_test")


def rows_in_log(lines: Iterable[str]) -> tuple[NodeResult, ...] | None:
    """The row of each node that ended, in the order of their ends; None where the log has none."""
    finished: dict[str, NodeResult] = {}
    spoken: dict[str, NodeResult] = {}
    for event, data in _events(lines):
        node = data.get("node_info")
        if not isinstance(node, Mapping) or not node.get("unique_id"):
            continue
        if event == _FINISHED:
            finished[str(node["unique_id"])] = _finished(node, data)
        elif event != _FRESHNESS:
            spoken[str(node["unique_id"])] = _spoken(node, data)
    rows = {**spoken, **finished}
    return tuple(rows.values()) if rows else None


def ages_in_log(lines: Iterable[str]) -> tuple[SourceAge, ...]:
    """What `dbt source freshness` said of each source; it logs no ages, only whether they are within the limits."""
    found: dict[str, SourceAge] = {}
    for event, data in _events(lines):
        node = data.get("node_info")
        status = str(data.get("status") or "")
        if event != _FRESHNESS or not isinstance(node, Mapping) or status not in (*FRESH_STATUSES, STALE_STATUS):
            continue
        key = str(node.get("unique_id"))
        found[key] = SourceAge(key, status, None, "", "", "")
    return tuple(found.values())


def _events(lines: Iterable[str]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The events of this module's interest; most lines are not even parsed."""
    for line in lines:
        if not any(name in line for name in (_FINISHED, *_SPOKEN)):
            continue
        try:
            record = json.loads(line[line.find("{") :])
        except (ValueError, RecursionError):
            continue
        info, data = (record.get("info"), record.get("data")) if isinstance(record, dict) else (None, None)
        if not isinstance(info, dict) or not isinstance(data, dict):
            continue
        event = str(info.get("name"))
        if event == _FINISHED or event in _SPOKEN:
            yield event, data


def _finished(node: Mapping[str, Any], data: Mapping[str, Any]) -> NodeResult:
    row = data.get("run_result")
    written: Mapping[str, Any] = row if isinstance(row, Mapping) else {}
    is_test = node.get("resource_type") in _TESTS
    # The log has 0 where run_results.json has nothing.
    failures = written.get("num_failures") if is_test else None
    return read_result({**written, "unique_id": node["unique_id"], "failures": failures})


def _spoken(node: Mapping[str, Any], data: Mapping[str, Any]) -> NodeResult:
    status = str(node.get("node_status") or data.get("status") or "")
    said = str(data.get("status") or "")
    row = {
        "unique_id": node["unique_id"],
        "status": status,
        "message": "" if said.lower() == status.lower() else said,
        "execution_time": data.get("execution_time"),
        "failures": data.get("num_failures") if node.get("resource_type") in _TESTS else None,
    }
    return read_result(row)
