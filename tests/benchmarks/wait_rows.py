"""Put waits into Airflow's database as a worker leaves them: deferred, and their upstream tasks at work.

A program for the private Airflow of `wait_benchmark`: reads `{"per_dag", "pokes"}` from standard input, and writes
rows for the DAGs of `wait_dags.py`. To let workers start a thousand tasks would cost more than all that is measured.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select
from sqlalchemy.orm import Session

from dbt_af_k8s.airflow.waits.trigger import DbtWaitTrigger, runs_to_json, waits_for_to_json
from dbt_af_k8s.plan.values import WaitsFor
from dbt_af_k8s.schedule.values import Interval

DAY = timedelta(days=1)
NOW = datetime.now(UTC)
END = datetime.combine(NOW.date(), datetime.min.time(), tzinfo=UTC)


def run_of(dag_id: str, session: Session) -> DagRun:
    """The run for the last day, with its tasks; made where it is not there yet."""
    found = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id))
    if found is not None:
        return found
    dag = SerializedDagModel.get_dag(dag_id, session=session)
    assert dag is not None, dag_id
    run: DagRun = dag.create_dagrun(
        run_id=f"scheduled__{END.isoformat()}",
        logical_date=END - DAY,
        data_interval=(END - DAY, END),
        run_after=END,
        run_type=DagRunType.SCHEDULED,
        triggered_by=DagRunTriggeredByType.TIMETABLE,
        state=DagRunState.RUNNING,
        session=session,
    )
    return run


def defer(instance: Any, waits_for: WaitsFor, asked: dict[str, Any], session: Session) -> None:
    """What the worker of a wait sends to Airflow."""
    trigger = DbtWaitTrigger(
        waits_for=waits_for_to_json(waits_for),
        runs=runs_to_json([Interval(END - DAY, END)]),
        poke_interval=asked["poke"],
        deadline=(NOW + DAY).isoformat(),
        began=(NOW - timedelta(seconds=asked["waited"])).isoformat(),
        longest_poke_interval=asked["longest"],
    )
    path, arguments = trigger.serialize()
    row = Trigger(classpath=path, kwargs=arguments, created_date=NOW)
    session.add(row)
    session.flush()
    instance.state, instance.trigger_id = TaskInstanceState.DEFERRED, row.id
    instance.start_date, instance.try_number = NOW, 1
    instance.next_method, instance.next_kwargs = "execute_complete", {}
    instance.trigger_timeout = NOW + DAY


def main() -> None:
    """Write the rows."""
    asked = json.load(sys.stdin)
    with create_session() as session:
        for number in range(asked["dags"]):
            for instance in run_of(f"upstream_{number}", session).get_task_instances(session=session):
                instance.state, instance.start_date = TaskInstanceState.RUNNING, NOW
            for instance in run_of(f"waits_{number}", session).get_task_instances(session=session):
                name = instance.task_id.removeprefix("wait__")
                upstream = WaitsFor(f"upstream_{number}", name, name, "last", "0 0 * * *", "UTC", END - DAY, False)
                defer(instance, upstream, asked, session)


main()
