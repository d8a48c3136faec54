"""The result of a script's command on its way out of a pod: whole, or told why not; signals, exit codes, orphans."""

import ast
import json
import random
import shutil
import signal
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_af_k8s.dbt import log_frames
from dbt_af_k8s.dbt.log_frames import Frames, is_frame
from dbt_af_k8s.pods import supervise
from dbt_af_k8s.pods.payload import source_of
from dbt_af_k8s.pods.result import ResultNotSentError, message_lines, result_in

SOURCE = source_of("dbt_af_k8s.pods.supervise")
#: As `sh -c` of a command that leaves its first argument in the file.
LEAVE = 'printf "%s" "$1" > "$0"; exit ${2:-0}'


def supervised(file: Path, *command: str, message: Path | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command below the supervisor; `message` stands for the container's termination message."""
    source = SOURCE.replace('Path("/dev/termination-log")', f"Path({str(message or file.parent / 'none')!r})")
    argv = [sys.executable, "-c", source, str(file), *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, **more)


def result_of(text: str) -> tuple[bool, Any]:
    return result_in(Frames().read(text.splitlines()))


@given(st.text(alphabet=string.ascii_letters + "+/=!", max_size=20000))
def test_its_lines_are_those_that_the_worker_reads(text: str) -> None:
    assert tuple(supervise.frames(text)) == log_frames.frames(text)


@given(st.text(alphabet=string.ascii_letters, min_size=1, max_size=30000), st.randoms())
def test_lines_come_back_in_any_order_repeated_and_among_others(text: str, chance: random.Random) -> None:
    lines = [*log_frames.frames(text), *log_frames.frames(text), "said", "dbt-af-k8s-result", "[base] said"]
    chance.shuffle(lines)
    assert Frames().read(f"2026-03-01T00:00:00Z [base] {line} after" for line in lines).text == text
    whole = log_frames.frames(text)
    lost = chance.randrange(len(whole))
    assert Frames().read(whole[:lost] + whole[lost + 1 :]).text is None


@pytest.mark.parametrize("size", [1, 3000, 6000, 1_000_000])
def test_a_result_of_any_size_arrives_whole(tmp_path: Path, size: int) -> None:
    """Text that does not compress: what is larger than a termination message goes through the log."""
    text = "".join(random.Random(size).choices(string.ascii_letters, k=size))
    message = tmp_path / "message"
    message.touch()
    (tmp_path / "given").write_text(json.dumps({"text": text}))
    done = supervised(tmp_path / "xcom", "cp", str(tmp_path / "given"), str(tmp_path / "xcom"), message=message)
    assert done.returncode == 0
    words = message.read_text()
    assert len(words) <= 4096
    assert bool(words) is (size < 4096)
    assert result_of(words or done.stdout) == (True, {"text": text})
    assert all(is_frame(line) for line in done.stdout.splitlines() if line)


@pytest.mark.parametrize(("left", "expected"), [(None, None), ("", None), (" \n", None), ("null", None), ("0", 0)])
def test_no_result_is_told_too(tmp_path: Path, left: str | None, expected: Any) -> None:
    if left is not None:
        (tmp_path / "xcom").write_text(left)
    assert result_of(supervised(tmp_path / "xcom", "true").stdout) == (True, expected)


def test_a_message_of_the_scripts_own_is_kept(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_text("mine")
    done = supervised(tmp_path / "xcom", "sh", "-c", LEAVE, str(tmp_path / "xcom"), "[1]", message=message)
    assert message.read_text() == "mine"
    assert result_of(done.stdout) == (True, [1])


def test_a_failure_keeps_its_code_and_its_result_and_leaves_the_message(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.touch()
    done = supervised(tmp_path / "xcom", "sh", "-c", LEAVE, str(tmp_path / "xcom"), "[1]", "7", message=message)
    assert (done.returncode, message.read_text()) == (7, "")
    assert result_of(done.stdout) == (True, [1])
    assert supervised(tmp_path / "none", "sh", "-c", "exit 3").stdout == ""


def test_a_last_line_without_end_stays_a_line(tmp_path: Path) -> None:
    done = supervised(tmp_path / "xcom", "sh", "-c", "printf 50%%")
    assert done.stdout.splitlines()[0] == "50%"


def test_a_result_that_is_too_large_or_cannot_be_read_is_told(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(300 * 1024 * 1024)
    for file, words in ((large, "it has 314572800 bytes, more than"), (tmp_path, "cannot be read: Is a directory")):
        with pytest.raises(ResultNotSentError, match=words):
            result_of(supervised(file, "true").stdout)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_is_for_the_command(tmp_path: Path, number: int) -> None:
    source = (
        "import signal, sys, os\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(9))\n"
        f"os.kill(os.getppid(), {int(number)})\n"
        "signal.pause()\n"
    )
    assert supervised(tmp_path / "xcom", sys.executable, "-c", source).returncode == 9


def test_a_command_that_is_killed_or_is_not_there(tmp_path: Path) -> None:
    assert supervised(tmp_path / "xcom", "sh", "-c", "kill -9 $$").returncode == 137
    missing = supervised(tmp_path / "xcom", "no-such-command")
    assert (missing.returncode, missing.stderr) == (127, "no-such-command: No such file or directory\n")


def test_the_command_has_the_systems_own_signals(tmp_path: Path) -> None:
    # Whoever started these tests may hold signals back or ignore them: the supervisor adds nothing to that.
    asked = ("grep", "-E", "SigBlk|SigIgn", "/proc/self/status")
    alone = subprocess.run(asked, capture_output=True, text=True, check=True)
    done = supervised(tmp_path / "xcom", *asked)
    assert [line for line in done.stdout.splitlines() if line.startswith("Sig")] == alone.stdout.splitlines()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_as_process_one_it_takes_in_orphans(tmp_path: Path) -> None:
    space = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child=KILL")
    if subprocess.run([*space, "true"], capture_output=True).returncode:
        pytest.skip("this machine gives no PID namespace")
    # The orphan ends while the command still runs; a process 1 that waits for its child alone would end with it.
    source = "(true &) ; sleep 0.3; exit 5"
    argv = [*space, sys.executable, "-c", SOURCE, str(tmp_path / "xcom"), "sh", "-c", source]
    assert subprocess.run(argv, capture_output=True, timeout=60).returncode == 5


def test_only_the_message_of_an_ended_script_is_read() -> None:
    def pod(name: str, **state: Any) -> dict[str, Any]:
        return {"status": {"containerStatuses": [{"name": name, "state": state}]}}

    assert message_lines(pod("base", terminated={"message": "a\nb"})) == ["a", "b"]
    assert message_lines(pod("proxy", terminated={"message": "a"})) == []
    assert message_lines(pod("base", running={})) == []
    assert message_lines({}) == []


def test_it_is_python_3_8_and_safe_in_a_manifest() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    assert not any(mark in SOURCE for mark in ("$", "{{", "{%"))
