"""A DAG file is parsed every few seconds and at the start of every task: what that imports is kept small."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.airflow

HEAVY = (
    "networkx",
    "yaml",
    "jinja2",
    "dbt_af_k8s.plan.build",
    "dbt_af_k8s.config.written",
    "airflow.providers.cncf.kubernetes",
)


def test_building_dags_imports_no_planning() -> None:
    code = (
        "import sys; import airflow.sdk; before = set(sys.modules);"
        "import dbt_af_k8s.airflow.dags, dbt_af_k8s.airflow.waits.sensor, dbt_af_k8s.airflow.freshness;"
        "import dbt_af_k8s.plan.codec;"
        f"print(sorted(set({HEAVY!r}) & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_public_name_is_found_and_none_brings_airflow_before_it_is_asked_for() -> None:
    code = (
        "import sys; import dbt_af_k8s.airflow as public; early = 'airflow' in sys.modules;"
        "found = [name for name in public.__all__ if getattr(public, name).__name__ == name];"
        "print(early, found == public.__all__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False True"
