"""The least that the same DAGs cost: written by hand from a list of tasks. `child_floor.py TASKS.json`.

The list is that of this library's plan: for each DAG its id, cron and tasks, each with its id, its group, its kind and
the ids upstream; retries and rules are those that the plan gives to each task. A task that runs dbt is an operator with
one templated field, its command; a wait is one with the DAG and the task that it waits for; edges are set directly,
which is much cheaper than `>>`.
"""

import gc
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dag_costs import report


def build() -> list[Any]:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, CronDataIntervalTimetable, TaskGroup

    class Run(BaseOperator):
        template_fields = ("command",)

        def __init__(self, *, command: list[str], **rest: Any) -> None:
            super().__init__(**rest)
            self.command = command

    class Wait(BaseSensorOperator):
        def __init__(self, *, waits_for: list[str], **rest: Any) -> None:
            super().__init__(**rest)
            self.waits_for = waits_for

    def operator(task: dict[str, Any], dag: DAG, groups: dict[str, TaskGroup]) -> BaseOperator:
        shared: dict[str, Any] = {"task_id": task["task_id"], "dag": dag}
        if task["group"]:
            shared["task_group"] = groups[task["group"]]
        shared |= {"trigger_rule": "none_failed", "weight_rule": "absolute", "owner": "dbt"}
        shared |= {"retries": 2, "retry_delay": timedelta(minutes=1)}
        shared |= {"retry_exponential_backoff": 2.0, "max_retry_delay": timedelta(minutes=30)}
        if task["kind"] == "wait":
            return Wait(waits_for=task["waits_for"], poke_interval=60, timeout=86400, **shared)
        if task["kind"] == "endpoint":
            return EmptyOperator(**shared)
        return Run(command=["dbt", task["kind"], "--select", *task["nodes"]], **shared)

    dags = []
    # As careful users do: the garbage collector finds nothing here.
    gc.disable()
    for plan in json.loads(Path(sys.argv[1]).read_bytes()):
        dag = DAG(
            plan["dag_id"],
            schedule=CronDataIntervalTimetable(plan["cron"], timezone="UTC") if plan["cron"] else None,
            start_date=datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
            catchup=False,
        )
        names = dict.fromkeys(task["group"] for task in plan["tasks"] if task["group"])
        groups = {name: TaskGroup(name, prefix_group_id=False, dag=dag) for name in names}
        made = {task["task_id"]: operator(task, dag, groups) for task in plan["tasks"]}
        for task in plan["tasks"]:
            made[task["task_id"]].upstream_task_ids.update(task["upstream"])
            for key in task["upstream"]:
                made[key].downstream_task_ids.add(task["task_id"])
        dags.append(dag)
    gc.enable()
    return dags


if __name__ == "__main__":
    report(build)
