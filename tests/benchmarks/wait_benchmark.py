"""What waiting costs: CPU of a real triggerer and a real API server while a thousand waits stand in the triggerer.

    python tests/benchmarks/wait_benchmark.py [--waits 1000] [--seconds 180]

Starts Airflow's own `api-server` and `triggerer` on a private database, puts the waits there as workers leave them
(see `wait_rows.py`), waits until the triggerer runs all of them, and then reads the CPU time of both programs from
/proc over the given seconds: with no waits, with a look every minute, and as the settings have it for waits that have
lasted an hour. Prints one JSON object. Takes about four times the seconds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from figures import machine  # noqa: E402
from scheduler.database import metadata_database  # noqa: E402
from scheduler.session import AirflowSession  # noqa: E402

#: Name -> the seconds between looks, the most of them, and how long the waits have stood there already.
CASES = {
    "a look every minute": {"poke": 60, "longest": None, "waited": 3600},
    "the default, after an hour": {"poke": 60, "longest": 300, "waited": 3600},
}
_PER_DAG = 50
_TICKS = os.sysconf("SC_CLK_TCK")


class WaitSession(AirflowSession):
    """Airflow without scheduler and DAG processor: nothing but the waits is at work."""

    def prepare(self, waits: int) -> None:
        """Make the database, and store the DAGs."""
        (self.home / "passwords.json").write_text(json.dumps({"admin": self._password}))
        self._env |= {"WAIT_DAGS": str(waits // _PER_DAG), "WAITS_PER_DAG": str(_PER_DAG)}
        for command in (["db", "migrate"], ["dags", "reserialize"]):
            self.command([str(Path(sys.executable).with_name("airflow")), *command])

    def command(self, argv: list[str], said: str = "") -> None:
        """Run a program in this Airflow's environment."""
        done = subprocess.run(argv, env=self._env, cwd=self.home, input=said, text=True, capture_output=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(argv)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")

    def cpu(self, name: str) -> float:
        """CPU seconds so far of one of the programs with its children."""
        group, total = self._running[name].pid, 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group:
                total += int(fields[11]) + int(fields[12])
        return total / _TICKS

    def log(self, name: str) -> str:
        """What a program has said."""
        return (self.home / f"{name}.log").read_text(errors="replace")


def measure(waits: int, seconds: float, case: dict[str, Any] | None) -> dict[str, float]:
    """CPU seconds of triggerer and API server over so many seconds with so many waits; without a case, with none."""
    home = Path(tempfile.mkdtemp(prefix="dbt-af-k8s-waits-"))
    dags = home / "dags"
    dags.mkdir()
    shutil.copy(HERE / "wait_dags.py", dags)
    with metadata_database(home) as database:
        session = WaitSession(home, dags, database)
        session.prepare(waits)
        if case is not None:
            rows = json.dumps({**case, "dags": waits // _PER_DAG})
            session.command([sys.executable, str(HERE / "wait_rows.py")], rows)
        try:
            session.start_process("api-server")
            session.until("the API server answers", session.rest.log_in, seconds=120)
            session.start_process("triggerer")
            wanted = f"{waits if case else 0} triggers currently running"
            session.until(wanted, lambda: wanted in session.log("triggerer"), seconds=300)
            # Until every wait has looked once and found its rhythm.
            time.sleep(seconds if case is None else max(seconds, float(case["poke"])))
            before = {name: session.cpu(name) for name in ("triggerer", "api-server")}
            time.sleep(seconds)
            after = {name: session.cpu(name) for name in before}
            assert case is None or wanted in session.log("triggerer")[-4000:], "waits have ended"
        finally:
            session.stop()
    shutil.rmtree(home, ignore_errors=True)
    return {name: round(after[name] - before[name], 2) for name in before}


def main(waits: int, seconds: float) -> None:
    """Measure all cases, and print what came out: CPU seconds per wait and hour, above those of idle programs."""
    idle = measure(waits, seconds, None)
    found: dict[str, Any] = {"waits": waits, "seconds": seconds, "idle": idle, "about": machine({})}
    for name, case in CASES.items():
        busy = measure(waits, seconds, case)
        per_hour = {part: round((busy[part] - idle[part]) / waits * 3600 / seconds, 3) for part in busy}
        found[name] = {"cpu": busy, "per wait and hour": per_hour}
        print(json.dumps({name: found[name]}), file=sys.stderr, flush=True)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what waiting costs.")
    parser.add_argument("--waits", type=int, default=1000, help=f"a multiple of {_PER_DAG}")
    parser.add_argument("--seconds", type=float, default=180, help="length of each measurement")
    asked = parser.parse_args()
    main(asked.waits, asked.seconds)
