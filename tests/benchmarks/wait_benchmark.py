"""What waiting costs: CPU of a real triggerer and a real API server while a thousand waits stand in the triggerer.

    python tests/benchmarks/wait_benchmark.py [--waits 1000] [--quick]

Starts Airflow's own `api-server` and `triggerer` on a private database, puts the waits there as workers leave them
(see `wait_rows.py`), waits until the triggerer runs all of them, and reads the CPU time of both programs from /proc:
with no waits, with a look every minute, and by the default settings for waits that have lasted an hour. Each is read
over a whole number of looks. Prints one JSON object; takes a quarter of an hour. `--quick` shows that all of it works.
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

#: Name -> seconds between looks, the most of them, how long the waits have stood already, and how long to measure.
CASES = {
    "a look every minute": {"poke": 60, "longest": None, "waited": 3600, "seconds": 60},
    "the default, after an hour": {"poke": 60, "longest": 300, "waited": 3600, "seconds": 300},
}
_QUICK = {"a look every five seconds": {"poke": 5, "longest": None, "waited": 3600, "seconds": 10}}
_IDLE_SECONDS = 60
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


def cpu_over(session: WaitSession, seconds: float) -> dict[str, float]:
    """CPU seconds of triggerer and API server over so many seconds."""
    before = {name: session.cpu(name) for name in ("triggerer", "api-server")}
    time.sleep(seconds)
    return {name: round(session.cpu(name) - spent, 2) for name, spent in before.items()}


def waiting(session: WaitSession, waits: int, case: dict[str, Any]) -> dict[str, float]:
    """CPU seconds while so many waits stand in the triggerer."""
    rows = json.dumps({**case, "dags": waits // _PER_DAG})
    session.command([sys.executable, str(HERE / "wait_rows.py")], rows)
    said = len(session.log("triggerer"))
    session.start_process("triggerer")
    wanted = f"{waits} triggers currently running"
    session.until(wanted, lambda: wanted in session.log("triggerer")[said:], seconds=600)
    spent = cpu_over(session, case["seconds"])
    last = [line for line in session.log("triggerer").splitlines() if "triggers currently running" in line][-1]
    assert wanted in last, f"waits have ended: {last}"
    session.kill_process("triggerer")
    return spent


def main(waits: int, cases: dict[str, dict[str, Any]]) -> None:
    """Measure all cases, and print what came out: CPU seconds per wait and hour, above those of idle programs."""
    home = Path(tempfile.mkdtemp(prefix="dbt-af-k8s-waits-"))
    dags = home / "dags"
    dags.mkdir()
    shutil.copy(HERE / "wait_dags.py", dags)
    with metadata_database(home) as database:
        session = WaitSession(home, dags, database)
        session.prepare(waits)
        try:
            session.start_process("api-server")
            session.until("the API server answers", session.rest.log_in, seconds=300)
            session.start_process("triggerer")
            session.until(
                "the triggerer is idle", lambda: "0 triggers currently running" in session.log("triggerer"), seconds=300
            )
            idle = cpu_over(session, _IDLE_SECONDS)
            session.kill_process("triggerer")
            found: dict[str, Any] = {
                "waits": waits,
                "about": machine({}),
                "idle, per hour": hourly(idle, _IDLE_SECONDS),
            }
            for name, case in cases.items():
                busy = hourly(waiting(session, waits, case), case["seconds"])
                found[name] = {part: round((busy[part] - found["idle, per hour"][part]) / waits, 3) for part in busy}
                print(json.dumps({name: found[name]}), file=sys.stderr, flush=True)
        finally:
            session.stop()
    shutil.rmtree(home, ignore_errors=True)
    print(json.dumps(found, indent=1))


def hourly(spent: dict[str, float], seconds: float) -> dict[str, float]:
    """CPU seconds per hour."""
    return {name: round(cpu * 3600 / seconds, 1) for name, cpu in spent.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what waiting costs.")
    parser.add_argument("--waits", type=int, default=1000, help=f"a multiple of {_PER_DAG}")
    parser.add_argument("--quick", action="store_true", help="50 waits, half a minute, figures without meaning")
    asked = parser.parse_args()
    main(_PER_DAG if asked.quick else asked.waits, _QUICK if asked.quick else CASES)
