"""A dbt that is already imported and has read the project, and forks for each invocation. Runs beside any dbt 1.11.

A script for the Python of whatever environment dbt lives in, so it imports nothing but the standard library, dbt,
and `driver.py` and `warm_dbt.py` beside it:

    python warm.py DBT_PROGRAM

Orders come as JSON objects, one on a line of standard input; answers go to standard output in the same form.

- `{"do": "load", "file": PATH}`: read dbt's own saved parse (`partial_parse.msgpack`), for invocations that may start
  from it. Answer: `{"is": "loaded", "file": PATH, "error": TEXT | null}`.
- `{"do": "run", "id": TEXT, "argv": [...], "cwd": PATH, "output": PATH, "start": START}`: fork, and run this dbt
  command with its output in the named pipe `output`. START is null (dbt reads the project by itself), `{"file": PATH}`
  (the saved parse, where it is the one loaded last), or `{"store": PATH, "refusal": PATH, "nodes": [...]}` (a slice,
  as `driver.py` takes it). Answers: `{"is": "started", "id": TEXT}`, and `{"is": "ended", "id": TEXT, "code": INTEGER}`
  with the code as `subprocess` tells it.
- `{"do": "signal", "id": TEXT, "number": INTEGER}`: send a signal to all processes of an invocation; no answer.

Standard input at its end (the other side has gone, however it went), or SIGTERM, ends the process and all its
invocations. Where the saved parse is not the one
asked for, the child ends with code `WRONG_PARSE`, having run nothing.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import json
import os
import select
import signal
import sys
import time
from typing import Any, NoReturn

#: Exit code of a child that was to start from a parse which is not loaded.
WRONG_PARSE = 113
#: From SIGINT, on which dbt cancels its queries, to SIGKILL where this process ends, in seconds.
_GRACE = 4.0
_PR_SET_PDEATHSIG = 1
_HELD_BACK = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_CHUNK = 65536


def main(program: str) -> NoReturn:
    """Import dbt, then do what the orders say; never returns."""
    answers = os.dup(1)
    # Whatever a library prints here is no answer.
    os.dup2(2, 1)
    # As for the dbt program: its folder is the first place to import from.
    here = sys.path[0]
    sys.path[0] = os.path.dirname(program)  # noqa: PTH120  as in driver.py
    import dbt.cli.main
    import dbt.version

    driver, warm_dbt = _beside(here, "driver"), _beside(here, "warm_dbt")
    try:
        warm_dbt.warm_up()
    except Exception as reason:  # noqa: BLE001  a dbt that is made otherwise only starts more slowly
        os.write(2, f"dbt is not warmed up: {type(reason).__name__}: {reason}\n".encode())
    parent = _Parent(answers, program, driver, warm_dbt)
    parent.answer({"is": "ready", "dbt_version": dbt.version.__version__})
    gc.collect()
    gc.freeze()
    gc.disable()
    parent.serve()


class _Parent:
    """The process that forks; one thread, so that a fork copies nothing half done."""

    def __init__(self, answers: int, program: str, driver: Any, warm_dbt: Any) -> None:
        self._answers = answers
        self._program = program
        self._driver = driver
        self._dbt = warm_dbt
        self._children: dict[int, str] = {}
        self._loaded: str | None = None
        self._manifest: Any = None
        self._wake = os.pipe()
        for end in self._wake:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self._end())

    def answer(self, said: dict[str, Any]) -> None:
        """Write one line; an end of the pipe ends this process."""
        data = json.dumps(said).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._answers, data) :]
        except BrokenPipeError:
            self._end()

    def serve(self) -> NoReturn:
        """Follow orders until there are no more."""
        rest = b""
        while True:
            ready, _, _ = select.select([0, self._wake[0]], [], [])
            if self._wake[0] in ready:
                os.read(self._wake[0], _CHUNK)
            self._bury()
            if 0 not in ready:
                continue
            chunk = os.read(0, _CHUNK)
            if not chunk:
                self._end()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._follow(json.loads(line))

    def _follow(self, order: dict[str, Any]) -> None:
        if order["do"] == "load":
            self._load(order["file"])
        elif order["do"] == "run":
            self._fork(order)
        elif order["do"] == "signal":
            for pid, name in self._children.items():
                if name == order["id"]:
                    _signal_group(pid, order["number"])

    def _load(self, file: str) -> None:
        self._manifest = self._loaded = None
        error = None
        try:
            self._manifest = self._dbt.saved_parse(file)
            self._loaded = file
        except Exception as reason:  # noqa: BLE001  whatever it is, dbt can do without
            error = f"{type(reason).__name__}: {reason}"
        # The children share these pages as long as nobody counts or collects in them.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self.answer({"is": "loaded", "file": file, "error": error})

    def _fork(self, order: dict[str, Any]) -> None:
        # Until the child is a group of its own with its own handlers, a signal may do in it what it does here.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
        pid = os.fork()
        if pid == 0:
            try:
                os.close(self._answers)
                self._child(order)
            except BaseException as reason:  # noqa: BLE001  a child may never come back into the parent's loop
                os.write(2, f"dbt could not be started: {type(reason).__name__}: {reason}\n".encode())
            finally:
                os._exit(2)
        self._children[pid] = order["id"]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
        self.answer({"is": "started", "id": order["id"]})

    def _child(self, order: dict[str, Any]) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
        _die_with_parent()
        _speak_into(order["output"])
        os.chdir(order["cwd"])
        arguments = order["argv"]
        sys.argv = [self._program, *arguments]
        start = order["start"]
        if start is None:
            self._driver.leave(self._dbt.invoke(arguments, None))
        elif "file" in start:
            if start["file"] != self._loaded:
                self._driver.leave(WRONG_PARSE)
            self._driver.leave(self._dbt.invoke(arguments, self._manifest))
        try:
            header, manifest = self._driver.load(start["store"], start["nodes"])
        except self._driver.Refused as reason:
            self._driver.refuse(start["refusal"], reason)
        self._driver.leave(self._driver.invoke(arguments, header, manifest, start["refusal"]))

    def _bury(self) -> None:
        """Tell of each child that has ended, and end what it left behind."""
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            name = self._children.pop(pid, None)
            if name is not None:
                _signal_group(pid, signal.SIGKILL)
                self.answer({"is": "ended", "id": name, "code": os.waitstatus_to_exitcode(status)})

    def _end(self) -> NoReturn:
        """End every child, and this process."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        deadline = time.monotonic() + _GRACE
        for pid in self._children:
            _signal_group(pid, signal.SIGINT)
        while self._children and time.monotonic() < deadline:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            self._children.pop(pid, None)
            time.sleep(0 if pid else 0.02)
        for pid in self._children:
            _signal_group(pid, signal.SIGKILL)
        self._driver.leave(0)
        os._exit(0)


def _beside(folder: str, name: str) -> Any:
    """A module beside this script, from its file: no other module of this folder may be imported by name."""
    spec = importlib.util.spec_from_file_location(f"dbt_af_k8s_{name}", os.path.join(folder, f"{name}.py"))  # noqa: PTH118
    if spec is None or spec.loader is None:
        raise ImportError(f"{name}.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _speak_into(pipe: str) -> None:
    """Standard output and standard error go into a named pipe, and nothing comes from standard input."""
    silent = os.open(os.devnull, os.O_RDONLY)
    spoken = os.open(pipe, os.O_WRONLY)
    os.dup2(silent, 0)
    os.dup2(spoken, 1)
    os.dup2(spoken, 2)
    os.close(silent)
    os.close(spoken)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # Ended, or not yet the leader of a group: then it has started nothing, and is signalled alone.
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def _die_with_parent() -> None:
    """On Linux, let this child end when its parent is killed outright and cannot tell."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1])
