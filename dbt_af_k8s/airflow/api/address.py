"""Where a dbt server is, and what it wants to see: out of an Airflow connection of type HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from dbt_af_k8s.dbt.place import PlaceError, PlaceRefusesError


class ApiError(PlaceError):
    """The server cannot be asked: it is out of reach, or its answer is none of the API's."""


class ApiRefusedError(ApiError, PlaceRefusesError):
    """The server refuses the request itself; the same one would be refused again."""


class ConnectionFields(Protocol):
    """As much as is read of an Airflow connection."""

    conn_id: str
    host: str | None
    schema: str | None
    port: int | None
    login: str | None
    password: str | None

    @property
    def extra_dejson(self) -> Any:
        """The extra, read."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is, and what it wants to see."""

    conn_id: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    auth: tuple[str, str] | None = field(repr=False)
    #: True, False, or the path of the certificates to trust.
    verify: bool | str = True

    @property
    def is_overheard(self) -> bool:
        """Whether credentials go over a network in clear; networks of one machine and of one cluster are trusted."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        is_near = (
            host in ("127.0.0.1", "::1") or "." not in host or host.endswith((".svc", ".cluster.local", ".localhost"))
        )
        return parts.scheme == "http" and not is_near and ("Authorization" in self.headers or self.auth is not None)


def address_of(connection: ConnectionFields) -> Address:
    """Read a connection: login and password are basic credentials, a password alone or `token` in the extra a bearer.

    The extra may also hold `headers`, and `verify` for TLS (false, or a path of certificates). Raises
    `ApiRefusedError` where there is no host.
    """
    extra = connection.extra_dejson if isinstance(connection.extra_dejson, dict) else {}
    host = (connection.host or "").rstrip("/")
    if not host:
        raise ApiRefusedError(f"The connection {connection.conn_id} has no host: that is the dbt server's address.")
    scheme, has_scheme, rest = host.partition("://")
    if not has_scheme:
        scheme, rest = connection.schema or "http", host
    if connection.port:
        name, slash, path = rest.partition("/")
        rest = f"{name}:{connection.port}{slash}{path}"
    # A scheme in capital letters is the same one, to the HTTP library, too.
    url = f"{scheme.strip().lower()}://{rest}"
    written = extra.get("headers")
    headers = {str(key): str(value) for key, value in written.items()} if isinstance(written, dict) else {}
    token = extra.get("token") or (connection.password if not connection.login else None)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    auth = None if token or not connection.login else (connection.login, connection.password or "")
    verify = extra.get("verify", True)
    return Address(connection.conn_id, url, headers, auth, verify if isinstance(verify, bool | str) else True)


def client_arguments(address: Address, request_timeout: float) -> dict[str, Any]:
    """How an HTTP client is made for an address, in worker and triggerer alike."""
    return {
        "base_url": address.url,
        "headers": dict(address.headers),
        "auth": address.auth,
        "timeout": request_timeout,
        # Reading the machine's certificates takes longer than a request, and without TLS nobody asks for them.
        "verify": False if urlsplit(address.url).scheme == "http" else address.verify,
        # Credentials go to the address of the connection and nowhere else.
        "follow_redirects": False,
        "trust_env": True,
    }
