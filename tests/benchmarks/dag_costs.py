"""What it costs to build DAGs and to serialize them, as Airflow's DAG processor does; told as a line of JSON.

Imported by the scripts that a benchmark starts, each in the environment of the library it measures.
"""

import json
import time
from collections.abc import Callable
from typing import Any


def report(build: Callable[[], list[Any]]) -> None:
    """Build, serialize, and print CPU seconds and counts."""
    import airflow.sdk  # noqa: F401  its own import is nobody's merit
    from airflow.serialization.serialized_objects import DagSerialization

    start = time.process_time()
    dags = build()
    built = time.process_time()
    for dag in dags:
        DagSerialization.to_dict(dag)
    done = time.process_time()
    tasks = [task for dag in dags for task in dag.tasks]
    print(
        json.dumps(
            {
                "build": built - start,
                "serialize": done - built,
                "total": done - start,
                "dags": len(dags),
                "tasks": len(tasks),
                "edges": sum(len(task.upstream_task_ids) for task in tasks),
            }
        )
    )
