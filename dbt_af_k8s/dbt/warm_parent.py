"""The other side of `warm.py`: a parent process that has dbt imported, and runs that it forks."""

import json
import os
import queue
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dbt_af_k8s.dbt.process import GRACE_SECONDS, OtherUser, ProcessEnd, user_arguments
from dbt_af_k8s.errors import DbtAfK8sError

#: A script for dbt's own Python, never imported here.
_SCRIPT = Path(__file__).with_name("warm.py")
#: Exit code of a child whose parse is not loaded any more (as in the script).
WRONG_PARSE = 113
_LONGEST_LINE = 1024 * 1024
_CHUNK = 64 * 1024
#: How often to look for a request to stop and for the time limit, in seconds.
_LOOK_EVERY = 0.1


class WarmLostError(DbtAfK8sError):
    """The parent process is gone, and what it ran with it."""


@dataclass(frozen=True, slots=True)
class FromParse:
    """Start from the saved parse that the parent has loaded."""

    file: Path


@dataclass(frozen=True, slots=True)
class FromSlices:
    """Start from the slices of these nodes; the driver writes into `refusal` why it does not."""

    store: Path
    refusal: Path
    nodes: tuple[str, ...]


Start = FromParse | FromSlices | None


class WarmDbt:
    """One parent process. Safe to use from several threads; each run has a child of its own."""

    def __init__(
        self, python: str, program: Path, environment: Mapping[str, str], *, run_as: OtherUser | None = None
    ) -> None:
        """Start it: `python` is the one that runs the dbt `program`. Returns before dbt is imported; see `wait`.

        Raises OSError where it cannot be started.
        """
        self._process = subprocess.Popen(
            [python, str(_SCRIPT), str(program)],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            **user_arguments(run_as),
        )
        #: As whom it runs; None: as this process.
        self.run_as = run_as
        self._orders, answers = self._process.stdin, self._process.stdout
        if self._orders is None or answers is None:
            raise AssertionError("the process has no pipes")
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._waiting: dict[str, queue.SimpleQueue[dict[str, Any]]] = {}
        self._is_lost = False
        self._number = 0
        self._listener = threading.Thread(target=self._listen, args=(answers,), name="warm dbt", daemon=True)
        self._listener.start()

    @property
    def is_alive(self) -> bool:
        """Whether it can still fork."""
        return not self._is_lost

    def wait(self, seconds: float) -> bool:
        """Wait until dbt is imported; False where that failed or takes longer."""
        return self._ready.wait(seconds) and self.is_alive

    def load(self, parse: Path, seconds: float) -> str | None:
        """Let it read dbt's saved parse; why it could not, or None. Raises `WarmLostError`."""
        answers = self._expect(f"load {parse}")
        self._order({"do": "load", "file": str(parse)})
        try:
            answer = answers.get(timeout=seconds)
        except queue.Empty:
            return f"it takes longer than {seconds:.0f} s"
        if answer["is"] == "lost":
            raise WarmLostError("The process that has dbt imported ended.")
        error: str | None = answer["error"]
        return error

    def new_run(self, argv: tuple[str, ...], *, cwd: Path, start: Start = None) -> "WarmRun":
        """A dbt command (without the program's name) to run in a child, not started yet."""
        with self._lock:
            self._number += 1
            name = str(self._number)
        order: dict[str, Any] = {"do": "run", "id": name, "argv": argv, "cwd": str(cwd), "start": _start_json(start)}
        return WarmRun(self, name, order)

    def close(self) -> None:
        """End it, and all that it runs, within the grace of its children; returns when it is gone."""
        with self._lock:
            if self._orders is not None and not self._orders.closed:
                try:
                    self._orders.close()
                except BrokenPipeError:
                    self._is_lost = True
        if not self._ready.is_set():
            # It is importing dbt and does not look at its orders.
            self._process.terminate()
        try:
            self._process.wait(GRACE_SECONDS + 2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()

    def _expect(self, key: str) -> "queue.SimpleQueue[dict[str, Any]]":
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            if self._is_lost:
                raise WarmLostError("The process that has dbt imported is gone.")
            self._waiting[key] = answers
        return answers

    def _forget(self, key: str) -> None:
        with self._lock:
            self._waiting.pop(key, None)

    def _order(self, order: Mapping[str, Any]) -> None:
        data = json.dumps(order).encode() + b"\n"
        with self._lock:
            try:
                if self._orders is None or self._orders.closed:
                    raise BrokenPipeError
                self._orders.write(data)
                self._orders.flush()
            except BrokenPipeError:
                raise WarmLostError("The process that has dbt imported is gone.") from None

    def _listen(self, answers: IO[bytes]) -> None:
        for line in answers:
            answer = _read(line)
            if answer is None:
                continue
            if answer["is"] == "ready":
                self._ready.set()
                continue
            key = f"load {answer['file']}" if answer["is"] == "loaded" else answer["id"]
            with self._lock:
                waiting = self._waiting.get(key)
            if waiting is not None:
                waiting.put(answer)
        answers.close()
        with self._lock:
            self._is_lost = True
            left = tuple(self._waiting.values())
        for waiting in left:
            waiting.put({"is": "lost"})
        self._ready.set()
        self._process.wait()


class WarmRun:
    """One dbt command in a child of its own; the twin of `dbt.process.ChildProcess`."""

    def __init__(self, parent: WarmDbt, name: str, order: Mapping[str, Any]) -> None:
        self._parent = parent
        self._name = name
        self._order = order
        self._grace: float | None = None

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Ask for the end of the child and all that it started; may be called from another thread."""
        if self._grace is None:
            self._grace = grace_seconds

    def run(self, on_line: Callable[[str], None], *, timeout: float | None = None) -> ProcessEnd:
        """As `ChildProcess.run`. Raises `WarmLostError` where the parent has gone, and with it the child."""
        if self._grace is not None:
            return ProcessEnd(-signal.SIGINT, was_stopped=True)
        answers = self._parent._expect(self._name)
        with tempfile.TemporaryDirectory(prefix="dbt_warm_") as folder:
            pipe = os.path.join(folder, "output")  # noqa: PTH118
            os.mkfifo(pipe, 0o600)
            user = self._parent.run_as
            if user is not None:
                Path(folder).chmod(0o711)
                os.chown(pipe, user.user, user.group)
            # Open for both, so that it never comes to an end between two writers.
            reading = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
            try:
                self._parent._order({**self._order, "output": pipe})
                try:
                    return self._follow(answers, _Lines(reading, on_line), timeout)
                except BaseException:
                    # Whatever it was, nothing may go on without anybody who watches.
                    if self._parent.is_alive:
                        self._parent._order({"do": "signal", "id": self._name, "number": int(signal.SIGKILL)})
                    raise
            finally:
                os.close(reading)
                self._parent._forget(self._name)

    def _follow(
        self, answers: "queue.SimpleQueue[dict[str, Any]]", lines: "_Lines", timeout: float | None
    ) -> ProcessEnd:
        began = time.monotonic()
        stopping: float | None = None
        steps = [(0.0, signal.SIGINT), (0.5, signal.SIGTERM), (1.0, signal.SIGKILL)]
        is_timeout = False
        while True:
            lines.read(_LOOK_EVERY)
            code = _ended(answers)
            if code is not None:
                lines.drain()
                return ProcessEnd(code, was_stopped=self._grace is not None, is_timeout=is_timeout)
            now = time.monotonic()
            if timeout is not None and not is_timeout and now - began >= timeout:
                is_timeout = True
                self.stop()
            if self._grace is not None:
                stopping = now if stopping is None else stopping
                while steps and now - stopping >= steps[0][0] * self._grace:
                    self._parent._order({"do": "signal", "id": self._name, "number": int(steps.pop(0)[1])})


class _Lines:
    """What comes through a pipe, as lines."""

    def __init__(self, pipe: int, on_line: Callable[[str], None]) -> None:
        self._pipe = pipe
        self._on_line = on_line
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)
        self._rest = b""

    def read(self, seconds: float) -> bool:
        """Read what is there, or comes within the time; whether there was anything."""
        if not self._selector.select(seconds):
            return False
        *whole, self._rest = (self._rest + os.read(self._pipe, _CHUNK)).split(b"\n")
        if len(self._rest) >= _LONGEST_LINE:
            whole.append(self._rest)
            self._rest = b""
        for line in whole:
            self._on_line(_text(line))
        return True

    def drain(self) -> None:
        """Read what is left, after all writers have gone."""
        while self.read(0):
            pass
        self._selector.close()
        if self._rest:
            self._on_line(_text(self._rest))


def _ended(answers: "queue.SimpleQueue[dict[str, Any]]") -> int | None:
    """The exit code, once it is known."""
    try:
        answer = answers.get_nowait()
    except queue.Empty:
        return None
    if answer["is"] == "lost":
        raise WarmLostError("The process that has dbt imported ended, and the invocation with it.")
    return int(answer["code"]) if answer["is"] == "ended" else None


def _read(line: bytes) -> dict[str, Any] | None:
    """An answer; None for what is none, as a Python that is no Python may write."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and "is" in answer else None


def _start_json(start: Start) -> dict[str, Any] | None:
    match start:
        case FromParse(file):
            return {"file": str(file)}
        case FromSlices(store, refusal, nodes):
            return {"store": str(store), "refusal": str(refusal), "nodes": nodes}
    return None


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
