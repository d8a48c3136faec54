"""Finding a DAG of the plan by the id that a person typed."""

from difflib import get_close_matches
from typing import TYPE_CHECKING

from dbt_af_k8s.errors import UsageError

if TYPE_CHECKING:
    from dbt_af_k8s.plan.values import DagPlan, Plan


def dag_named(plan: "Plan", dag_id: str) -> "DagPlan":
    """The DAG of that id.

    Raises `UsageError` that names what comes close, or all DAGs where nothing does.
    """
    dag = plan.dag(dag_id)
    if dag is not None:
        return dag
    known = [each.dag_id for each in plan.dags]
    close = get_close_matches(dag_id, known, 3) or known[:20]
    told = f" Did you mean {', '.join(f'`{each}`' for each in close)}?" if close else " It has no DAG at all."
    raise UsageError(f"The plan has no DAG `{dag_id}`.{told}")
