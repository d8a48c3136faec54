"""A test run ends all that its tests started, also what lost its parent, and its tests have an end."""

import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
#: Starts a process that detaches itself from the test, tells its number, and does not end; the test fails or hangs.
A_TEST = """
import os, subprocess, sys, time, pathlib
def test_something():
    code = "import os, time; os.fork() and os._exit(0); os.setsid(); print(os.getpid(), flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pathlib.Path("pid").write_text(child.stdout.readline())
    {ending}
"""


def run_a_test(folder: Path, ending: str, *options: str) -> tuple[int, str]:
    """Run one test in a pytest of its own with this folder's conftest; the process it left, and the output."""
    for name in ("conftest.py", "left_over.py", "properties.py"):
        (folder / name).write_bytes((TESTS / name).read_bytes())
    (folder / "test_it.py").write_text(A_TEST.format(ending=ending))
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return int((folder / "pid").read_text()), done.stdout


def has_ended(pid: int) -> bool:
    """Whether it ends within 10 seconds: killed, and no longer there or waiting for its new parent to look."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_what_a_failing_test_left_is_ended(tmp_path: Path) -> None:
    pid, output = run_a_test(tmp_path, "assert False")
    assert f"ended what a test had left running: {pid}" in output
    assert has_ended(pid)


def test_a_test_that_hangs_fails_and_shows_where_each_thread_stands(tmp_path: Path) -> None:
    pid, output = run_a_test(tmp_path, "time.sleep(600)", "-o", "timeout=2", "-o", "timeout_method=signal")
    assert "Timeout (>2.0s) from pytest-timeout" in output
    assert "time.sleep(600)" in output
    assert has_ended(pid)


def test_what_a_worker_of_xdist_left_is_ended(tmp_path: Path) -> None:
    pid, _ = run_a_test(tmp_path, "assert False", "-n", "1")
    assert has_ended(pid)
