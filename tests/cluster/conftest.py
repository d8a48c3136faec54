"""A server that answers as Airflow does."""

from collections.abc import Iterator

import pytest
from airflow_server import AirflowState, airflow_server


@pytest.fixture
def server() -> Iterator[AirflowState]:
    with airflow_server() as state:
        yield state
