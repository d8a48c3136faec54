"""The warehouse targets that a plan's dbt tasks run on. Pure."""

from collections.abc import Iterable

from dbt_af_k8s.plan.values import DagPlan


def dbt_targets(dags: Iterable[DagPlan]) -> tuple[tuple[str, str | None], ...]:
    """Each target on which a task runs dbt on nodes, with the dbt program of the first such task; sorted by target."""
    found: dict[str, str | None] = {}
    for dag in dags:
        for task in dag.tasks:
            if task.dbt is not None and task.dbt.nodes and task.dbt.target is not None:
                found.setdefault(task.dbt.target, task.dbt.executable)
    return tuple(sorted(found.items(), key=lambda pair: pair[0]))
