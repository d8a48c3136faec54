"""What the rooms' tests share: the example shop, copied and parsed by dbt."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from left_over import end_marked, mark_processes
from properties import choose_profile
from warm_python import warm_programs

from dbt_af_k8s.dbt.maintenance_package import install_package

if TYPE_CHECKING:
    from cluster_server.place import Place
    from cluster_server.server import Cluster

choose_profile()
THIS_RUN = mark_processes()

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Leave no process behind, whatever a test that failed or hung did not end."""
    for process in end_marked(THIS_RUN):
        print(f"\nended what a test had left running: {process}", flush=True)


def copy_shop(to: Path) -> Path:
    """Copy the example project without what dbt made in it."""
    made = shutil.ignore_patterns("target", "logs", "dbt_packages", "*.duckdb", "*.duckdb.wal", "__pycache__")
    return Path(shutil.copytree(ROOT / "example_project", to, ignore=made))


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """A folder with `python`, `dbt`, `airflow` and `dbt-af-k8s` that need no time to start; see `warm_python.py`."""
    with warm_programs() as folder:
        yield folder


@pytest.fixture(scope="session")
def parsed_shop(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example project with its `target/manifest.json`, for tests that only read."""
    shop = copy_shop(tmp_path_factory.mktemp("shop") / "example_project")
    install_package(shop)
    subprocess.run([programs / "dbt", "parse", "--quiet", "--profiles-dir", "."], cwd=shop, check=True)
    return shop


@pytest.fixture
def fresh_shop(parsed_shop: Path, tmp_path: Path) -> Path:
    """A copy of the parsed shop without a database, for tests that run it."""
    return Path(shutil.copytree(parsed_shop, tmp_path / "example_project"))


@pytest.fixture(scope="session")
def kubernetes() -> "Iterator[Place]":
    """A namespace of a cluster: the stand-in's, or a real one's where a kube config is given."""
    from cluster_server.place import missing, place

    if why := missing():
        pytest.skip(f"no Kubernetes: {why}")
    with place() as found:
        yield found


@pytest.fixture
def stand_in(kubernetes: "Place") -> "Iterator[Cluster]":
    """The stand-in itself, for tests that let things go wrong; they are left out on a real cluster."""
    if kubernetes.stand_in is None:
        pytest.skip("needs the stand-in: a real cluster does not fail to order")
    yield kubernetes.stand_in
    kubernetes.stand_in.clear_faults()
