"""dbt beside Airflow's worker."""

import subprocess

from runners.bench import Bench


class LocalBench(Bench):
    """The runner `local`."""

    name = "local"

    def options(self) -> None:
        return None

    def at_work(self) -> int:
        found = subprocess.run(["pgrep", "-fc", str(self.project)], capture_output=True, text=True, check=False)
        return int(found.stdout)
