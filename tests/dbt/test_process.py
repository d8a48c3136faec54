"""A child process: its lines, its end, and that nothing of it stays."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dbt_af_k8s.dbt.process import ChildProcess
from dbt_af_k8s.errors import UsageError

#: Looks into /proc, or at what only Linux does.
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def child(code: str, *arguments: str, environment=None) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", code, *arguments], cwd=Path("/"), environment=environment or os.environ)


def run(code: str, *arguments: str, environment=None, timeout=None):
    lines: list[str] = []
    end = child(code, *arguments, environment=environment).run(lines.append, timeout=timeout)
    return end, lines


def is_alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pid: int) -> bool:
    """Whether the process goes within a short time; init reaps orphans when it comes to it."""
    until = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


def test_output_and_errors_come_in_order_line_by_line():
    code = "import sys\nfor i in range(3):\n print(i, flush=True); print('e%d' % i, file=sys.stderr, flush=True)"
    end, lines = run(code)
    assert (end.exit_code, end.was_stopped, end.is_timeout) == (0, False, False)
    assert lines == ["0", "e0", "1", "e1", "2", "e2"]


def test_lines_come_while_the_process_still_runs():
    process = child("print('ready', flush=True); input_ = __import__('time').sleep(60)")
    seen = []

    def stop_at_first(line: str) -> None:
        seen.append(line)
        process.stop()

    began = time.monotonic()
    end = process.run(stop_at_first)
    assert seen[0] == "ready"
    assert end.was_stopped
    assert time.monotonic() - began < 10


def test_unicode_broken_bytes_long_lines_and_a_last_line_without_an_end():
    code = (
        "import sys; out = sys.stdout.buffer\n"
        "out.write('Køln \\U0001f600\\r\\n'.encode()); out.write(b'\\xff\\xfe\\n')\n"
        "out.write(b'x' * 3_000_000 + b'\\n'); out.write(b'the end')"
    )
    _, lines = run(code)
    assert lines[:2] == ["Køln 😀", "��"]
    assert "".join(lines[2:-1]) == "x" * 3_000_000
    assert lines[-1].endswith("the end")


def test_many_lines_all_come():
    _, lines = run("for i in range(200_000): print(i)")
    assert lines == [str(number) for number in range(200_000)]


def test_arguments_are_no_shell_words():
    _, lines = run("import sys; print(sys.argv[1:])", "a b", "$HOME", "; ls", "'")
    assert lines == [str(["a b", "$HOME", "; ls", "'"])]


def test_the_environment_is_the_one_given():
    _, lines = run("import os; print(os.environ.get('SHOP'), os.environ.get('PATH'))", environment={"SHOP": "æ"})
    assert lines == ["æ None"]


def test_the_exit_code_is_told():
    assert run("raise SystemExit(3)")[0].exit_code == 3
    assert run("import os; os.kill(os.getpid(), 9)")[0].exit_code == -signal.SIGKILL


def test_the_time_limit_ends_it():
    began = time.monotonic()
    end, _ = run("import time; time.sleep(60)", timeout=0.3)
    assert end.is_timeout
    assert end.was_stopped
    assert time.monotonic() - began < 10


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), grandchild.pid, flush=True)
time.sleep(600)
"""


@linux
def test_a_process_that_ignores_signals_is_killed_with_all_it_started():
    process = child(STUBBORN)
    pids = []

    def on_line(line: str) -> None:
        pids.extend(int(word) for word in line.split())
        process.stop(grace_seconds=1.0)

    began = time.monotonic()
    end = process.run(on_line)
    assert end.exit_code == -signal.SIGKILL
    assert time.monotonic() - began < 10
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


def test_the_first_signal_lets_the_process_end_by_itself():
    code = (
        "import time\n"
        "try: print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt: print('cancelled', flush=True); raise SystemExit(7)"
    )
    process = child(code)
    lines = []

    def on_line(line: str) -> None:
        lines.append(line)
        process.stop()

    end = process.run(on_line)
    assert end.exit_code == 7
    assert lines == ["ready", "cancelled"]


@linux
def test_an_exception_while_reading_leaves_nothing_behind():
    pids = []

    def on_line(line: str) -> None:
        pids.extend(int(word) for word in line.split())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        child(STUBBORN.replace("SIG_IGN", "SIG_DFL")).run(on_line)
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


@linux
def test_what_a_process_leaves_in_the_background_goes_with_it_and_holds_nothing_up():
    code = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\nprint(p.pid, flush=True)"
    )
    began = time.monotonic()
    end, lines = run(code)
    assert end.exit_code == 0
    assert time.monotonic() - began < 10
    assert gone(int(lines[0]))


def test_stop_before_the_start_means_never():
    process = child("raise SystemExit(5)")
    process.stop()
    assert process.run(print).was_stopped


def test_stop_from_another_thread():
    process = child("print('ready', flush=True); __import__('time').sleep(60)")
    ready = threading.Event()
    stopper = threading.Thread(target=lambda: (ready.wait(30), process.stop()))
    stopper.start()
    end = process.run(lambda line: ready.set())
    stopper.join()
    assert end.was_stopped


@linux
def test_a_child_dies_with_a_parent_that_is_killed_outright():
    code = (
        "import os, sys; from pathlib import Path\n"
        "from dbt_af_k8s.dbt.process import ChildProcess\n"
        "argv = [sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); time.sleep(600)']\n"
        "ChildProcess(argv, cwd=Path('/'), environment=os.environ).run(lambda line: print(line, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    assert gone(pid)


def test_a_program_that_is_not_there_is_told_with_what_to_do():
    with pytest.raises(UsageError, match=r"'no-such-dbt' cannot be started: No such file.*Install dbt"):
        ChildProcess(["no-such-dbt"], cwd=Path("/"), environment={}).run(print)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="There is no folder"):
        ChildProcess(["true"], cwd=tmp_path / "gone", environment={}).run(print)
