"""What the scheduler tests do and read, in their own words."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from scheduler.cases import Case, at
from scheduler.rest import AirflowRest
from scheduler.session import AirflowSession
from scheduler.steps import control_file


class Lab:
    """An Airflow session and its DAGs."""

    def __init__(self, session: AirflowSession) -> None:
        self.session = session

    @property
    def rest(self) -> AirflowRest:
        """Airflow's REST API."""
        return self.session.rest

    def dags_or_fail(self, file: str) -> list[str]:
        """Ids of the DAGs that Airflow knows; fails with the reason where it could not read the file."""
        errors = [text for name, text in self.rest.import_errors() if name.endswith(file)]
        assert not errors, errors
        return self.rest.dags()

    def say(self, word: str, dag_id: str, logical_date: str) -> None:
        """Leave word for an upstream task: `hold`, `fail` or `skip`."""
        control_file(self.session.control, dag_id, at(logical_date)).with_suffix(f".{word}").touch()

    def unsay(self, word: str, dag_id: str, logical_date: str) -> None:
        """Take it back."""
        control_file(self.session.control, dag_id, at(logical_date)).with_suffix(f".{word}").unlink()

    def task(self, dag_id: str, task_id: str, logical_date: str | None = None) -> dict[str, Any] | None:
        """The task instance in the run of a logical date, or in the only run."""
        date = None if logical_date is None else at(logical_date)
        found = [
            task
            for task in self.rest.tasks(dag_id)
            if task["task_id"] == task_id and (date is None or moment(task["logical_date"]) == date)
        ]
        assert len(found) < 2, found
        return found[0] if found else None

    def until_states(
        self, dag_id: str, task_id: str, states: Collection[str], *, runs: int = 1, seconds: float = 180
    ) -> None:
        """Wait until the task is in one of the states in so many runs."""

        def are_there() -> bool:
            tasks = [task for task in self.rest.tasks(dag_id) if task["task_id"] == task_id]
            return sum(task["state"] in states for task in tasks) == runs

        self.session.until(f"{task_id} of {dag_id} is {' or '.join(states)} in {runs} runs", are_there, seconds=seconds)

    def until_state(
        self, dag_id: str, task_id: str, state: str, logical_date: str | None = None, *, seconds: float = 180
    ) -> dict[str, Any]:
        """Wait until a task instance is in a state, and return it."""

        def as_asked() -> dict[str, Any] | None:
            task = self.task(dag_id, task_id, logical_date)
            return task if task and task["state"] == state else None

        return self.session.until(f"{task_id} of {dag_id} is {state}", as_asked, seconds=seconds)

    def log(self, task: Mapping[str, Any]) -> str:
        """The log of the last try of a task instance."""
        return self.rest.log(task["dag_id"], task["dag_run_id"], task["task_id"], task["try_number"])

    def violations(self, dag_id: str, case: Case) -> list[str]:
        """Which downstream runs went on before the upstream runs that they need had ended, by the recorded times."""
        upstream = {
            moment(task["logical_date"]): task
            for task in self.rest.tasks(case.upstream.dag_id)
            if task["task_id"] == "node"
        }
        found = []
        for downstream_date, needed in case.needs.items():
            after = self.task(dag_id, "after", downstream_date)
            if after is None or after["start_date"] is None:
                found.append(f"{downstream_date}: did not run")
                continue
            for date in needed:
                node = upstream.get(at(date))
                if node is None or node["end_date"] is None:
                    found.append(f"{downstream_date}: upstream {date} did not run")
                elif moment(node["end_date"]) > moment(after["start_date"]):
                    found.append(f"{downstream_date}: upstream {date} ended {node['end_date']}, too late")
        return found


def moment(text: str) -> datetime:
    """A time as Airflow's REST API writes it."""
    return datetime.fromisoformat(text)
