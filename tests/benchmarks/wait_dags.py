"""A DAG file: DAGs of waits, and the DAGs that they wait for. Copied into the DAG folder of the private Airflow."""

import os
from datetime import UTC, datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable

from dbt_af_k8s.airflow import DbtWaitSensor
from dbt_af_k8s.plan.values import WaitsFor

START = datetime(2026, 1, 1, tzinfo=UTC)
DAILY = "0 0 * * *"

for number in range(int(os.environ["WAIT_DAGS"])):
    with DAG(f"upstream_{number}", schedule=CronDataIntervalTimetable(DAILY, timezone="UTC"), start_date=START) as dag:
        names = [f"node_{index}" for index in range(int(os.environ["WAITS_PER_DAG"]))]
        for name in names:
            EmptyOperator(task_id=name)
    globals()[dag.dag_id] = dag
    with DAG(f"waits_{number}", schedule=CronDataIntervalTimetable(DAILY, timezone="UTC"), start_date=START) as dag:
        for name in names:
            DbtWaitSensor(
                task_id=f"wait__{name}",
                waits_for=WaitsFor(f"upstream_{number}", name, name, "last", DAILY, "UTC", START, False),
                cron=DAILY,
                timezone="UTC",
                poke_interval=60,
                timeout=86400,
            )
    globals()[dag.dag_id] = dag
