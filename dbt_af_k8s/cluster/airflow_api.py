"""Airflow's REST API (`/api/v2`, Airflow 3), as far as commands ask it; patient with a server that is down for a while.

Source: https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from dbt_af_k8s.cluster.airflow_login import AirflowLogin, read_login_file
from dbt_af_k8s.errors import DbtAfK8sError

#: Seconds for one answer.
_TIMEOUT = 30
#: Seconds before the second try, and the most between two.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
#: Answers after which the same question may be asked again.
_PASSING = (429, 500, 502, 503, 504)
_PAGE = 100
_MOST_TOLD = 500


class AirflowApiError(DbtAfK8sError):
    """Airflow refused a call, or did not answer for as long as was waited."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token to another server."""

    def redirect_request(self, *_: Any) -> None:
        """Do not follow."""


class AirflowApi:
    """A logged-in client of one Airflow.

    `patience` is the time in seconds for which a call is tried again while the server cannot be reached or answers
    that it cannot just now. `tell` hears, once for each call, that it is being tried again.
    """

    def __init__(
        self,
        url: str,
        login: AirflowLogin,
        *,
        patience: float = 600,
        tell: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._login = login
        self._patience = patience
        self._tell = tell
        self._sleep = sleep
        self._token = ""
        self._opener = urllib.request.build_opener(_NoRedirect)

    def version(self) -> str:
        """Airflow's version. Needs no login."""
        return str(self._call("GET", "/api/v2/version", needs_login=False).get("version", ""))

    def health(self) -> Mapping[str, Any]:
        """State of the metadata database, scheduler, triggerer and DAG processor. Needs no login."""
        return self._call("GET", "/api/v2/monitor/health", needs_login=False)

    def dag(self, dag_id: str) -> Mapping[str, Any] | None:
        """Details of a DAG, or None where there is none."""
        return self._or_none("GET", f"/api/v2/dags/{quote(dag_id, safe='')}/details")

    def dag_ids(self) -> tuple[str, ...]:
        """Ids of all DAGs, sorted."""
        return tuple(sorted(str(dag["dag_id"]) for dag in self._pages("/api/v2/dags", "dags", {})))

    def run(self, dag_id: str, run_id: str) -> Mapping[str, Any] | None:
        """A run, or None where there is none."""
        return self._or_none("GET", _run_path(dag_id, run_id))

    def runs(self, dag_id: str, run_id_prefix: str) -> Mapping[str, str]:
        """States of the runs whose ids begin so, by run id."""
        # `_` stands for any character in the pattern.
        path, pattern = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns", f"{run_id_prefix}%"
        found = self._pages(path, "dag_runs", {"run_id_pattern": pattern, "order_by": "id"})
        states = {str(run["dag_run_id"]): str(run["state"]) for run in found}
        return {run_id: state for run_id, state in states.items() if run_id.startswith(run_id_prefix)}

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any], note: str = "") -> bool:
        """Start a run; False where one of that id is there already."""
        body: dict[str, Any] = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        if note:
            body["note"] = note[:1000]
        try:
            self._call("POST", f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns", body)
        except AirflowApiError as refused:
            if refused.status == http.client.CONFLICT:
                return False
            raise
        return True

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """Let the failed tasks of a run, and those that could not begin since, run again."""
        self._call("POST", f"{_run_path(dag_id, run_id)}/clear", {"dry_run": False, "only_failed": True})

    def failed_tasks(self, dag_id: str, run_id: str) -> tuple[str, ...]:
        """Ids of the tasks of a run that failed, sorted; not of those that could not begin since."""
        found = self._pages(f"{_run_path(dag_id, run_id)}/taskInstances", "task_instances", {"state": "failed"})
        return tuple(sorted({str(task["task_id"]) for task in found}))

    def pools(self) -> Mapping[str, int]:
        """Slots of all pools, by name."""
        return {str(pool["name"]): int(pool["slots"]) for pool in self._pages("/api/v2/pools", "pools", {})}

    def providers(self) -> Mapping[str, str]:
        """Versions of the providers, by package name."""
        found = self._pages("/api/v2/providers", "providers", {})
        return {str(provider["package_name"]): str(provider["version"]) for provider in found}

    def connection_type(self, conn_id: str) -> str | None:
        """The type of a connection of the metadata database, or None where that has none of the name."""
        found = self._or_none("GET", f"/api/v2/connections/{quote(conn_id, safe='')}")
        return None if found is None else str(found.get("conn_type"))

    def _pages(self, path: str, key: str, query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        offset = 0
        while True:
            answer = self._call("GET", f"{path}?{urlencode({**query, 'limit': _PAGE, 'offset': offset})}")
            found = answer.get(key) or []
            yield from found
            offset += len(found)
            if len(found) == 0 or offset >= int(answer.get("total_entries") or 0):
                return

    def _or_none(self, method: str, path: str) -> Mapping[str, Any] | None:
        try:
            return self._call(method, path)
        except AirflowApiError as refused:
            if refused.status == http.client.NOT_FOUND:
                return None
            raise

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, needs_login: bool = True
    ) -> Mapping[str, Any]:
        """One call. A token that has run out is replaced once."""
        if needs_login and not self._token:
            self._log_in()
        try:
            return self._patiently(method, path, body, self._token)
        except AirflowApiError as refused:
            if refused.status != http.client.UNAUTHORIZED or not needs_login or self._login.token:
                raise
        self._log_in()
        return self._patiently(method, path, body, self._token)

    def _log_in(self) -> None:
        login = self._login
        if login.token or login.token_file is not None:
            self._token = login.token or read_login_file(login.token_file)  # type: ignore[arg-type]
            return
        body = {"username": login.username, "password": login.password} if login.username else None
        try:
            answer = self._patiently("POST" if body else "GET", "/auth/token", body, "")
        except AirflowApiError as refused:
            if refused.status is None:
                raise
            raise AirflowApiError(f"{refused} {_LOGIN_FIX}", refused.status) from None
        self._token = str(answer.get("access_token") or "")
        if not self._token:
            raise AirflowApiError(f"{self.url} gives no token. {_LOGIN_FIX}")

    def _patiently(self, method: str, path: str, body: Mapping[str, Any] | None, token: str) -> Mapping[str, Any]:
        waited, pause = 0.0, _FIRST_PAUSE
        while True:
            try:
                return self._once(method, path, body, token)
            except AirflowApiError as failed:
                is_passing = failed.status is None or failed.status in _PASSING
                if not is_passing or waited >= self._patience:
                    raise
                if not waited:
                    self._tell(f"{failed} Trying again.")
            pause = min(pause, self._patience - waited)
            self._sleep(pause)
            waited, pause = waited + pause, min(pause * 2, _LONGEST_PAUSE)

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None, token: str) -> Mapping[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        # The scheme is http or https: `checked_url` has seen it.
        request = urllib.request.Request(self.url + path, method=method, data=data, headers=headers)  # noqa: S310
        where = f"{method} {self.url}{path.partition('?')[0]}"
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                found = json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as refused:
            raise _refused(where, refused) from None
        except (urllib.error.URLError, OSError, http.client.HTTPException) as failed:
            reason = getattr(failed, "reason", None) or failed
            told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
            raise AirflowApiError(f"Airflow cannot be reached, {where}: {told}.") from None
        except ValueError:
            raise AirflowApiError(f"What answers {where} is not Airflow 3: it sent no JSON.", 0) from None
        return found if isinstance(found, dict) else {}


_LOGIN_FIX = (
    "Check the login: DBT_AF_K8S_AIRFLOW_TOKEN, ..._TOKEN_FILE, ..._USERNAME and ..._PASSWORD, or ..._LOGIN_DIR, the "
    "folder of a mounted Secret."
)


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


def _refused(where: str, refused: urllib.error.HTTPError) -> AirflowApiError:
    detail: Any = ""
    try:
        detail = refused.read().decode("utf-8", "replace")
        detail = json.loads(detail)
        detail = detail.get("detail", detail)
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        # No JSON, as a proxy answers: then the text is what there is to tell.
        pass
    told = " ".join((detail if isinstance(detail, str) else json.dumps(detail)).split())[:_MOST_TOLD]
    return AirflowApiError(f"{where}: {refused.code}{f', {told}' if told else ''}.", refused.code)
