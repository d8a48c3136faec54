"""A worker that is killed outright takes its dbt with it, so that the next try builds alone: no row comes twice.

The trees are real processes (`process_trees.py`): an executor, a supervisor, a task. Each of them is killed in turn
while the program waits for a lock; only who still waits could go on and write.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import psutil
import pytest

from dbt_af_k8s.dbt.ancestors import is_there
from dbt_af_k8s.dbt.process import ChildProcess
from dbt_af_k8s.dbt.watchdog import start_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

TREES = Path(__file__).with_name("process_trees.py")
ROOT = Path(__file__).parents[2]
#: Waits for the lock, then appends ten rows.
BUILD = """
import duckdb, fcntl, pathlib, sys
folder = pathlib.Path(sys.argv[1])
(folder / "waits").touch()
with (folder / "lock").open("a") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
with duckdb.connect(str(folder / "shop.duckdb")) as connection:
    connection.execute("create table if not exists orders (id int)")
    connection.execute("insert into orders select * from range(10)")
"""
STUBBORN = "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\n"
CHILD_OF_ITS_OWN = "import subprocess, sys\nsys.exit(subprocess.call([sys.executable, '-c', sys.argv[2], sys.argv[1]]))"
PYTHON = [sys.executable, "-c"]
PROGRAMS = {
    "dbt": lambda folder: [*PYTHON, BUILD, folder],
    "that ignores signals": lambda folder: [*PYTHON, STUBBORN + BUILD, folder],
    "with a process of its own": lambda folder: [*PYTHON, CHILD_OF_ITS_OWN, folder, BUILD],
    "behind a wrapper": lambda folder: ["sh", "-c", '"$@"; true', "sh", *PYTHON, BUILD, folder],
}


class Shop:
    """A folder with a table, and tries to build it that wait until they may."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = (folder / "lock").open("a")
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def start(
        self, generations: int, program: str | list[str], *, before: tuple[str, ...] = ()
    ) -> tuple[subprocess.Popen, list[int]]:
        """A tree that stands and waits: its first process, and all of it, the uppermost first."""
        pids_file = self.folder / "pids.json"
        for file in (pids_file, self.folder / "waits"):
            file.unlink(missing_ok=True)
        argv = PROGRAMS[program](str(self.folder)) if isinstance(program, str) else program
        command = [*before, sys.executable, str(TREES), str(generations), json.dumps(argv), str(pids_file)]
        process = subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True
        )
        within(30, (self.folder / "waits").exists)
        return process, json.loads(pids_file.read_text())

    def let_go(self) -> None:
        self.lock.close()

    def processes(self) -> list[str]:
        """What works here still."""
        return [line for line in map(command_line, psutil.process_iter()) if str(self.folder) in line]

    def end(self) -> list[object]:
        """How the task saw the end: exit code, whether it was stopped, whether it was orphaned."""
        return json.loads((self.folder / "end.json").read_text())

    def rows(self) -> int:
        if not (self.folder / "shop.duckdb").exists():
            return 0
        with duckdb.connect(str(self.folder / "shop.duckdb")) as connection:
            ((count,),) = connection.execute("select count(*) from orders").fetchall()
        return int(count)


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def within(seconds: float, condition) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


#: Who is killed: the task, its supervisor, the executor's process above that.
@pytest.mark.parametrize("generation", [-1, -2, -3])
@pytest.mark.parametrize("program", PROGRAMS)
def test_whoever_is_killed_the_next_try_builds_alone(tmp_path: Path, generation: int, program: str) -> None:
    shop = Shop(tmp_path)
    process, pids = shop.start(2, program)
    os.kill(pids[generation], signal.SIGKILL)
    process.wait(30)
    within(30, lambda: not shop.processes())
    if generation != -1:
        assert shop.end()[1:] == [True, True]
    shop.let_go()
    assert shop.rows() == 0
    retry = subprocess.run([*PROGRAMS["dbt"](str(tmp_path))], timeout=60, check=False)
    assert retry.returncode == 0
    assert shop.rows() == 10


DBT_PROJECT = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: warehouse.duckdb}}}\n",
    "models/orders.py": """
import fcntl, pathlib

def model(dbt, session):
    dbt.config(materialized="incremental", incremental_strategy="append")
    folder = pathlib.Path(FOLDER)
    (folder / "waits").touch()
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    return session.sql("select * from range(10)")
""",
}


@pytest.mark.dbt
def test_a_real_dbt_appends_once_though_the_supervisor_is_killed(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for name, text in DBT_PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace("FOLDER", repr(str(tmp_path))))
    dbt = [str(Path(sys.executable).with_name("dbt")), "run", "--project-dir", str(tmp_path), "--profiles-dir"]
    process, pids = shop.start(2, [*dbt, str(tmp_path)])
    os.kill(pids[1], signal.SIGKILL)
    process.wait(30)
    within(30, lambda: not shop.processes())
    assert shop.end()[1:] == [True, True]
    shop.let_go()
    subprocess.run([*dbt, str(tmp_path)], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL, timeout=120)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        assert connection.execute("select count(*) from orders").fetchall() == [(10,)]


def test_the_shell_that_started_a_task_may_go(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    process, pids = shop.start(0, "dbt", before=("sh", "-c", '"$@" & wait', "sh"))
    task = psutil.Process(pids[0])
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    within(30, lambda: task.ppid() != process.pid)
    shop.let_go()
    within(30, lambda: not task.is_running() or task.status() == psutil.STATUS_ZOMBIE)
    assert shop.end() == [0, False, False]
    assert shop.rows() == 10


def test_a_task_that_is_orphaned_before_its_program_starts_never_starts_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    end = ChildProcess(
        ["touch", str(tmp_path / "started")], cwd=tmp_path, environment=os.environ, depends_on=(f"{gone.pid}:12345",)
    ).run(print)
    assert (end.was_stopped, end.is_orphaned) == (True, True)
    assert not (tmp_path / "started").exists()


def test_a_number_that_has_become_another_process_is_no_ancestor() -> None:
    (own,) = {f"{pid}:{start}" for pid, start in [(os.getpid(), start_of(os.getpid()))]}
    assert is_there(own)
    assert not is_there(f"{os.getpid()}:1")
