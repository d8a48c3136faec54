"""What a task that runs dbt returns, as Airflow keeps it in XCom."""

from typing import Any

from dbt_af_k8s.dbt.results import NodeResult, Verdict

#: Longest `message`, in letters.
_LONGEST_MESSAGE = 1000
#: The status of several nodes together is the first of these that one of them has.
_STATUS_ORDER = ("warn", "no-op", "pass", "success")


def task_result(found: Verdict, *, with_nodes: bool) -> dict[str, Any]:
    """The result of a task that did well: `status`, `rows`, `seconds`, `message`, and `nodes` where they are wanted."""
    statuses = {result.status for result in found.results}
    rows = [result.rows for result in found.results if result.rows is not None]
    told: dict[str, Any] = {
        "status": next((status for status in _STATUS_ORDER if status in statuses), "success"),
        "rows": sum(rows) if rows else None,
        "seconds": round(sum(result.seconds for result in found.results), 3),
        "message": found.summary[:_LONGEST_MESSAGE],
    }
    if with_nodes:
        told["nodes"] = [_node(result) for result in found.results]
    return told


def _node(result: NodeResult) -> dict[str, Any]:
    return {"unique_id": result.unique_id, "status": result.status, "failures": result.failures}
