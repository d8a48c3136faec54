"""dbt beside Airflow's worker."""

import contextlib
import os
import signal
import subprocess

from runners.bench import Bench
from runners.shop import manifest_sha256

from dbt_af_k8s.dbt.slices.store import slices_of_manifest
from dbt_af_k8s.dbt.values import DbtProject


class LocalBench(Bench):
    """The runner `local`, from slices as `dbt-af-k8s compile` makes them."""

    name = "local"
    survives = False

    def options(self) -> None:
        return None

    def dbt_project(self) -> DbtProject:
        slices = slices_of_manifest(self.project / "target", manifest_sha256(self.project))
        assert slices is not None
        return DbtProject(self.project, self.project, slices)

    def at_work(self) -> int:
        return len(self._processes())

    def end_all(self) -> None:
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _processes(self) -> list[int]:
        found = subprocess.run(["pgrep", "-f", str(self.project)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]
