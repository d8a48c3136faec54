"""The interface of those who refresh what reads a model. Needs no Airflow."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from dbt_af_k8s.errors import DbtAfK8sError


class RefreshError(DbtAfK8sError):
    """A resource could not be refreshed: one sentence for people that says what and why.

    `retryable` says whether another try may help: a server that does not answer, not a workbook that does not exist.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


@runtime_checkable
class Refresher(Protocol):
    """Who makes a system read anew what dbt has built."""

    def refresh(self, resource: Mapping[str, Any]) -> str:
        """Refresh one resource, and say in a short sentence what was done. Raises `RefreshError`."""
        ...
