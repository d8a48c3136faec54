"""Costs grow as the project does, or not at all: ratios within one run, never times."""

import json
import math
from pathlib import Path

import dag_benchmark
import pytest
from measure import median
from project import parse, write_project

pytestmark = [pytest.mark.dbt, pytest.mark.airflow, pytest.mark.slow]

#: Models of the two projects, and how often each is measured.
SMALL, LARGE, TIMES = 500, 2_000, 3


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> list[dag_benchmark.Prepared]:
    folder = tmp_path_factory.mktemp("projects")
    base = folder / "base"
    write_project(base, 100)
    parse(base, dag_benchmark.DBT)
    return [dag_benchmark.prepare(base, size, folder) for size in (SMALL, LARGE)]


def test_parsing_grows_with_the_number_of_tasks(projects: list[dag_benchmark.Prepared]) -> None:
    found = dag_benchmark.parsing(projects, TIMES)
    for models, by_name in found.items():
        assert {runs[0].told["tasks"] for runs in by_name.values()} == {median_tasks(models)}
    ours = {models: median(by_name[dag_benchmark.OURS], total) for models, by_name in found.items()}
    growth = math.log(ours[LARGE] / ours[SMALL]) / math.log(LARGE / SMALL)
    assert growth < 1.2
    floor = median(found[LARGE][dag_benchmark.FLOOR], total)
    assert ours[LARGE] < 1.6 * floor


def test_a_worker_pays_for_its_own_dag_alone(projects: list[dag_benchmark.Prepared]) -> None:
    found = dag_benchmark.one_dag(projects, TIMES)
    assert {samples[0].told["dags"] for samples in found.values()} == {1}
    costs = {models: median(samples, lambda run: run.told["build"]) for models, samples in found.items()}
    assert costs[LARGE] < 1.3 * costs[SMALL]


def test_a_stretched_manifest_is_what_dbt_makes(tmp_path: Path, projects: list[dag_benchmark.Prepared]) -> None:
    """Else the sizes that dbt did not parse would show nothing."""
    write_project(tmp_path / "real", 150)
    parse(tmp_path / "real", dag_benchmark.DBT)
    stretched = dag_benchmark.prepare(projects[0].folder.parent / "base", 150, tmp_path)
    real, made = (
        {
            key.rpartition(".")[0] if key.startswith("test.") else key: {
                # Ids of tests end in a hash of their arguments.
                name: value
                for name, value in node.items()
                if name not in ("created_at", "unique_id")
            }
            for key, node in json.loads((folder / "target" / "manifest.json").read_text())["nodes"].items()
        }
        for folder in (tmp_path / "real", stretched.folder)
    )
    assert made == real


def total(sample) -> float:
    return sample.told["total"]


def median_tasks(models: int) -> int:
    """A task per model, one for its tests, and five waits for each domain but the first."""
    return 2 * models + 5 * (models // 50 - 1)
