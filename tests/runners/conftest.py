"""The runners under test, each over the same project on DuckDB."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from runners.api import ApiBench, connection, serving_project
from runners.bench import Bench
from runners.local import LocalBench
from runners.odd_server import OddServer, odd_server
from runners.pod import PodBench
from runners.shop import write_project

if TYPE_CHECKING:
    from cluster_server.place import Place

RUNNERS = ("local", "dbt_api", "kubernetes_pod")


@pytest.fixture(scope="session")
def project(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("runners") / "shop", programs / "dbt")


@pytest.fixture(scope="session")
def local(project: Path, programs: Path) -> Bench:
    return LocalBench(project, programs / "dbt")


@pytest.fixture(scope="session")
def dbt_api(project: Path) -> Iterator[Bench]:
    with serving_project(project) as server:
        yield ApiBench(project, server)


@pytest.fixture(scope="session")
def kubernetes_pod(project: Path, programs: Path, kubernetes: "Place") -> PodBench:
    if kubernetes.is_real:
        pytest.skip("a real cluster has no image with this project")
    return PodBench(project, programs / "dbt", kubernetes)


@pytest.fixture(scope="session")
def deferred_pod(project: Path, programs: Path, kubernetes: "Place") -> PodBench:
    """The same pods, waited for by the triggerer and kept when they have ended."""
    if kubernetes.is_real:
        pytest.skip("a real cluster has no image with this project")
    return PodBench(project, programs / "dbt", kubernetes, "deferred_pod", deferrable=True, on_finish_action="keep_pod")


@pytest.fixture(params=RUNNERS)
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Every runner in turn; those that can wait in the triggerer do so at once."""
    yield from _ready(request, monkeypatch)


@pytest.fixture(params=[*RUNNERS, "deferred_pod"])
def any_bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Every runner and every way of waiting, for what depends on who waits."""
    yield from _ready(request, monkeypatch)


def _ready(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    from dbt_af_k8s.airflow.api import place, trigger

    monkeypatch.setattr(place, "_LOOK_HERE", 0.0)
    monkeypatch.setattr(trigger, "FIRST_PAUSE", 0.1)
    found: Bench = request.getfixturevalue(request.param)
    yield found
    if found.at_work():
        found.end_all()
        found.until_idle()


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[OddServer]:
    from dbt_af_k8s.airflow.api import client, place, trigger

    monkeypatch.setattr(client, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(place, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(place, "_LOOK_HERE", 0.0)
    monkeypatch.setattr(trigger, "FIRST_PAUSE", 0.02)
    with odd_server() as server:
        for name, value in connection(server.port).items():
            monkeypatch.setenv(name, value)
        yield server
