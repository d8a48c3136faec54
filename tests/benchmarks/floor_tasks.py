"""The list of tasks for the hand-written DAGs: `floor_tasks.py PROJECT FILE`."""

import json
import os
import sys
from pathlib import Path

from dbt_af_k8s.plan.project import plan_project
from dbt_af_k8s.plan.request import PlanRequest


def main(project: Path, file: Path) -> None:
    """Plan the project and write its DAGs and tasks."""
    plan = plan_project(PlanRequest(project_dir=project), os.environ)
    dags = [
        {
            "dag_id": dag.dag_id,
            "cron": dag.schedule,
            "tasks": [
                {
                    "task_id": task.task_id,
                    "group": task.group,
                    "kind": task.kind.value,
                    "nodes": task.nodes,
                    "upstream": task.upstream,
                    "waits_for": [task.waits_for.dag_id, task.waits_for.task_id] if task.waits_for else None,
                }
                for task in dag.tasks
            ],
        }
        for dag in plan.dags
    ]
    file.write_text(json.dumps(dags))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
