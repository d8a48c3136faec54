"""Ends what tests started and did not end: a test that hangs or fails in the middle leaves no process behind.

Processes are known by a variable of their environment, which children inherit however often they fork, detach or lose
their parent. Each worker of pytest-xdist has a mark of its own and ends what it began; the run as a whole ends the
rest.
"""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

MARK = "DBT_AF_K8S_TEST_RUN"


def mark_processes() -> str:
    """Mark this process and all that it starts from now on; the mark."""
    outer = os.environ.get(MARK)
    mark = f"{outer}.{uuid.uuid4().hex[:8]}" if outer else uuid.uuid4().hex
    os.environ[MARK] = mark
    return mark


def end_marked(mark: str) -> list[str]:
    """Kill every other process with this mark or one below it; their command lines."""
    ended = []
    for pid, command in _marked(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        ended.append(f"{pid}: {command}")
    return ended


def _marked(mark: str) -> Iterator[tuple[int, str]]:
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it has ended, or is somebody else's
            continue
        if "multiprocessing.resource_tracker" in command:  # ends when this process does
            continue
        if int(folder.name) != os.getpid() and any(entry.startswith(wanted) for entry in environment):
            yield int(folder.name), command[:200]
