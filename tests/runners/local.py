"""dbt beside Airflow's worker."""

import subprocess
import sys
from pathlib import Path

from runners.bench import Bench

from dbt_af_k8s.dbt.slices.make import make_slices
from dbt_af_k8s.dbt.values import DbtProject


class LocalBench(Bench):
    """The runner `local`, from slices as `dbt-af-k8s compile` makes them."""

    name = "local"

    def __init__(self, project: Path) -> None:
        super().__init__(project)
        dbt = str(Path(sys.executable).with_name("dbt"))
        subprocess.run([dbt, "parse", "--quiet", "--profiles-dir", "."], cwd=project, check=True)
        target = project / "target"
        self.slices = target / make_slices((target / "manifest.json").read_bytes(), project, target).name

    def options(self) -> None:
        return None

    def dbt_project(self) -> DbtProject:
        return DbtProject(self.project, self.project, self.slices)

    def at_work(self) -> int:
        found = subprocess.run(["pgrep", "-fc", str(self.project)], capture_output=True, text=True, check=False)
        return int(found.stdout)
