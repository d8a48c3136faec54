"""`make airflow`: the shop under `airflow standalone`, in an Airflow home of its own below .cache/.

Your own Airflow, its database and its configuration are not touched. Ctrl+C stops it; `make clean` removes it.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "example_project"
HOME = ROOT / ".cache" / "airflow"
BIN = Path(sys.executable).parent
PATIENCE = 300  # seconds until Airflow has to answer


def free_port(first: int = 8080) -> int:
    """The first free port from `first` on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    sys.exit(f"No free port between {first} and {first + 99}.")


def password() -> str:
    """The login's password: made once, kept in the Airflow home."""
    file = HOME / "passwords.json"
    if not file.exists():
        file.write_text(json.dumps({"admin": secrets.token_urlsafe(6)}), encoding="utf-8")
        file.chmod(0o600)
    return str(json.loads(file.read_text(encoding="utf-8"))["admin"])


def environment(port: int) -> dict[str, str]:
    """The environment of Airflow's processes: the user's, without other Airflow settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return env | {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(HOME / "passwords.json"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def create_pools(env: dict[str, str]) -> None:
    """Create the pools that the plan's tasks take their slots from."""
    subprocess.run([BIN / "dbt-af-k8s", "pools", "--apply", "--project-dir", PROJECT], env=env, check=True)


def build_once(env: dict[str, str]) -> None:
    """Let dbt make every table once where there is no database yet: a DAG does not wait for runs of before its time.

    Where there is one, load the raw tables again: nobody did while Airflow was off, and the gates want fresh sources.
    """
    subprocess.run([BIN / "dbt-af-k8s", "package", "install"], cwd=PROJECT, env=env, check=True)
    is_built = (PROJECT / "shop.duckdb").exists()
    if not is_built:
        print("Building the shop once with dbt, so that every table is there", flush=True)
    step = ("seed", "--select", "raw") if is_built else ("build",)
    argv = [BIN / "dbt", *step, "--quiet", "--profiles-dir", "."]
    subprocess.run(argv, cwd=PROJECT, env=env, check=True)


def answers(port: int) -> bool:
    """Whether the API server answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop(airflow: subprocess.Popen[bytes]) -> None:
    """Stop Airflow and all that it started: it is a group of processes of its own."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + 10
        try:
            os.killpg(airflow.pid, signum)
            while time.monotonic() < end:
                airflow.poll()
                os.killpg(airflow.pid, 0)
                time.sleep(0.2)
        except ProcessLookupError:
            return


def wait_until_up(port: int, airflow: subprocess.Popen[bytes], log: Path) -> None:
    """Return when Airflow answers; stop with the end of its log when it does not."""
    end = time.monotonic() + PATIENCE
    while not answers(port):
        if airflow.poll() is not None or time.monotonic() > end:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
            sys.exit("\n".join([*lines, f"Airflow did not come up. The whole log: {log}"]))
        time.sleep(1)


def main() -> None:
    """Prepare the home, start Airflow, tell where it is, and stay until Ctrl+C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be stopped from outside is the same as Ctrl+C
    HOME.mkdir(parents=True, exist_ok=True)
    port = free_port()
    env = environment(port)
    login = password()
    log = HOME / "standalone.log"
    print("Preparing Airflow's database", flush=True)
    with log.open("wb") as output:
        subprocess.run([BIN / "airflow", "db", "migrate"], env=env, stdout=output, stderr=output, check=True)
        build_once(env)
        create_pools(env)
        print(f"Starting Airflow (log: {log.relative_to(ROOT)})", flush=True)
        argv = [BIN / "airflow", "standalone"]
        airflow = subprocess.Popen(argv, env=env, stdout=output, stderr=output, start_new_session=True)
        try:
            wait_until_up(port, airflow, log)
            print(
                f"\n  Airflow   http://localhost:{port}\n  login     admin\n  password  {login}\n\n"
                "The DAGs are on, and run for the newest interval of their schedules.\n"
                "The shop's data is of one week: to see it, trigger a DAG with start_dttm 2026-01-05 and end_dttm\n"
                "2026-01-12 in its form. Ctrl+C stops Airflow.",
                flush=True,
            )
            airflow.wait()
        except KeyboardInterrupt:
            print("\nStopping Airflow", flush=True)
        finally:
            stop(airflow)


if __name__ == "__main__":
    main()
