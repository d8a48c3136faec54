"""Send dbt's artefacts to Monte Carlo by its own packages (the extra `monte-carlo`)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from airflow.sdk.exceptions import AirflowException

from dbt_af_k8s.airflow.integrations.refresher import RefreshError


class MonteCarloImporter:
    """Imports a dbt run into Monte Carlo, as a `Refresher`.

    `connection` is the id of an Airflow connection as `airflow-mcd` wants it: login and password are the API key's id
    and secret, the host is empty or the address of the API. `warehouse` is the name or UUID of the warehouse in Monte
    Carlo; without one the account must have only one.
    """

    def __init__(self, connection: str, warehouse: str | None = None) -> None:
        self.connection = connection
        self.warehouse = warehouse

    def refresh(self, resource: Mapping[str, Any]) -> str:
        """Import the run of `manifest` and `run_results` as `job` of `project`. Raises `RefreshError`."""
        try:
            from airflow_mcd.hooks import SessionHook
            from pycarlo.core import Client
            from pycarlo.features.dbt import DbtImporter
        except ModuleNotFoundError as missing:
            raise RefreshError(
                f'Monte Carlo needs the package {missing.name}: install `pip install "dbt-af-k8s[monte-carlo]"`.'
            ) from None
        try:
            client = Client(session=SessionHook(mcd_session_conn_id=self.connection).get_conn())
            DbtImporter(mc_client=client).import_run(
                manifest_path=resource["manifest"],
                run_results_path=resource["run_results"],
                project_name=resource["project"],
                job_name=resource["job"],
                resource_id=self._warehouse_id(client),
            )
        except RefreshError:
            raise
        except AirflowException as reason:
            raise RefreshError(f"Monte Carlo: the Airflow connection `{self.connection}`: {reason}.") from None
        except Exception as reason:
            # The packages raise errors of several libraries (requests, sgqlc, their own) without a common root.
            fault = (
                f"Monte Carlo did not take dbt's artefacts: {type(reason).__name__}: {' '.join(str(reason).split())}"
            )
            raise RefreshError(fault[:500], retryable=True) from reason
        return f"Monte Carlo has dbt's manifest and results of {resource['job']}."

    def _warehouse_id(self, client: Any) -> str | None:
        if self.warehouse is None or _is_uuid(self.warehouse):
            return self.warehouse
        from pycarlo.core import Query

        query = Query()
        query.get_user().account.warehouses.__fields__("name", "uuid")
        found = {str(each.name): str(each.uuid) for each in client(query).get_user.account.warehouses}
        if self.warehouse not in found:
            known = ", ".join(f"`{name}`" for name in sorted(found)) or "none"
            raise RefreshError(f"Monte Carlo has no warehouse `{self.warehouse}`; the account has: {known}.")
        return found[self.warehouse]


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
