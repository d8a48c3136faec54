"""Ends a process group whose starter is gone. Runs by itself, beside any process that must not outlive its starter.

    python watchdog.py GRACE [PID:START ...]

Standard input has the number of the group, a line, which the group's first process writes before it does anything
else. Then it waits until one of these happens:

- a second line comes: the group has ended as it should, and so does this;
- standard input ends: whoever started the group is gone, and could do nothing about it;
- one of the processes PID is gone. START is the time of its start in /proc, for numbers are used again.

In the last two cases the group gets SIGINT (on which dbt cancels its queries in the warehouse), after half of GRACE
seconds SIGTERM, and after all of them SIGKILL. The exit code is then `FIRED`. It imports nothing but the standard
library, and is started without the packages of its Python, for it must begin quickly.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

#: Exit code of a watchdog that has ended its group.
FIRED = 3
#: How often to look after processes where the system has no descriptors for them, in seconds.
_LOOK_EVERY = 0.5
#: How often to look whether the group has gone, while it is being ended, in seconds.
_GONE_EVERY = 0.05


def main(argv: list[str]) -> int:
    """Watch; see the module's text for the arguments."""
    # What ends the group by a signal to all (Ctrl-C, a closed terminal) must not end this first.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched = [(int(pid), start) for pid, _, start in (each.partition(":") for each in argv[1:])]
    group = _line()
    if not group or _is_fine(watched):
        return 0
    end(int(group), float(argv[0]))
    return FIRED


def _line() -> bytes:
    """The next line of standard input, without its end; empty where there is none."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line


def _is_fine(watched: list[tuple[int, str]]) -> bool:
    """Wait; whether the group has ended as it should."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    must_look = False
    for pid, _ in watched:
        try:
            poll.register(os.pidfd_open(pid), select.POLLIN)
        except ProcessLookupError:
            return False
        except (AttributeError, OSError):
            must_look = True
    while True:
        # After the descriptors are open: from now on a number cannot become another process unseen.
        if any(start_of(pid) != start for pid, start in watched):
            return False
        ready = poll.poll(_LOOK_EVERY * 1000 if must_look else None)
        if any(descriptor == 0 for descriptor, _ in ready):
            return bool(_line())
        if ready:
            return False


def end(group: int, grace: float) -> None:
    """Bring the group to its end."""
    began = time.monotonic()
    steps = [(0.0, signal.SIGINT), (0.5, signal.SIGTERM), (1.0, signal.SIGKILL)]
    while steps:
        now = time.monotonic()
        if now - began >= steps[0][0] * grace:
            if not send(group, steps.pop(0)[1]):
                return
        elif not send(group, 0):
            return
        else:
            time.sleep(_GONE_EVERY)


def send(group: int, number: int) -> bool:
    """Send a signal to the group; whether anybody is there to get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def start_of(pid: int) -> str:
    """When a process began, in the unit of /proc; empty where it is gone, or has ended and waits to be reaped."""
    state, start = stat_of(pid, 0), stat_of(pid, 19)
    return "" if state == "Z" else start


def stat_of(pid: int, field: int) -> str:
    """A field of /proc/PID/stat behind the name of the program, the first one being 0; empty where there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123  begins quickly
            return stream.read().rpartition(")")[2].split()[field]
    except (OSError, IndexError):
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
