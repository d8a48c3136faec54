"""Where Airflow's REST API is, and how to log in there: from what is given, else from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dbt_af_k8s.errors import UsageError

URL_VARIABLE = "DBT_AF_K8S_AIRFLOW_URL"
TOKEN_VARIABLE = "DBT_AF_K8S_AIRFLOW_TOKEN"  # noqa: S105 - the name of a variable, no secret
TOKEN_FILE_VARIABLE = "DBT_AF_K8S_AIRFLOW_TOKEN_FILE"  # noqa: S105 - the name of a variable, no secret
USER_VARIABLE = "DBT_AF_K8S_AIRFLOW_USERNAME"
PASSWORD_VARIABLE = "DBT_AF_K8S_AIRFLOW_PASSWORD"  # noqa: S105 - the name of a variable, no secret
#: Folder of a mounted Secret: `token`, or `username` and `password`.
LOGIN_DIR_VARIABLE = "DBT_AF_K8S_AIRFLOW_LOGIN_DIR"
#: What Kubernetes tells every pod of the service that Airflow's Helm chart makes, in the same namespace.
_SERVICE = ("AIRFLOW_API_SERVER_SERVICE_HOST", "AIRFLOW_API_SERVER_SERVICE_PORT")
#: Airflow's own setting.
_BASE_URL = "AIRFLOW__API__BASE_URL"


class NoAirflowError(UsageError):
    """Nothing says where Airflow is."""


@dataclass(frozen=True, slots=True)
class AirflowLogin:
    """How to log in: by a token, by a file that holds one, or by name and password. All empty: without.

    Without a login only an Airflow answers whose simple auth manager makes everybody an admin.
    """

    token: str = field(default="", repr=False)
    token_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)


def find_url(given: str | None, env: Mapping[str, str]) -> str:
    """The address of the API: what is given, else what the environment says.

    In order: DBT_AF_K8S_AIRFLOW_URL, the service `airflow-api-server` of the same namespace, AIRFLOW__API__BASE_URL.
    Raises `NoAirflowError` where there is none, `UsageError` where it is no address.
    """
    host, port = (env.get(name, "") for name in _SERVICE)
    service = f"http://{f'[{host}]' if ':' in host else host}:{port or 8080}" if host else ""
    url = given or env.get(URL_VARIABLE) or service or env.get(_BASE_URL)
    if not url:
        raise NoAirflowError(
            f"Nothing says where Airflow is. Name its address with --airflow-url or {URL_VARIABLE}, for example "
            "http://airflow-api-server.airflow:8080, or as `airflow.url` in the configuration."
        )
    return checked_url(url)


def checked_url(url: str) -> str:
    """The address without a slash at its end. `UsageError` for what is no HTTP address, or holds a password."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise UsageError("The address of Airflow is not one: write it as http://host:8080.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("The address of Airflow holds more than scheme, host, port and path: put no login into it.")
    return url.rstrip("/")


def find_login(env: Mapping[str, str]) -> AirflowLogin:
    """The login that the environment names. `UsageError` where it names a file that cannot be read."""
    if env.get(TOKEN_VARIABLE):
        return AirflowLogin(token=env[TOKEN_VARIABLE].strip())
    if env.get(TOKEN_FILE_VARIABLE):
        file = Path(env[TOKEN_FILE_VARIABLE])
        read_login_file(file)
        return AirflowLogin(token_file=file)
    if env.get(USER_VARIABLE):
        return AirflowLogin(username=env[USER_VARIABLE], password=env.get(PASSWORD_VARIABLE, ""))
    if env.get(LOGIN_DIR_VARIABLE):
        return _from_folder(Path(env[LOGIN_DIR_VARIABLE]))
    return AirflowLogin()


def _from_folder(folder: Path) -> AirflowLogin:
    if (folder / "token").exists():
        return AirflowLogin(token_file=folder / "token")
    if (folder / "username").exists() and (folder / "password").exists():
        return AirflowLogin(
            username=read_login_file(folder / "username"), password=read_login_file(folder / "password")
        )
    raise UsageError(
        f"{folder} has neither `token` nor `username` and `password`: these are the keys that the Secret needs."
    )


def read_login_file(file: Path) -> str:
    """What a file of a login holds. `UsageError` where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as reason:
        told = getattr(reason, "strerror", None) or "it is no text"
        raise UsageError(f"The login of Airflow cannot be read from {file}: {told}.") from None
