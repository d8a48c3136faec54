"""An Airflow that is too old is told by its version, to who runs a command and to who loads a DAG file."""

from importlib import metadata

import pytest
from shop_on_disk import Shop, run

import dbt_af_k8s.airflow
from dbt_af_k8s.config import airflow_version
from dbt_af_k8s.errors import UsageError

TOLD = "dbt_af_k8s needs Airflow 3.2 or newer; here is Airflow "


@pytest.fixture(params=["2.11.0", "3.0.6", "3.1.0rc1"])
def old(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version of an older Airflow; one of before 3.0 has no package of its core."""

    def version(package: str) -> str:
        if package == "apache-airflow-core" and request.param.startswith("2"):
            raise metadata.PackageNotFoundError(package)
        return str(request.param)

    monkeypatch.setattr(airflow_version, "version", version)
    return str(request.param)


def test_a_dag_file_says_so(old: str) -> None:
    with pytest.raises(UsageError, match=TOLD + old):
        dbt_af_k8s.airflow.__getattr__("dbt_dags")


def test_run_says_so(old: str, shop: Shop) -> None:
    done = run("run", "sales__daily", "--project-dir", str(shop.root))
    assert done.exit_code == 2
    assert TOLD + old in " ".join(done.stderr.split())


@pytest.mark.parametrize("version", ["3.2.0", "3.3.2", "3.10.0b1", "4.0.0"])
def test_a_newer_one_is_fine(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_version, "version", lambda _: version)
    airflow_version.check_airflow()
