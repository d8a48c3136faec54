"""The operator of a fused task: several nodes and their tests in one `dbt build`, each with a verdict of its own."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowRuntimeError

from dbt_af_k8s.airflow.dbt_operator import DbtOperator
from dbt_af_k8s.dbt.results import NodeResult, Verdict
from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.errors import UsageError

#: Key of the rows of all nodes in XCom; there also where the task fails.
NODES = "nodes"
#: Key in Airflow's task state store (3.3 and later) of what earlier tries have done.
DONE = "dbt_af_k8s_done"
_LONGEST_MESSAGE = 300
_HEADINGS = ("node", "status", "seconds", "message")

Row = dict[str, Any]


class NodesLink(BaseOperatorLink):
    """A button of the task in Airflow's web interface: the rows of its nodes, in XCom."""

    name = "Nodes"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The address of the task instance's XCom; `ti_key` tells which one."""
        run_id = quote(ti_key.run_id, safe="")
        base = conf.get("api", "base_url", fallback="").rstrip("/")
        return f"{base}/dags/{ti_key.dag_id}/runs/{run_id}/tasks/{ti_key.task_id}/xcom"


class DbtBuildOperator(DbtOperator):
    """Runs several nodes and their tests in one dbt process, in dbt's order: a failed test holds back what follows.

    `invocation` has the verb `build`, and `for_nodes` gives it that; the other arguments are those of `DbtOperator`.
    The task is green only if dbt's
    own result for every node says so. The log ends with a table of the nodes, and XCom has it under `nodes`, whether
    the task succeeds or fails: `unique_id`, `status`, `seconds`, `failures`, `message`, and `earlier` where an earlier
    try has done it.

    A retry runs only what is not done, where Airflow has a task state store (3.3 and later); else all. A task that
    somebody clears runs all: what it reads may have changed. Raises `UsageError` for another verb.
    """

    usual_verb = "build"
    operator_extra_links = (NodesLink(),)

    def __init__(self, *, task_id: str, invocation: DbtInvocation, **base: Any) -> None:
        if invocation.verb != "build":
            raise UsageError(f"DbtBuildOperator runs `dbt build`, not `dbt {invocation.verb}`: that is DbtOperator's.")
        super().__init__(task_id=task_id, invocation=invocation, **base)

    def execute(self, context: Any) -> dict[str, Any]:
        """Build what is not done, and say how each node ended."""
        interval = self.interval_or_fail(context)
        earlier = self._done_before(context)
        rest = frozenset(node.unique_id for node in self.invocation.nodes) - frozenset(earlier)
        if earlier:
            self.log.info("%d of %d nodes were done by an earlier try.", len(earlier), len(self.invocation.nodes))
        found = self.start_dbt(
            context,
            interval,
            self.invocation,
            lambda run: run.build(
                start=interval.start, end=interval.end, on_line=self.tell, only=rest, variables=self.variables
            ),
        )
        rows = rows_of([node.unique_id for node in self.invocation.nodes], found, earlier)
        for line, is_good in table_lines(rows):
            self.log.log(logging.INFO if is_good else logging.ERROR, "%s", line)
        context["ti"].xcom_push(key=NODES, value=rows)
        self._remember(context, rows, found)
        return {**self.result_of(found), NODES: rows}

    def _done_before(self, context: Any) -> Mapping[str, Row]:
        """The rows of what earlier tries have done, by unique_id."""
        store = context.get("task_state_store")
        if store is None or context["ti"].try_number <= 1:
            return {}
        try:
            kept = store.get(DONE)
        except AirflowRuntimeError as fault:
            self.log.warning("What earlier tries have done is not known, so all is built: %s", fault)
            return {}
        # Airflow raises `max_tries` when a task is cleared, and leaves it from one retry to the next.
        if not isinstance(kept, dict) or kept.get("max_tries") != context["ti"].max_tries:
            return {}
        known = {node.unique_id for node in self.invocation.nodes}
        rows = {row["unique_id"]: {**row, "earlier": True} for row in kept["rows"] if row["unique_id"] in known}
        return rows if len(rows) < len(known) else {}

    def _remember(self, context: Any, rows: Sequence[Row], found: Verdict) -> None:
        store = context.get("task_state_store")
        if store is None:
            return
        # Where the rest is done, what this try did is not kept: what comes after may still fail the task, and then that
        # part is done again, or found where it was done (a server knows it by the number of the try).
        done = [row for row in rows if (row.get("earlier") if found.ok else _is_good(row))]
        try:
            store.set(DONE, {"max_tries": context["ti"].max_tries, "rows": done})
        except AirflowRuntimeError as fault:
            self.log.warning("What is done is not kept, so a retry builds all: %s", fault)


def rows_of(unique_ids: Sequence[str], found: Verdict, earlier: Mapping[str, Row]) -> list[Row]:
    """A row for each node; one of which dbt says nothing has the status `no result`."""
    results = {result.unique_id: result for result in found.results}
    return [earlier.get(key) or _row(results.get(key) or NodeResult(key, "no result")) for key in unique_ids]


def _row(result: NodeResult) -> Row:
    return {
        "unique_id": result.unique_id,
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "failures": result.failures,
        "message": " ".join(result.message.split())[:_LONGEST_MESSAGE],
    }


def _is_good(row: Row) -> bool:
    return NodeResult(row["unique_id"], row["status"]).is_good


def table_lines(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """The rows as lines of a table with headings, each with whether it tells of something good."""
    cells = [
        (
            row["unique_id"],
            f"{row['status']} (earlier try)" if row.get("earlier") else row["status"],
            f"{row['seconds']:.1f}",
            row["message"],
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (_HEADINGS, *cells)) for column in range(3)]
    told = [_line(_HEADINGS, widths), *(_line(line, widths) for line in cells)]
    return list(zip(told, (True, *(_is_good(row) for row in rows)), strict=True))


def _line(line: tuple[str, str, str, str], widths: Sequence[int]) -> str:
    node, status, seconds, message = line
    return f"{node:<{widths[0]}}  {status:<{widths[1]}}  {seconds:>{widths[2]}}  {message}".rstrip()
