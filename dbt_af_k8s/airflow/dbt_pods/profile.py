"""A profiles.yml out of an Airflow connection, when a task runs. It goes into a Secret and nowhere else."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from dbt_af_k8s.dbt.place import PlaceRefusesError
from dbt_af_k8s.pods.dbt_values import ConnectionProfile

#: Key of a connection's extra with keys of the output, for any adapter: they win over what the connection gives.
EXTRA_KEY = "dbt"
#: Keys of a PostgreSQL connection's extra that dbt-postgres has under the same name.
_POSTGRES_EXTRA = ("sslmode", "sslcert", "sslkey", "sslrootcert", "keepalives_idle", "connect_timeout", "search_path")


def profiles_of_connection(wanted: ConnectionProfile) -> dict[str, Any]:
    """The content of profiles.yml. Raises `PlaceRefusesError` where the connection is not there or says too little."""
    try:
        connection = BaseHook.get_connection(wanted.conn_id)
    except AirflowNotFoundException:
        raise PlaceRefusesError(f"There is no Airflow connection `{wanted.conn_id}`, which the runner names.") from None
    extra = connection.extra_dejson
    given = extra.get(EXTRA_KEY) or {}
    row = _BY_ADAPTER.get(wanted.adapter)
    if not isinstance(given, Mapping) or (row is None and not given):
        raise PlaceRefusesError(
            f"Of a connection for the adapter {wanted.adapter} dbt gets what stands in its extra under `{EXTRA_KEY}`, "
            f"as in profiles.yml; `{wanted.conn_id}` has no mapping there."
        )
    output = {**(row(connection, extra) if row else {}), **given, **wanted.output, "type": wanted.adapter}
    plain = {key: _literal(value) for key, value in output.items() if value is not None}
    return {wanted.profile: {"target": wanted.target, "outputs": {wanted.target: plain}}}


def _postgres(connection: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    """As dbt-postgres and dbt-redshift call it."""
    return {
        "host": connection.host,
        "port": connection.port or 5432,
        "user": connection.login,
        "password": connection.password,
        "dbname": connection.schema,
        "threads": 1,
        **{key: extra[key] for key in _POSTGRES_EXTRA if key in extra},
    }


def _redshift(connection: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    return {**_postgres(connection, extra), "port": connection.port or 5439}


_BY_ADAPTER: Mapping[str, Callable[[Any, Mapping[str, Any]], dict[str, Any]]] = MappingProxyType(
    {"postgres": _postgres, "redshift": _redshift}
)


def _literal(value: Any) -> Any:
    """A text that dbt, which reads profiles.yml as Jinja, leaves as it is."""
    if isinstance(value, str) and "{" in value:
        return f"{{{{ {json.dumps(value)} }}}}"
    return value
