"""A Python with dbt and what Airflow is built on imported, which forks for each command. Started by `warm_python.py`.

Each order comes over a socket (`warm_python_client.py`), with the three standard streams of whoever asked. The fork
takes over those, the folder and the environment, and runs the script or module as Python itself would. The library,
which is under test, is never imported before.

There are two servers, the second a fork of the first with Airflow imported as well, as a library (see `airflow`'s own
`__init__.py`), so that its settings are made by each fork. It is for programs whose environment names the folders of
Airflow and its database: all else Airflow takes from its home at the first import. The end of standard input ends both
and all that they started.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from typing import Any, NoReturn

PRELOADED = (
    "dbt.cli.main",
    "dbt.adapters.duckdb",
    "sqlalchemy.orm",
    "sqlalchemy.dialects.sqlite",
    "fastapi",
    "cadwyn",
    "pydantic",
    "pendulum",
    "structlog",
    "httpx",
    "rich.console",
    "a2wsgi",
    "aiohttp.web",
    "duckdb",
    "libcst",
    "networkx",
    "svcs.fastapi",
    "unittest.mock",
)
AIRFLOW = (
    "airflow.sdk",
    "airflow.listeners",
    "airflow.models.dagrun",
    "airflow.models.taskinstance",
    "airflow.models.serialized_dag",
    "airflow.models.xcom",
    "airflow.api_fastapi.execution_api.app",
    "airflow.api_fastapi.execution_api.routes",
    "airflow.sdk.api.client",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers_manager",
    "airflow.serialization.serialized_objects",
)


def serve(address: str) -> dict[str, Any]:
    """Wait for orders and for the ends of what they began. Returns in a fork only, with its order."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    os.write(1, b"ready\n")
    while True:
        for key, _ in selector.select():
            if key.fileobj is listening:
                connection, _ = listening.accept()
                order, streams = received(connection)
                pid = os.fork()
                if pid == 0:
                    forget(selector)
                    connection.close()
                    take(streams)
                    return order
                for stream in streams:
                    os.close(stream)
                selector.register(connection, selectors.EVENT_READ, pid)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
            elif key.fileobj == 0:
                for other in selector.get_map().values():
                    if isinstance(other.data, int):
                        kill(other.data)
                with contextlib.suppress(ChildProcessError):
                    while True:
                        os.wait()
                os._exit(0)
            elif isinstance(key.data, int):
                asked = hear(key.fileobj)
                for number in asked:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(key.data, number)
                if not asked:
                    # Killed outright; the connection is closed when the end is known.
                    selector.unregister(key.fileobj)
                    kill(key.data)
            else:
                pid, connection = key.data
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                kill(pid)
                selector.unregister(key.fd)
                os.close(key.fd)
                if connection in selector.get_map():
                    selector.unregister(connection)
                with contextlib.suppress(OSError):
                    connection.sendall(code.to_bytes(4, "big", signed=True))
                connection.close()


def forget(selector: selectors.BaseSelector) -> None:
    """Close in a fork what its parent serves.

    A socket is closed as the object that it is: one whose number was closed behind its back closes that number again
    when it is collected, and by then it is another file's.
    """
    for other in [*selector.get_map().values()]:
        if isinstance(other.fileobj, socket.socket):
            other.fileobj.close()
        elif other.fd != 0:
            os.close(other.fd)
    selector.close()


def received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """An order, and the standard streams that come with it."""
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    return json.loads(connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)), list(streams)


def hear(connection: Any) -> bytes:
    try:
        return bytes(connection.recv(64))
    except ConnectionResetError:
        return b""


def kill(pid: int) -> None:
    """End what is left of a command."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def take(streams: list[int]) -> None:
    """Be a process of one's own with these standard streams."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Python's own files know of what was there before whether it can be sought in, and whether it is a terminal.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def become(order: dict[str, Any]) -> NoReturn:
    """Be the process that was ordered, to its end."""
    code = 1
    try:
        run(order)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException:  # noqa: BLE001  as Python itself does
        traceback.print_exc()
    # What Python does at its end, but for taking every object apart.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def run(order: dict[str, Any]) -> None:
    """Run the script or the module as `python` would."""
    environment, argv = order["environment"], order["argv"]
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(order["cwd"])
    sys.executable = order["executable"]
    if environment.get("PYTHONWARNINGS"):
        warnings.simplefilter(environment["PYTHONWARNINGS"])
    if "airflow" in sys.modules:
        set_up_airflow(environment["AIRFLOW_HOME"])
    added = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    module = argv[1] if argv[0] == "-m" else None
    first = order["cwd"] if module else os.path.dirname(os.path.realpath(argv[0]))  # noqa: PTH120
    sys.path[:] = [first, *added, *sys.path[1:]]
    sys.argv = argv[1:] if module else argv
    importlib.invalidate_caches()
    if module:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(argv[0], run_name="__main__")


def set_up_airflow(home: str) -> None:
    """What Airflow does when it is imported otherwise than as a library."""
    from airflow import configuration, settings

    configuration.AIRFLOW_HOME = settings.AIRFLOW_HOME = home
    settings.initialize()


def import_all(names: tuple[str, ...]) -> None:
    with warnings.catch_warnings(action="ignore"):
        for name in names:
            importlib.import_module(name)


if __name__ == "__main__":
    import_all(PRELOADED)
    place = sys.argv[1]
    if os.fork() == 0:
        place += "_airflow"
        os.environ |= {"AIRFLOW_HOME": os.path.dirname(place), "_AIRFLOW__AS_LIBRARY": "1"}  # noqa: PTH120
        import_all(AIRFLOW)
    gc.collect()
    gc.freeze()
    become(serve(place))
