"""Airflow's answers to a wait, through the Execution API: the same in a worker and in the triggerer."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from dbt_af_k8s.airflow.skip_marks import SKIP_KEY, SkipMark, read_skip_mark

#: The dates and ids of one question travel in a URL; so many keep it well below what web servers take.
_PER_QUESTION = 100


class ExecutionApi:
    """`UpstreamApi` over Airflow's task supervisor. Needs a running task or trigger around it; no database.

    Raises `AirflowRuntimeError` where the API server does not answer.
    """

    def task_states(
        self, dag_id: str, task_ids: Sequence[str], *, dates: Sequence[datetime] = (), run_ids: Sequence[str] = ()
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The states of some tasks by run id; an instance of a mapped task goes by its id, `_` and its number."""
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        states: dict[str, dict[str, str | None]] = defaultdict(dict)
        for some_dates, some_ids in _questions(dates, run_ids):
            for first in range(0, len(task_ids), _PER_QUESTION):
                some_tasks = list(task_ids[first : first + _PER_QUESTION])
                answer = RuntimeTaskInstance.get_task_states(
                    dag_id=dag_id, task_ids=some_tasks, logical_dates=some_dates, run_ids=some_ids
                )
                for run_id, tasks in answer.items():
                    states[run_id].update(tasks)
        return dict(states)

    def count_runs(
        self, dag_id: str, *, dates: Sequence[datetime] = (), run_ids: Sequence[str] = (), states: Sequence[str] = ()
    ) -> int:
        """How many runs of a DAG there are."""
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        return sum(
            RuntimeTaskInstance.get_dr_count(
                dag_id=dag_id, logical_dates=some_dates, run_ids=some_ids, states=list(states) or None
            )
            for some_dates, some_ids in _questions(dates, run_ids)
        )

    def count_tasks(
        self, dag_id: str, task_id: str | None = None, *, states: Sequence[str], run_id: str | None = None
    ) -> int:
        """How many task instances are in these states: of one task or of all, over all runs of the DAG or in one."""
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        return RuntimeTaskInstance.get_ti_count(
            dag_id=dag_id,
            task_ids=None if task_id is None else [task_id],
            run_ids=None if run_id is None else [run_id],
            states=list(states),
        )

    def skip_of(self, dag_id: str, run_id: str, task_id: str) -> SkipMark | None:
        """The mark that a task left which skipped itself; None where Airflow, a person or other code skipped it."""
        from airflow.sdk.execution_time.xcom import XCom

        return read_skip_mark(XCom.get_one(key=SKIP_KEY, dag_id=dag_id, task_id=task_id, run_id=run_id))


def dag_trouble(dag_id: str) -> str | None:
    """Why no run of a DAG may come, where Airflow knows: it is paused, or not there. Answered in a worker only."""
    from airflow.sdk.api.client import ServerResponseError
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    try:
        is_paused = RuntimeTaskInstance.get_dag(dag_id).is_paused
    except (AirflowRuntimeError, ServerResponseError):  # the second under `dag.test`, where no supervisor is between
        return f"Airflow does not know a DAG {dag_id}, or did not answer."
    return f"DAG {dag_id} is paused: no run of it starts until it is switched on." if is_paused else None


def _questions(
    dates: Sequence[datetime], run_ids: Sequence[str]
) -> Iterator[tuple[list[datetime] | None, list[str] | None]]:
    """Cut a question into parts. One about neither dates nor ids would ask about every run there is: it is none."""
    for first in range(0, len(dates), _PER_QUESTION):
        yield list(dates[first : first + _PER_QUESTION]), None
    for first in range(0, len(run_ids), _PER_QUESTION):
        yield None, list(run_ids[first : first + _PER_QUESTION])
