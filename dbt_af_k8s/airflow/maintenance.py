"""Maintenance of one node's table: after a look whether anything is building it, one dbt operation."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowSensorTimeout

from dbt_af_k8s.airflow.dbt_operator import DbtFailedError, DbtOperator, DbtRetryError, env_pairs, project_at
from dbt_af_k8s.airflow.waits.api import ExecutionApi
from dbt_af_k8s.dbt.maintenance_adapters import MACROS
from dbt_af_k8s.dbt.operation import OperationVerdict
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, node_by_id
from dbt_af_k8s.errors import DbtAfK8sError, UsageError
from dbt_af_k8s.plan.values import TaskRef

#: Rescheduling a sensor more often than this races with the executor and fails the task (seconds).
_SHORTEST_RESCHEDULE = 60.0
#: How often it looks, and how long it waits, by default (seconds).
POKE_INTERVAL = 60.0
TIMEOUT = timedelta(hours=6).total_seconds()
#: States in which a task holds the table, or may at any moment: it runs, an executor has it, or it waits for its work
#: to end elsewhere. One that is `scheduled` or `up_for_retry` has not begun.
BUSY_STATES = ("queued", "running", "restarting", "deferred")


class ModelBusyError(AirflowSensorTimeout, DbtAfK8sError):
    """What builds the node did not end in time. Airflow does not retry it; the DAG's next run tries again."""


class DbtMaintenanceOperator(DbtOperator, BaseSensorOperator):
    """Does one maintenance operation to one node's table while no task of `not_while` is at work.

    Such a task is one that is running, queued, restarting or deferred, in any run of its DAG. Then this one waits and
    looks again every `poke_interval` seconds, up to `timeout` seconds; with a `poke_interval` of a minute or more it
    gives its worker slot and its pool slot back in between, so it never keeps what the other task needs to end. The
    look and dbt are two steps: a task that starts between them is not seen.

    The other arguments are those of `DbtOperator`, with an invocation of the verb `run-operation`. The task returns
    `status` (`done`, or `not built` where there is no table yet), `rows` (deleted ones, None where there are none to
    tell), `message`, and `result`, the macro's own words. Raises `ModelBusyError` when the wait is too long, and
    otherwise what `DbtOperator` raises.
    """

    ui_color = "#e3efe0"

    def __init__(
        self,
        *,
        task_id: str,
        invocation: DbtInvocation,
        project: DbtProject,
        not_while: Sequence[TaskRef] = (),
        poke_interval: float = POKE_INTERVAL,
        timeout: float = TIMEOUT,
        **base: Any,
    ) -> None:
        mode = "reschedule" if poke_interval >= _SHORTEST_RESCHEDULE else "poke"
        super().__init__(
            task_id=task_id,
            invocation=invocation,
            project=project,
            poke_interval=poke_interval,
            timeout=timeout,
            mode=mode,
            **base,
        )
        self.not_while = tuple(not_while)
        self._busy = ""

    @classmethod
    def for_node(
        cls,
        *,
        task_id: str,
        project_dir: str | Path,
        node: str,
        operation: str,
        options: Mapping[str, str | int | Sequence[str]] | None = None,
        not_while: Sequence[tuple[str, str]] = (),
        target: str | None = None,
        profiles_dir: str | Path | None = None,
        executable: str | None = None,
        env: Mapping[str, str] | None = None,
        **base: Any,
    ) -> "DbtMaintenanceOperator":
        """The operator for a hand-written DAG; the project must have our dbt package (`dbt-af-k8s package install`).

        `node` is a unique_id, `operation` one of `ttl`, `deduplicate`, `optimize`, `vacuum` and `persist_docs`, and
        `options` are the arguments of that macro (for `ttl`: `key` and `expiration_timeout`, in days). `not_while` are
        tasks that build the table, each as DAG id and task id. The other arguments are those of
        `DbtOperator.for_nodes`. Raises `UsageError` for what is no unique_id or operation.
        """
        if operation not in MACROS:
            raise UsageError(f"There is no maintenance operation {operation!r}. There are: {', '.join(MACROS)}.")
        given = tuple(
            (name, value if isinstance(value, str | int) else tuple(value))
            for name, value in sorted((options or {}).items())
        )
        invocation = DbtInvocation(
            "run-operation",
            (node_by_id(node),),
            target,
            executable=executable,
            env=env_pairs(env),
            operation=operation,
            options=given,
        )
        return cls(
            task_id=task_id,
            invocation=invocation,
            project=project_at(project_dir, profiles_dir),
            not_while=tuple(TaskRef(dag_id, task) for dag_id, task in not_while),
            **base,
        )

    def execute(self, context: Any) -> Any:
        """Look and wait as a sensor does; the look that finds nothing at work runs dbt."""
        try:
            return BaseSensorOperator.execute(self, context)
        except AirflowSensorTimeout:
            raise ModelBusyError(
                f"Waited {self.timeout:g} s for {self._busy}. See why it does not end, then clear this task."
            ) from None

    def poke(self, context: Any) -> PokeReturnValue:
        """One look, and dbt where nothing is at work."""
        # What was begun before this task was deferred is only seen through.
        self._busy = "" if self.is_resumed else self._at_work()
        if self._busy:
            self.log.info("Not now: %s builds the same table. Looks again in %g s.", self._busy, self.poke_interval)
            return PokeReturnValue(is_done=False)
        interval = self.interval_or_fail(context)
        found = self.start_dbt(
            context,
            interval,
            self.invocation,
            lambda run: run.maintain(
                start=interval.start, end=interval.end, on_line=self.tell, variables=self.variables
            ),
        )
        if not found.ok:
            raise (DbtRetryError if found.retryable else DbtFailedError)(found.summary)
        self.log.info("%s", found.summary)
        return PokeReturnValue(is_done=True, xcom_value=_xcom(found))

    def _at_work(self) -> str:
        """The first task of `not_while` that is at work, for a person; empty where none is."""
        api = ExecutionApi()
        for ref in self.not_while:
            count = api.count_tasks(ref.dag_id, ref.task_id, states=BUSY_STATES)
            if count:
                return f"task {ref.task_id} of DAG {ref.dag_id}"
        return ""


def _xcom(found: OperationVerdict) -> dict[str, Any]:
    return {
        "status": found.result.get("outcome"),
        "rows": found.rows,
        "message": found.summary,
        "result": dict(found.result),
    }
