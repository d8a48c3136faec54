"""Starting dbt for one model of a project: the task's command from a slice, plain dbt, and the bare imports.

The warehouse is a DuckDB file with many tables, because dbt lists the schema of what it runs. Projects that find the
same number of tables there differ in nothing but themselves.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from dag_benchmark import DBT
from environments import CACHE
from measure import BenchmarkError, Sample, interleaved, measured
from project import DOMAIN, domain_name, parse, write_project

from dbt_af_k8s.dbt.command import argv_here, dbt_words
from dbt_af_k8s.dbt.slices.make import make_slices
from dbt_af_k8s.dbt.slices.start import refusal_in, start_from_slice
from dbt_af_k8s.dbt.slices.values import NoSlice
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection

HERE = Path(__file__).parent
SLICE, WARM, IMPORTS = "from its slice", "from its slice, dbt imported before", "bare imports"
SAME_VARS, NEW_VARS = "dbt run, partial parse, same vars", "dbt run, partial parse, new interval in vars"
_IMPORTS = "import dbt.cli.main, dbt.adapters.duckdb"
_NODE = "d001_m49"
_DAY = datetime(2026, 1, 11, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Models of the project, and tables in the warehouse's schema (at least as many)."""

    models: int
    tables: int

    def __str__(self) -> str:
        return f"{self.models}/{self.tables}"


@dataclass(frozen=True, slots=True)
class RealProject:
    """A project with all its files, parsed by dbt, with slices and a warehouse."""

    size: Size
    folder: Path
    store: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of its dbt commands."""
        return {"SHOP_DUCKDB": str(self.folder / "shop.duckdb"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def prepare_real(size: Size) -> RealProject:
    """Write and parse a project (a minute or two for 5,000 models), cut its slices, fill its warehouse with tables.

    In a process of its own: the system counts what a process once held among the peaks of those that it starts.
    """
    folder = CACHE / "projects" / f"real_{size.models}_{size.tables}"
    made = measured([sys.executable, str(HERE / "dbt_benchmark.py"), str(folder), str(size.models), str(size.tables)])
    return RealProject(size, folder, folder / "target" / str(made.told["slices"]))


def _prepare(folder: Path, size: Size) -> str:
    """The name of the slices."""
    write_project(folder, size.models)
    parse(folder, DBT)
    made = make_slices((folder / "target" / "manifest.json").read_bytes(), folder, folder / "target")
    if made.refused:
        raise BenchmarkError(f"slices were refused: {made.reasons}")
    with duckdb.connect(str(folder / "shop.duckdb")) as warehouse:
        for number in range(size.tables // DOMAIN):
            for at in range(DOMAIN):
                name = f"{domain_name(number)}_m{at:02}"
                warehouse.execute(
                    f"create table {name} as select 1 as id, 1.0 as amount, now() as happened_at, 'new' as status, "
                    "'NL' as country"
                )
    return made.name


def starting(projects: Sequence[RealProject], times: int) -> dict[Size, dict[str, list[Sample]]]:
    """One run of one model of each project."""
    by_size = {project.size: _runs(project) for project in projects}
    runs = {f"{size} {name}": run for size, named in by_size.items() for name, run in named.items()}
    found = interleaved(runs, times)
    return {size: {name: found[f"{size} {name}"] for name in named} for size, named in by_size.items()}


def _runs(project: RealProject) -> Mapping[str, Callable[[], Sample]]:
    return {
        IMPORTS: lambda: measured([sys.executable, "-c", _IMPORTS]),
        SLICE: lambda: _from_slice(project),
        WARM: lambda: _from_slice(project, warm=True),
        SAME_VARS: _Plain(project, new_interval=False),
        NEW_VARS: _Plain(project, new_interval=True),
    }


def _from_slice(project: RealProject, *, warm: bool = False) -> Sample:
    with tempfile.TemporaryDirectory() as name:
        target = Path(name)
        where = DbtProject(project.folder, project.folder)
        node = DbtSelection(f"model.shop.{_NODE}", "model", "shop", ("shop", "d001", _NODE))
        invocation = DbtInvocation("run", (node,), executable=DBT)
        words = dbt_words(invocation, start=_DAY, end=_DAY + timedelta(days=1))
        argv = argv_here(words, where, executable=DBT, target_path=target)
        start = start_from_slice(
            invocation, project.store, argv, project_dir=project.folder, target_path=target, environment=project.env
        )
        if isinstance(start, NoSlice):
            raise BenchmarkError(start.because)
        command = [sys.executable, str(HERE / "warm_start.py"), *start.argv[1:]] if warm else start.argv
        sample = measured(command, cwd=project.folder, env=project.env)
        if (refused := refusal_in(target)) is not None:
            raise BenchmarkError(refused)
    return Sample(float(sample.told["cpu"]), float(sample.told["peak"]), {}) if warm else sample


class _Plain:
    """`dbt run --select` with the saved parse state; each time another interval in the vars, or always one."""

    def __init__(self, project: RealProject, *, new_interval: bool) -> None:
        self._project = project
        self._new_interval = new_interval
        self._day = _DAY
        self._target = project.folder / ("target_new" if new_interval else "target_same")
        shutil.rmtree(self._target, ignore_errors=True)
        self._run()

    def __call__(self) -> Sample:
        if self._new_interval:
            self._day += timedelta(days=1)
        return self._run()

    def _run(self) -> Sample:
        words = f"{{start_dttm: '{self._day.isoformat()}', end_dttm: '{(self._day + timedelta(days=1)).isoformat()}'}}"
        argv = [DBT, "run", "--select", _NODE, "--vars", words, "--target-path", str(self._target)]
        return measured([*argv, "--profiles-dir", "."], cwd=self._project.folder, env=self._project.env)


if __name__ == "__main__":
    print(json.dumps({"slices": _prepare(Path(sys.argv[1]), Size(int(sys.argv[2]), int(sys.argv[3])))}))
