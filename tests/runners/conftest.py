"""The runners under test, each over the same project on DuckDB."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from runners.api import ApiBench, connection, serving_project
from runners.bench import Bench, write_project
from runners.local import LocalBench
from runners.odd_server import OddServer, odd_server
from runners.pod import PodBench

if TYPE_CHECKING:
    from cluster_server.place import Place


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("runners") / "shop")


@pytest.fixture(scope="session")
def local(project: Path) -> Bench:
    return LocalBench(project)


@pytest.fixture(scope="session")
def dbt_api(project: Path) -> Iterator[Bench]:
    with serving_project(project) as server:
        yield ApiBench(project, server)


@pytest.fixture(scope="session")
def kubernetes_pod(project: Path, kubernetes: "Place") -> Bench:
    if kubernetes.is_real:
        pytest.skip("a real cluster has no image with this project")
    return PodBench(project, kubernetes)


@pytest.fixture(params=["local", "dbt_api", "kubernetes_pod"])
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Every runner in turn; those that can wait in the triggerer do so at once."""
    from dbt_af_k8s.airflow import api_place, api_trigger

    monkeypatch.setattr(api_place, "_LOOK_HERE", 0.0)
    monkeypatch.setattr(api_trigger, "FIRST_PAUSE", 0.1)
    found: Bench = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[OddServer]:
    from dbt_af_k8s.airflow import api_client, api_place, api_trigger

    monkeypatch.setattr(api_client, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(api_place, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(api_place, "_LOOK_HERE", 0.0)
    monkeypatch.setattr(api_trigger, "FIRST_PAUSE", 0.02)
    with odd_server() as server:
        for name, value in connection(server.port).items():
            monkeypatch.setenv(name, value)
        yield server
