"""Reading and rendering as the command line does it."""

from pathlib import Path

import pytest

from dbt_af_k8s.plan import one_time
from dbt_af_k8s.plan.one_time.render import OUR_TEMPLATE


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    """Our template by its name."""
    return {OUR_TEMPLATE: (Path(one_time.__file__).parent / OUR_TEMPLATE).read_text(encoding="utf-8")}
