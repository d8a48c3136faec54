"""What is not built yet, from task to task within a DAG."""

from collections.abc import Callable
from typing import Any

from dbt_af_k8s.airflow.skip_marks import NOT_BUILT
from dbt_af_k8s.airflow.skips import skip_not_built
from dbt_af_k8s.airflow.waits.api import ExecutionApi
from dbt_af_k8s.plan.first_runs import work_before
from dbt_af_k8s.plan.values import DagPlan

#: An Airflow hook that is called before a task works.
PreExecute = Callable[[Any], None]


def pass_on_not_built(dag: DagPlan, task_id: str) -> PreExecute:
    """What a task does before it works: where a task before it was skipped as "not built yet", so is this one.

    Airflow's trigger rules cannot tell the kinds of skips apart, so the task itself looks. It costs one question while
    nothing of the run is skipped.
    """

    def look(context: Any) -> None:
        run_id, api = context["ti"].run_id, ExecutionApi()
        if not api.count_tasks(dag.dag_id, states=["skipped"], run_id=run_id):
            return
        before = work_before(dag, task_id)
        for states in api.task_states(dag.dag_id, before, run_ids=[run_id]).values():
            for upstream in sorted(key for key, state in states.items() if state == "skipped"):
                mark = api.skip_of(dag.dag_id, run_id, upstream)
                if mark is not None and mark.kind == NOT_BUILT:
                    skip_not_built(context, mark.because)

    return look
