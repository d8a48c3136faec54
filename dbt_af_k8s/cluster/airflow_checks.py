"""Whether Airflow is reachable and has what the plan needs."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.cluster.airflow_api import AirflowApi, AirflowApiError
from dbt_af_k8s.cluster.checks import Check, doubtful, fine, wrong
from dbt_af_k8s.cluster.versions import (
    KUBERNETES_PROVIDER,
    OLDEST_AIRFLOW,
    OLDEST_PROVIDER,
    check_oldest,
    installed,
    version_numbers,
)
from dbt_af_k8s.plan.needs import Needs

AREA = "airflow"
#: What deferred tasks need besides those that always run.
_NEEDED = {
    "metadatabase": "Airflow's database does not answer: look at its log.",
    "scheduler": "Start it: nothing runs without.",
    "dag_processor": "Start it: no DAG file is read without.",
    "triggerer": "Start it: waits and deferred pods need it (or set `waits.deferrable: false`).",
}


def check_airflow(airflow: AirflowApi, needs: Needs) -> Iterator[Check]:
    """Every line about one Airflow. Never raises."""
    try:
        found = airflow.version()
    except AirflowApiError as failed:
        fix = "Check the address, and whether a network policy or proxy stands between."
        yield wrong(AREA, "API", str(failed), fix)
        return
    yield fine(AREA, "API", airflow.url)
    yield check_oldest("version", found or "unknown", OLDEST_AIRFLOW, area=AREA)
    here = installed("apache-airflow")
    if here is not None and version_numbers(here)[:2] != version_numbers(found)[:2]:
        told = f"{here} is installed here, {found} runs there"
        yield doubtful(AREA, "same version", told, "Use one image for all of Airflow's parts, and for CI.")
    yield from _guarded("health", lambda: _health(airflow.health()))
    try:
        pools = airflow.pools()
    except AirflowApiError as failed:
        yield wrong(AREA, "login", str(failed), "Give a login that may read pools, connections and providers.")
        return
    yield fine(AREA, "login", "accepted")
    yield from _pools(pools, needs)
    yield from _guarded("connections", lambda: _connections(airflow, needs))
    yield from _guarded("providers", lambda: _providers(airflow.providers(), needs))


def _guarded(name: str, look: Any) -> Iterator[Check]:
    try:
        yield from look()
    except AirflowApiError as failed:
        told = str(failed)
        yield doubtful(AREA, name, told, "Give the login the right to read it; this was not looked at.")


def _health(found: Mapping[str, Any]) -> Iterator[Check]:
    for part, fix in _NEEDED.items():
        status = (found.get(part) or {}).get("status")
        if status == "healthy":
            yield fine(AREA, part, "healthy")
        elif part == "triggerer" or (part == "dag_processor" and status is None):
            yield doubtful(AREA, part, str(status or "not running"), fix)
        else:
            yield wrong(AREA, part, str(status or "not running"), fix)


def _pools(pools: Mapping[str, int], needs: Needs) -> Iterator[Check]:
    for name in needs.pools:
        if name in pools:
            yield fine(AREA, f"pool {name}", f"{pools[name]} slots")
        else:
            told = "Airflow does not have it: its tasks would stay scheduled for ever"
            yield wrong(AREA, f"pool {name}", told, "Make it: dbt-af-k8s pools --apply, where Airflow is installed.")


def _connections(airflow: AirflowApi, needs: Needs) -> Iterator[Check]:
    for needed in needs.connections:
        name, wanted = f"connection {needed.conn_id}", needed.conn_type
        found = airflow.connection_type(needed.conn_id)
        if found is None:
            told = "not in Airflow's database"
            fix = "Make it there, unless a secrets backend or AIRFLOW_CONN_... of the workers has it."
            yield doubtful(AREA, name, told, fix)
        elif wanted and found != wanted:
            # A dbt server's address is read out of a connection of any type.
            tell = doubtful if wanted == "http" else wrong
            yield tell(AREA, name, f"is of the type {found}", f"Make it a connection of the type {wanted}.")
        else:
            yield fine(AREA, name, "there")


def _providers(providers: Mapping[str, str], needs: Needs) -> Iterator[Check]:
    found = providers.get(KUBERNETES_PROVIDER)
    if found is not None:
        yield check_oldest("Kubernetes provider", found, OLDEST_PROVIDER, area=AREA)
    elif needs.has_kubernetes:
        fix = f"Install {KUBERNETES_PROVIDER} into Airflow's image."
        yield wrong(AREA, "Kubernetes provider", "Airflow does not have it, and a target or runner is Kubernetes", fix)
