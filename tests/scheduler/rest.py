"""Airflow's REST API, as far as the scheduler tests ask it."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote


class NotReadyError(Exception):
    """The API server does not answer, or not yet."""


class AirflowRest:
    """One logged-in client."""

    def __init__(self, base: str, user: str, password: str) -> None:
        self._base = base
        self._login = {"username": user, "password": password}
        self._token = ""

    @property
    def address(self) -> tuple[str, str, str]:
        """Address, name and password."""
        return self._base, self._login["username"], self._login["password"]

    def log_in(self) -> bool:
        """Get a token from the simple auth manager."""
        self._token = str(self._call("POST", "/auth/token", self._login)["access_token"])
        return True

    def dags(self) -> list[str]:
        """Ids of the DAGs that Airflow knows."""
        return sorted(dag["dag_id"] for dag in self._call("GET", "/api/v2/dags?limit=200")["dags"])

    def import_errors(self) -> list[tuple[str, str]]:
        """Which DAG files could not be read, and why."""
        found = self._call("GET", "/api/v2/importErrors")["import_errors"]
        return [(str(each["filename"]), str(each["stack_trace"])) for each in found]

    def switch_on(self, dag_id: str) -> None:
        """Unpause a DAG."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The DAG runs of a DAG."""
        return list(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=100")["dag_runs"])

    def tasks(self, dag_id: str) -> list[dict[str, Any]]:
        """The task instances of all runs of a DAG."""
        return list(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/~/taskInstances?limit=200")["task_instances"])

    def trigger(self, dag_id: str, logical_date: datetime | None = None, form: Mapping[str, Any] | None = None) -> str:
        """Start a run by hand; its run id."""
        date = logical_date.isoformat() if logical_date else None
        body: dict[str, Any] = {"logical_date": date, "conf": dict(form or {})}
        return str(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def clear(self, dag_id: str, run_id: str, task_id: str, *, downstream: bool = False) -> None:
        """Clear a task of one run, as a person does in the UI."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task_id],
            "only_failed": False,
            "include_downstream": downstream,
            "reset_dag_runs": True,
        }
        self._call("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)

    def mark(self, dag_id: str, run_id: str, state: str) -> None:
        """Say that a run has ended, as a person does in the UI."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}", {"state": state})

    def connect(self, connection: Mapping[str, Any]) -> None:
        """Make a connection."""
        self._call("POST", "/api/v2/connections", dict(connection))

    def result(self, task: Mapping[str, Any]) -> Any:
        """What a task instance returned."""
        path = f"/api/v2/dags/{task['dag_id']}/dagRuns/{quote(task['dag_run_id'])}/taskInstances/{task['task_id']}"
        return self._call("GET", f"{path}/xcomEntries/return_value")["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        """The log of one try as one text, the messages of exceptions included."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/logs/{attempt}?full_content=true"
        lines = self._call("GET", path)["content"]
        said = [[line["event"], *[each["exc_value"] for each in line.get("error_detail") or []]] for line in lines]
        return "\n".join(text for texts in said for text in texts)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> Any:
        """What a task instance left under a key."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        return self._call("GET", path)["value"]

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """The links of a task instance, by name."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/links"
        return dict(self._call("GET", path)["extra_links"])

    def rendered(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """The rendered fields of a task instance."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"
        return dict(self._call("GET", path)["rendered_fields"])

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call; what the server could not do for a moment is asked again."""
        for pause in (0.5, 1.0, 2.0):
            try:
                return self._call_once(method, path, body)
            except NotReadyError:
                time.sleep(pause)
        return self._call_once(method, path, body)

    def _call_once(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"}
            | ({"Authorization": f"Bearer {self._token}"} if self._token else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            kind = NotReadyError if error.code >= 500 else AssertionError
            raise kind(f"{method} {path}: {error.code} {text[:500]}") from None
        except (urllib.error.URLError, OSError) as error:
            raise NotReadyError(f"{method} {path}: {error}") from None
