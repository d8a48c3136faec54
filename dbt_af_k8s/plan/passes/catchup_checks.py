"""DAGs that would stop for good: a row of runs that catches up, and a cron that no clock change lets through."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from dbt_af_k8s.errors import Issue, warning
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import DagPlan
from dbt_af_k8s.schedule.calendar import Calendar

#: So far from the start date clock changes are tried; the days on which they fall come again within six years.
_SPAN = timedelta(days=6 * 366)


def stalled_catchups(inputs: PlanInputs, dags: Sequence[DagPlan]) -> Iterable[Issue]:
    """A warning for each cron of which Airflow 3.3 makes no more runs after a clock change; see `Calendar.stall_in`."""
    alike: dict[tuple[str, str, datetime], list[str]] = {}
    for dag in dags:
        if dag.catchup and dag.schedule is not None and not dag.is_broken:
            alike.setdefault((dag.schedule, dag.timezone, dag.start_date), []).append(dag.dag_id)
    for (cron, timezone, start), dag_ids in sorted(alike.items()):
        stall = Calendar(cron, timezone).stall_in(start, start + _SPAN)
        if stall is None:
            continue
        named = f"DAG `{dag_ids[0]}`" + (f" and {len(dag_ids) - 1} more" if len(dag_ids) > 1 else "")
        yield warning(
            "catchup-stalls",
            f"Airflow makes no more runs of {named} after {stall:%Y-%m-%d %H:%M} UTC: with `catchup` it cannot carry "
            f"`{cron}` in `{timezone}` over that clock change.",
            "Set `dags.catchup` to false, or read this schedule in UTC (`timezone` of a named schedule, or of `dags`).",
            file=inputs.settings_file,
            key="dags.catchup",
        )
