"""Refresh what reads a model: the operator, and who does it for which provider."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dbt_af_k8s.airflow.by_name import find_by_name
from dbt_af_k8s.airflow.integrations.refresher import Refresher, RefreshError
from dbt_af_k8s.config.settings_integrations import MONTE_CARLO, TABLEAU
from dbt_af_k8s.errors import DbtAfK8sError, UsageError
from dbt_af_k8s.plan.values import RefreshPlan

__all__ = ["DbtRefreshOperator", "RefreshError", "Refresher", "refresher_of"]


class RefreshFailedError(AirflowFailException, DbtAfK8sError):
    """What was asked for cannot be refreshed; Airflow does not retry."""


class RefreshRetryError(AirflowException, DbtAfK8sError):
    """A refresh failed for a reason that may pass; Airflow retries as the settings say."""


class DbtRefreshOperator(BaseOperator):
    """Refreshes the resources of one node or exposure.

    All of them are tried, also where one fails. `refresh` names the provider: `tableau`, or the dotted path of a class
    or function that is called without arguments and gives a `Refresher`; `provider` is that thing itself, for those
    that have it at hand. A Python file in `project_dir` goes before an installed module of the same name. Returns what
    was done, one sentence each.

    Raises `RefreshRetryError` where another try may help with all that failed, else `RefreshFailedError`.
    """

    ui_color = "#e8dff5"

    def __init__(
        self,
        *,
        task_id: str,
        refresh: RefreshPlan,
        provider: Callable[[], Refresher] | Refresher | None = None,
        project_dir: Path | None = None,
        **base: Any,
    ) -> None:
        super().__init__(task_id=task_id, **base)
        self.refresh = refresh
        self.provider = provider
        self.project_dir = project_dir

    def execute(self, context: Any) -> list[str]:
        """Refresh, and tell what was done."""
        try:
            refresher = refresher_of(self.refresh.provider, self.refresh.options, self.provider, self.project_dir)
        except RefreshError as fault:
            raise RefreshFailedError(str(fault)) from None
        done: list[str] = []
        faults: list[RefreshError] = []
        for resource in self.refresh.resources:
            try:
                told = refresher.refresh(resource)
            except RefreshError as fault:
                self.log.error("%s", fault)
                faults.append(fault)
            else:
                self.log.info("%s", told)
                done.append(told)
        if faults:
            failed = f"{len(faults)} of {len(self.refresh.resources)} resource(s) not refreshed: "
            failure = RefreshRetryError if all(fault.retryable for fault in faults) else RefreshFailedError
            raise failure(failed + " ".join(str(fault) for fault in faults))
        return done


def refresher_of(
    provider: str,
    options: Mapping[str, Any],
    given: Callable[[], Refresher] | Refresher | None = None,
    project_dir: Path | None = None,
) -> Refresher:
    """The refresher of a provider; `given` is what makes it, or itself, where that is at hand.

    A provider that is named by its dotted path may lie in a Python file of `project_dir`.

    Raises `RefreshError` where there is none of that name.
    """
    if given is None and provider == TABLEAU:
        from dbt_af_k8s.airflow.integrations.tableau import TableauRefresher

        return TableauRefresher(**options)
    if given is None and provider == MONTE_CARLO:
        from dbt_af_k8s.airflow.integrations.monte_carlo import MonteCarloImporter

        return MonteCarloImporter(**options)
    try:
        found = find_by_name(provider, {}, project_dir) if given is None else given
    except UsageError as reason:
        raise RefreshError(f"The provider `{provider}` is not found: {reason}.") from None
    if isinstance(found, type) or not isinstance(found, Refresher):
        if not callable(found):
            raise RefreshError(f"The provider `{provider}` is {type(found).__name__}, which has no method `refresh`.")
        found = found()
    if not isinstance(found, Refresher):
        raise RefreshError(f"The provider `{provider}` gives {type(found).__name__}, which has no method `refresh`.")
    return found
