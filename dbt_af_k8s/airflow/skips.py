"""Skips that this library makes itself. Each leaves its mark in XCom."""

import logging
from collections.abc import Mapping
from typing import Any, NoReturn

from airflow.sdk.exceptions import AirflowSkipException

from dbt_af_k8s.airflow.skip_marks import NOT_BUILT, NOT_DUE, skip_mark

LOG = logging.getLogger(__name__)


def skip_not_due(context: Mapping[str, Any], because: str) -> NoReturn:
    """Skip the task: there is nothing for it to do in this run. Counts as done for whoever waits for it."""
    _skip(context, NOT_DUE, because)


def skip_not_built(context: Mapping[str, Any], because: str) -> NoReturn:
    """Skip the task: what it reads has never been built yet. Does not count as done; who reads this one is skipped."""
    _skip(context, NOT_BUILT, because)


def _skip(context: Mapping[str, Any], kind: str, because: str) -> NoReturn:
    # The mark comes first: once Airflow has the state, a wait may look.
    key, value = skip_mark(kind, because)
    context["ti"].xcom_push(key=key, value=value)
    # Airflow's own line is "Skipping task.", with the reason in a field that not every log shows.
    LOG.info("Skipped: %s", because)
    raise AirflowSkipException(f"Skipped: {because}")
