"""What the DAGs of this project call: a Python file beside the project, on nobody's Python path."""

from scheduler.late import say

from dbt_af_k8s.airflow import RefreshError


def dag_success(context):
    say("dag success", context["dag"].dag_id)


def dag_failure(context):
    say("dag failure", context["dag"].dag_id)


def task_success(context):
    say("task success", f"{context['dag'].dag_id}.{context['task'].task_id}")


def task_retry(context):
    say("task retry", f"{context['dag'].dag_id}.{context['task'].task_id}")


def task_failure(context):
    say("task failure", f"{context['dag'].dag_id}.{context['task'].task_id}")


class Board:
    def refresh(self, resource):
        if resource["exposure"]["name"] == "lost_board":
            raise RefreshError("The board is lost.")
        return "The board is new."
