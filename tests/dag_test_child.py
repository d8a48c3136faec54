"""Run DAGs of a plan by `dag.test`, in a process of its own: Airflow reads its home when it is imported.

Standard input: `{"runs": [{"dag_id": ..., "logical_date": ... or null, "conf": {...}}]}`. The last line of standard
output is JSON: for each run its state, and for each task its state, tries and result.
"""

import json
import sys
from datetime import datetime

import generated_dags  # the DAG file of the private DAG folder
from airflow.models.xcom import XComModel
from airflow.settings import Session
from sqlalchemy import select


def results(run_id: str) -> dict[str, object]:
    wanted = select(XComModel).where(XComModel.run_id == run_id, XComModel.key == "return_value")
    return {row.task_id: XComModel.deserialize_value(row) for row in Session().scalars(wanted)}


def run(dag_id: str, logical_date: str | None, conf: dict[str, str]) -> dict[str, object]:
    date = None if logical_date is None else datetime.fromisoformat(logical_date)
    done = getattr(generated_dags, dag_id).test(logical_date=date, run_conf=conf)
    told = results(done.run_id)
    tasks = {
        ti.task_id: {"state": ti.state, "tries": ti.try_number, "result": told.get(ti.task_id)}
        for ti in done.get_task_instances()
    }
    return {"state": done.state, "tasks": tasks}


answers = [run(**asked) for asked in json.load(sys.stdin)["runs"]]
print("\nANSWERS" + json.dumps(answers), flush=True)
