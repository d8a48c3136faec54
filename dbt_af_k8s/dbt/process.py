"""One child process in a session of its own: its output line by line, and an end that leaves nothing behind."""

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt_af_k8s.dbt.ancestors import is_there
from dbt_af_k8s.dbt.watchdog import FIRED
from dbt_af_k8s.errors import UsageError

#: A line longer than this is handed on in parts (bytes).
_LONGEST_LINE = 1024 * 1024
_CHUNK = 64 * 1024
#: How often to look for the end, the time limit and a request to stop while nothing is written, in seconds.
_LOOK_EVERY = 0.1
#: How long to read on, at most, after the whole group is gone, in seconds.
_DRAIN_FOR = 5.0
#: From the request to stop to the last signal, in seconds. Airflow's supervisor kills a task 5 s after it told it
#: to end (`escalation_delay` in `airflow/sdk/execution_time/supervisor.py`).
GRACE_SECONDS = 4.0
_PR_SET_PDEATHSIG = 1
#: A script, run by a Python without its packages.
_WATCHDOG = Path(__file__).with_name("watchdog.py")
#: How long a watchdog may take to hear that it is not needed any more, in seconds.
_WATCHDOG_ENDS_IN = 5.0


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How a process ended."""

    #: As `subprocess` tells it: negative for a signal.
    exit_code: int
    #: Whether it was told to stop, by `ChildProcess.stop` or by the time limit.
    was_stopped: bool = False
    is_timeout: bool = False
    #: Whether it was stopped, or not started, since one of the processes that it depends on is gone.
    is_orphaned: bool = False


@dataclass(frozen=True, slots=True)
class OtherUser:
    """Another user as whom a process runs, by numbers; this process must be allowed to become it."""

    user: int
    group: int
    groups: tuple[int, ...] = ()


class ChildProcess:
    """A program run without a shell, in its own process group, so that all it starts ends with it.

    `stop` may be called from a signal handler or another thread while `run` reads. It sends SIGINT (on which dbt
    cancels its queries in the warehouse), then SIGTERM, then SIGKILL.

    Where the process that runs this is killed outright, the group ends by the same signals; and so it does when one of
    the processes `depends_on` is gone (`dbt.ancestors`). `grace_seconds` is the time for that, and for an end by an
    exception. `run_as` is None for the user of this process.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        depends_on: Sequence[str] = (),
        grace_seconds: float = GRACE_SECONDS,
        run_as: OtherUser | None = None,
    ) -> None:
        self._run_as = run_as
        self._argv = list(argv)
        self._cwd = cwd
        self._environment = dict(environment)
        self._depends_on = tuple(depends_on)
        self._grace_seconds = grace_seconds
        self._stop_grace: float | None = None

    def run(self, on_line: Callable[[str], None], *, timeout: float | None = None) -> ProcessEnd:
        """Start it, hand every line of standard output and standard error to `on_line`, and wait for the end.

        Lines come without their end and decoded as UTF-8, what is none replaced. `timeout` is in seconds. Whatever
        exception leaves this call (one that a signal handler raised, too), the whole group is gone by then.
        `UsageError` where there is no such program or folder.
        """
        if self._asked_to_stop() is not None:
            return ProcessEnd(-signal.SIGINT, was_stopped=True)
        if not all(map(is_there, self._depends_on)):
            return ProcessEnd(-signal.SIGINT, was_stopped=True, is_orphaned=True)
        watchdog = _Watchdog(self._grace_seconds, self._depends_on, self._environment)
        try:
            process = self._start(watchdog)
        except BaseException:
            watchdog.dismiss()
            raise
        reader = _Reader(process)
        ladder = _Ladder(process.pid)
        deadline = None if timeout is None else time.monotonic() + timeout
        is_timeout = False
        try:
            while process.poll() is None:
                for line in reader.lines():
                    on_line(line)
                if deadline is not None and not is_timeout and time.monotonic() >= deadline:
                    is_timeout = True
                    self.stop()
                grace_seconds = self._asked_to_stop()
                if grace_seconds is not None:
                    ladder.climb(grace_seconds)
            # What the process left running goes with it, and cannot hold the output open.
            _signal_group(process.pid, signal.SIGKILL)
            drained_by = time.monotonic() + _DRAIN_FOR
            while not reader.is_over and time.monotonic() < drained_by:
                for line in reader.lines():
                    on_line(line)
                if reader.is_quiet:
                    break
        finally:
            _end(process, reader, ladder, self._grace_seconds)
            is_orphaned = watchdog.dismiss()
        was_stopped = self._asked_to_stop() is not None or is_orphaned
        return ProcessEnd(process.returncode, was_stopped, is_timeout, is_orphaned)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Ask for the end of the whole group within `grace_seconds`. Returns at once; `run` sees it through.

        A process that was not started yet never starts.
        """
        if self._stop_grace is None:
            self._stop_grace = grace_seconds

    def _asked_to_stop(self) -> float | None:
        """The grace of a request to stop, which may come at any time from a signal handler or another thread."""
        return self._stop_grace

    def _start(self, watchdog: "_Watchdog") -> subprocess.Popen[bytes]:
        if not self._cwd.is_dir():
            raise UsageError(f"There is no folder {self._cwd}.")
        try:
            return subprocess.Popen(
                self._argv,
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_prepare_child(os.getpid(), watchdog.pipe),
                **user_arguments(self._run_as),
            )
        except OSError as reason:
            raise UsageError(_why_not_started(self._argv[0], reason)) from None


def user_arguments(run_as: OtherUser | None) -> dict[str, Any]:
    """What `subprocess.Popen` takes for another user."""
    if run_as is None:
        return {}
    return {"user": run_as.user, "group": run_as.group, "extra_groups": run_as.groups}


def _why_not_started(program: str, reason: OSError) -> str:
    text = f"The program {program!r} cannot be started: {reason.strerror or reason}."
    if isinstance(reason, FileNotFoundError | PermissionError):
        return f"{text} Install dbt where the task runs, or name the dbt program of another environment."
    return text


def _end(process: subprocess.Popen[bytes], reader: "_Reader", ladder: "_Ladder", grace_seconds: float) -> None:
    """Leave nothing of the group behind: at once where the process has ended, else by the ladder."""
    try:
        while process.poll() is None:
            ladder.climb(grace_seconds)
            reader.lines()
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        reader.close()


class _Watchdog:
    """A process beside the group that ends it when this one cannot; see `watchdog.py`."""

    def __init__(self, grace_seconds: float, watched: Sequence[str], environment: Mapping[str, str]) -> None:
        argv = [sys.executable, "-I", "-S", str(_WATCHDOG), str(grace_seconds), *watched]
        quiet = subprocess.DEVNULL
        self._process: subprocess.Popen[bytes] | None
        try:
            self._process = subprocess.Popen(
                argv, env=environment, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
            )
        except OSError:
            # As many processes as there may be: the group itself is what matters.
            self._process = None

    @property
    def pipe(self) -> int | None:
        """Into which the first process of the group writes its number; None where there is no watchdog."""
        return None if self._process is None or self._process.stdin is None else self._process.stdin.fileno()

    def dismiss(self) -> bool:
        """Send it away when the group has ended; whether it had ended the group itself."""
        if self._process is None:
            return False
        try:
            self._process.communicate(b"done\n", timeout=_WATCHDOG_ENDS_IN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        return self._process.returncode == FIRED


class _Reader:
    """The output of a process as lines, never blocking for longer than `_LOOK_EVERY`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            raise AssertionError("the process has no pipe")
        self._pipe = process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self._rest = b""
        #: Whether the last look found nothing to read, and whether nothing can come any more.
        self.is_quiet = False
        self.is_over = False

    def lines(self) -> list[str]:
        """The whole lines that have come since the last look; may be none."""
        if self.is_over:
            time.sleep(_LOOK_EVERY)
            return []
        self.is_quiet = not self._selector.select(_LOOK_EVERY)
        if self.is_quiet:
            return []
        chunk = os.read(self._pipe.fileno(), _CHUNK)
        self.is_over = not chunk
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (self.is_over or len(self._rest) >= _LONGEST_LINE):
            whole.append(self._rest)
            self._rest = b""
        return [_text(line) for line in whole]

    def close(self) -> None:
        """Give the pipe back."""
        self._selector.close()
        self._pipe.close()


class _Ladder:
    """The signals of an ending, each once, the first to last over the time of grace."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began: float | None = None
        self._steps = [(0.0, signal.SIGINT), (0.5, signal.SIGTERM), (1.0, signal.SIGKILL)]

    def climb(self, grace_seconds: float) -> None:
        """Send the signals whose time has come."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        while self._steps and now - self._began >= self._steps[0][0] * grace_seconds:
            _signal_group(self._pid, self._steps.pop(0)[1])


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # Nobody is left; macOS says "not permitted" of a group of ended processes.
        return


def _prepare_child(parent: int, watchdog: int | None) -> Callable[[], None]:
    """What the child does before it becomes the program.

    SIGINT works even where the parent ignores it (a service started in the background). The watchdog hears of the
    group; without one, on Linux, the child alone ends when the parent is killed outright.
    """
    prctl = ctypes.CDLL(None).prctl if watchdog is None and sys.platform == "linux" else None

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if watchdog is not None:
            # A watchdog that could not begin is missing, no more.
            with contextlib.suppress(OSError):
                os.write(watchdog, f"{os.getpid()}\n".encode())
        elif prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGTERM)

    return prepare
