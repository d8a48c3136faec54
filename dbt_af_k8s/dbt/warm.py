"""A dbt that is already imported and has read the project, and forks for each invocation. Runs beside any dbt 1.11.

A script for the Python of whatever environment dbt lives in, so it imports nothing but the standard library, dbt and
`driver.py` beside it:

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
#: Modules that dbt 1.11 imports only when a command needs them.
_LATE_IMPORTS = (
    "dbt.compilation",
    "dbt.graph.thread_pool",
    "dbt.task.build",
    "dbt.task.freshness",
    "dbt.task.list",
    "dbt.task.run",
    "dbt.task.run_operation",
    "dbt.task.seed",
    "dbt.task.snapshot",
    "dbt.task.test",
    "dbt_common.clients.agate_helper",
    "sqlparse",
)


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

    driver = _driver(here)
    try:
        _warm_up()
    except Exception as reason:  # noqa: BLE001  a dbt that is made otherwise only starts more slowly
        os.write(2, f"dbt is not warmed up: {type(reason).__name__}: {reason}\n".encode())
    parent = _Parent(answers, program, driver)
    parent.answer({"is": "ready", "dbt_version": dbt.version.__version__})
    gc.collect()
    gc.freeze()
    gc.disable()
    parent.serve()


class _Parent:
    """The process that forks; one thread, so that a fork copies nothing half done."""

    def __init__(self, answers: int, program: str, driver: Any) -> None:
        self._answers = answers
        self._program = program
        self._driver = driver
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
            self._manifest = _saved_parse(file)
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
            self._driver.leave(_invoke(arguments, None))
        elif "file" in start:
            if start["file"] != self._loaded:
                self._driver.leave(WRONG_PARSE)
            self._driver.leave(_invoke(arguments, self._manifest))
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


def _driver(folder: str) -> Any:
    """The module `driver.py`, from its file: no other module of this folder may be imported by name."""
    spec = importlib.util.spec_from_file_location("dbt_af_k8s_driver", os.path.join(folder, "driver.py"))  # noqa: PTH118
    if spec is None or spec.loader is None:
        raise ImportError("driver.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _saved_parse(file: str) -> Any:
    """The manifest from the file in which dbt itself keeps a parse; as dbt reads it where no file has changed."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    with open(file, "rb") as stream:  # noqa: PTH123  as in driver.py
        manifest: Any = Manifest.from_msgpack(stream.read(), decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()
    # What is imported and computed now need not be by each child.
    from dbt.adapters.factory import load_plugin

    load_plugin(manifest.metadata.adapter_type).json_schema()
    return manifest


def _warm_up() -> None:
    """Import what dbt imports on its way, and make the schemas by which it checks the project's files."""
    for name in _LATE_IMPORTS:
        importlib.import_module(name)
    from dbt.contracts.project import Configuration, PackageConfig, ProfileConfig, Project, ProjectFlags

    for kind in (Configuration, PackageConfig, ProfileConfig, Project, ProjectFlags):
        kind.json_schema()


def _invoke(arguments: list[str], manifest: Any) -> int:
    """Run the dbt command, on a manifest or on the project itself; its exit code."""
    import dbt.cli.requires as requires
    from dbt.cli.main import cli

    if manifest is not None:
        _make_own(manifest, requires)
    code = 0
    try:
        cli.main(args=arguments, prog_name="dbt", obj=None if manifest is None else {"manifest": manifest})
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code


def _make_own(manifest: Any, requires: Any) -> None:
    """Give this child's copy of the manifest what is not to be shared: a lock, and its invocation's id and time.

    The lock is one of processes, so that a child killed with it in hand would stop all others.
    """
    from datetime import datetime, timezone

    from dbt.mp_context import get_mp_context
    from dbt_common.invocation import get_invocation_id

    manifest._lock = get_mp_context().Lock()
    set_up = requires.setup_manifest

    def set_up_and_date(ctx: Any, *args: Any, **kwargs: Any) -> None:
        set_up(ctx, *args, **kwargs)
        # As dbt dates a saved parse that it reads (`ManifestLoader.read_manifest_for_partial_parse`).
        manifest.metadata.generated_at = datetime.now(timezone.utc).replace(tzinfo=None)  # noqa: UP017  3.10
        manifest.metadata.invocation_id = get_invocation_id()

    requires.setup_manifest = set_up_and_date


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
