"""A `python` that starts without seconds of imports, and `dbt`, `airflow` and `dbt-af-k8s` that run by it.

For tests that start these programs many times and prove something else than how they start: the commands are the real
ones, whole, each in a process of its own with its own folder, environment and streams; but that process is forked from
one that has imported dbt, and the packages that Airflow is built on. `sys.executable` in it is the warm one, so what
it starts is warm as well.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BESIDE = Path(__file__).parent
PROGRAMS = ("dbt", "airflow", "dbt-af-k8s")


@contextmanager
def warm_programs() -> Iterator[Path]:
    """The folder with the programs. Where the system has no file descriptors of processes, it is Python's own."""
    if not hasattr(os, "pidfd_open"):
        yield Path(sys.executable).parent
        return
    # A short path: it stands in the first line of scripts.
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    client = (BESIDE / "warm_python_client.py").read_text(encoding="utf-8").replace("@python@", sys.executable)
    write_program(folder / "python", f"#!{sys.executable} -IS\n{client}")
    (folder / "python3").symlink_to("python")
    for name in PROGRAMS:
        _, _, script = Path(sys.executable).with_name(name).read_text(encoding="utf-8").partition("\n")
        write_program(folder / name, f"#!{folder / 'python'}\n{script}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DBT_", "PYTHON"))}
    argv = [sys.executable, str(BESIDE / "warm_python_server.py"), str(folder / "socket")]
    with subprocess.Popen(argv, env=kept, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert [server.stdout.readline(), server.stdout.readline()] == [b"ready\n"] * 2
        try:
            yield folder
        finally:
            server.stdin.close()
            server.wait(30)
            shutil.rmtree(folder)


def write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
