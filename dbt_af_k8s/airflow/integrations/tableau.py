"""Refresh extracts in Tableau by its own client library (the extra `tableau`)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from dbt_af_k8s.airflow.integrations.refresher import RefreshError

if TYPE_CHECKING:
    import tableauserverclient as tsc

Answer = TypeVar("Answer")
#: What is said where there is no such library.
_MISSING = 'Tableau needs the package tableauserverclient: install `pip install "dbt-af-k8s[tableau]"`.'
_KINDS = {"workbook": "workbook", "datasource": "data source"}


class TableauRefresher:
    """Refreshes workbooks and data sources by the names of their Tableau project and their own.

    `connection` is the id of an Airflow connection. Its host (with scheme; `https` by default), port, login and
    password count; or, in place of the last two, a personal access token: `token_name` and `personal_access_token` in
    its extra (the token may also stand as the password). `site` is the site's name in its address, by default
    `site_id` of the extra, else the default site. `timeout` in seconds is that of one call.

    Tableau does the refresh in the background: done means that Tableau has taken the job on.
    """

    def __init__(self, connection: str, site: str | None = None, timeout: int = 60) -> None:
        self.connection = connection
        self.site = site
        self.timeout = timeout

    def refresh(self, resource: Mapping[str, Any]) -> str:
        """Start the refresh of `resource_name` in `project_name`; `resource_type` is `workbook` or `datasource`.

        Raises `RefreshError`.
        """
        try:
            import tableauserverclient as tsc
        except ModuleNotFoundError:
            raise RefreshError(_MISSING) from None
        kind, name, project = (str(resource[key]) for key in ("resource_type", "resource_name", "project_name"))
        what = f"{_KINDS[kind]} `{name}` of project `{project}`"
        with self._signed_in(tsc) as server:
            endpoint = server.workbooks if kind == "workbook" else server.datasources
            found = self._ask(f"look for the {what}", lambda: _named(tsc, endpoint, name, project))
            if len(found) != 1:
                raise RefreshError(_not_one(found, what, self.connection))
            incremental = bool(resource.get("incremental", False))
            if incremental and not server.check_at_least_version("3.25"):
                raise RefreshError(
                    f"This Tableau (API {server.version}) cannot refresh the {what} incrementally; 3.25 can."
                )
            job = self._ask(f"refresh the {what}", lambda: endpoint.refresh(found[0], incremental))
        if job is None:
            return f"Tableau was to refresh the {what} already: a job for it is queued."
        return f"Tableau refreshes the {what}: job {job.id}."

    @contextmanager
    def _signed_in(self, tsc: Any) -> Iterator["tsc.Server"]:
        address, credentials = self._credentials(tsc)
        try:
            server = tsc.Server(address, http_options={"timeout": self.timeout})
        except ValueError:
            raise RefreshError(
                f"The host of the Airflow connection `{self.connection}` is no address: `{address}`."
            ) from None
        # Needs no session, and what follows goes by the version that the server speaks. A fault shows when signing in.
        server.use_server_version()
        self._ask("sign in", lambda: server.auth.sign_in(credentials))
        try:
            yield server
        finally:
            # A session that cannot be closed ends by itself; what was done stays done.
            self._ask("sign out", server.auth.sign_out, or_else=None)
            server.close()

    def _credentials(self, tsc: Any) -> tuple[str, Any]:
        """Address and credentials, all out of the connection."""
        try:
            found = BaseHook.get_connection(self.connection)
        except AirflowNotFoundException:
            raise RefreshError(
                f"There is no Airflow connection `{self.connection}`; create it, or name another one in "
                "`integrations.tableau.connection`."
            ) from None
        where = f"The Airflow connection `{self.connection}`"
        if not found.host:
            raise RefreshError(f"{where} has no host: write the address of the Tableau server there.")
        host = found.host if "://" in found.host else f"{found.schema or 'https'}://{found.host}"
        address = f"{host.rstrip('/')}:{found.port}" if found.port else host.rstrip("/")
        extra = found.extra_dejson
        site = self.site if self.site is not None else str(extra.get("site_id") or "")
        token_name, token = extra.get("token_name"), extra.get("personal_access_token") or found.password
        if token_name and token:
            return address, tsc.PersonalAccessTokenAuth(str(token_name), str(token), site_id=site)
        if found.login and found.password and not token_name:
            return address, tsc.TableauAuth(found.login, found.password, site_id=site)
        raise RefreshError(
            f"{where} has no credentials: give it login and password, or `token_name` and `personal_access_token` in "
            "its extra."
        )

    def _ask(self, what: str, call: Callable[[], Answer], **fallback: Any) -> Answer:
        """Call Tableau; what goes wrong is told in one sentence. `or_else` is the answer where that is no matter."""
        import requests
        import tableauserverclient as tsc

        try:
            return call()
        except tsc.FailedSignInError as reason:
            fault = RefreshError(
                f"Tableau does not let us {what} ({reason.code}: {reason.detail}): check the credentials and the site "
                f"of the Airflow connection `{self.connection}`."
            )
        except tsc.ServerResponseError as reason:
            fault = RefreshError(f"Tableau refused to {what}: {reason.code}, {reason.summary}: {reason.detail}.")
        except tsc.server.exceptions.EndpointUnavailableError as reason:
            fault = RefreshError(f"This Tableau cannot {what}: {reason}.")
        except requests.exceptions.RequestException as reason:
            fault = RefreshError(f"Tableau did not answer when asked to {what}: {reason}.", retryable=True)
        except tsc.server.endpoint.exceptions.TableauError as reason:
            fault = RefreshError(f"Tableau failed to {what}: {' '.join(str(reason).split())}.", retryable=True)
        if "or_else" in fallback:
            answer: Answer = fallback["or_else"]
            return answer
        raise fault


def _named(tsc: Any, endpoint: Any, name: str, project: str) -> list[Any]:
    """What is called so in the project.

    Tableau narrows the list; a comma or ampersand in a name cannot stand in its filter expressions, even encoded
    (REST API, "Filtering and Sorting"), so such a name narrows nothing. Then each name is compared here.
    """
    options = tsc.RequestOptions()
    for field, value in ((tsc.RequestOptions.Field.Name, name), (tsc.RequestOptions.Field.ProjectName, project)):
        if "," not in value and "&" not in value:
            options.filter.add(tsc.Filter(field, tsc.RequestOptions.Operator.Equals, value))
    return [item for item in tsc.Pager(endpoint, options) if (item.name, item.project_name) == (name, project)]


def _not_one(found: list[Any], what: str, connection: str) -> str:
    if not found:
        return (
            f"Tableau has no {what}, or the user of the Airflow connection `{connection}` may not see it; names count "
            "with upper and lower case."
        )
    ids = ", ".join(sorted(str(item.id) for item in found))
    return f"Tableau has {len(found)} times a {what} (ids {ids}): projects of one name lie in several places."
