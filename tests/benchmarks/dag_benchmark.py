"""Parsing the DAG file: all DAGs built and serialized, as the DAG processor does; one DAG, as every task start does.

The same work side by side: this library from its compiled plan, the same DAGs written by hand, astronomer-cosmos and
dmp-af, each in an environment of its own, from the same manifest.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from environments import CACHE, COSMOS, DMP_AF, ROOT, environment
from measure import Sample, interleaved, measured
from project import parse, write_project

HERE = Path(__file__).parent
DBT = str(Path(sys.executable).with_name("dbt"))
OURS, FLOOR = "dbt-af-k8s", "written by hand"
COSMOS_ONE, COSMOS_MANY, DMP = "cosmos, one DAG", "cosmos, one DAG per domain", "dmp-af"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A project of one size, ready to be measured."""

    models: int
    folder: Path
    #: The list of tasks for the DAGs written by hand.
    tasks: Path


def base_project() -> Path:
    """The project of two domains that dbt has parsed; the entries of all sizes come from it."""
    folder = CACHE / "projects" / "base"
    write_project(folder, 100)
    parse(folder, DBT)
    return folder


def prepare(base: Path, models: int, within: Path = CACHE / "projects") -> Prepared:
    """Write the project of that size, compile its plan, and list its tasks."""
    folder = within / f"stretched_{models}"
    measured([sys.executable, str(HERE / "project.py"), str(base), str(folder), str(models)])
    done = Prepared(models, folder, folder / "tasks.json")
    measured([sys.executable, "-m", "dbt_af_k8s", "compile", "--project-dir", str(folder)], env=_env())
    measured([sys.executable, str(HERE / "floor_tasks.py"), str(folder), str(done.tasks)], env=_env())
    return done


def parsing(sizes: Sequence[Prepared], times: int) -> dict[int, dict[str, list[Sample]]]:
    """All DAGs of each size, by this library and by hand."""
    return {
        project.models: interleaved({OURS: _child("child_ours.py", project.folder), FLOOR: _floor(project)}, times)
        for project in sizes
    }


def parsing_of_peers(sizes: Sequence[Prepared], times: int, most_per_domain: int) -> dict[int, dict[str, list[Sample]]]:
    """All DAGs of each size by the peers; cosmos with a DAG per domain only up to that many models, and once."""
    cosmos, dmp_af = environment(COSMOS).python, environment(DMP_AF).python
    found = {}
    for project in sizes:
        _write_for_dmp_af(project)
        runs = {
            COSMOS_ONE: _child("child_cosmos.py", project.folder, "one", python=cosmos),
            DMP: _child("child_dmp_af.py", project.folder, python=dmp_af),
        }
        found[project.models] = interleaved(runs, times)
        if project.models <= most_per_domain:
            many = _child("child_cosmos.py", project.folder, "per-domain", python=cosmos)
            found[project.models][COSMOS_MANY] = [many()]
    return found


def one_dag(sizes: Sequence[Prepared], times: int) -> dict[int, list[Sample]]:
    """One DAG of each size, as a worker builds it for the task that it starts."""
    asked = {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": "d001__daily", "_AIRFLOW_PARSING_CONTEXT_TASK_ID": "d001_m00"}
    runs = {str(project.models): _child("child_ours.py", project.folder, env=asked) for project in sizes}
    return {int(models): samples for models, samples in interleaved(runs, times).items()}


def _floor(project: Prepared) -> Callable[[], Sample]:
    return _child("child_floor.py", project.tasks)


def _child(
    script: str, *words: str | Path, python: Path | None = None, env: Mapping[str, str] | None = None
) -> Callable[[], Sample]:
    argv = [str(python or sys.executable), str(HERE / script), *map(str, words)]
    return lambda: measured(argv, env=_env() | dict(env or {}))


def _env() -> dict[str, str]:
    """Airflow with a home of its own and quiet; this library from this checkout."""
    return {
        "AIRFLOW_HOME": str(CACHE / "airflow"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
    }


def _write_for_dmp_af(project: Prepared) -> None:
    measured([sys.executable, str(HERE / "manifest_for_dmp_af.py"), str(project.folder / "target")])
