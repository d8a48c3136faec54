"""What Airflow calls when something fails; named in dbt_af_k8s.yml under `callbacks`.

A real shop writes to a chat or a pager here. This one writes to target/alerts.txt. `dbt-af-k8s run` and `make demo`
call nothing: a try on your own machine wakes nobody up.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

ALERTS = Path(__file__).resolve().parent / "target" / "alerts.txt"


def task_failed(context: Mapping[str, Any]) -> None:
    """The last try of a task has failed. `context` is Airflow's, as templates have it."""
    task = context["task"]
    _tell(f"{task.owner}: {task.dag_id}.{task.task_id} failed: {context.get('exception')}")


def run_failed(context: Mapping[str, Any]) -> None:
    """A run of a DAG has failed, after all of its tasks have come to an end."""
    _tell(f"{context['dag'].dag_id}: the run {context['run_id']} failed")


def _tell(text: str) -> None:
    ALERTS.parent.mkdir(exist_ok=True)
    with ALERTS.open("a", encoding="utf-8") as alerts:
        alerts.write(" ".join(text.split()) + "\n")
