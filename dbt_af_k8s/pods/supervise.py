"""Runs the command of a script in its pod to its end, and hands on the result that it left in a file.

The text of this file travels in the arguments of the pod's container, so it needs nothing but Python 3.8:

    python -c TEXT FILE COMMAND...

The result goes as framed lines (`dbt.log_frames`) into the termination message where it is small, else to the end of
the log. It arrives whole, with the reason why there is none, or not at all. A command that ended well and left no
result says so, for nothing said may be something lost. Exit code: the command's, or 128 and the signal's number.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import signal
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

MARK = "dbt-af-k8s-result"
CHUNK = 6000
#: Most letters of a result, compressed and coded: below that a kubelet does not yet begin a new log file.
LARGEST = 8 * 1024 * 1024
#: Most bytes of a result as it is read.
LARGEST_FILE = 256 * 1024 * 1024
#: Where a container leaves its termination message, and how many bytes of it Kubernetes keeps.
MESSAGE_FILE = Path("/dev/termination-log")
LARGEST_MESSAGE = 4096
#: Before the reason why there is no result.
NOT_SENT = "!"
#: Signals that are for the command.
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
#: Signals that Python ignores, and a program started by a container runtime does not.
IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)


def run(command: list[str]) -> int:
    """The exit code of the command. As process 1 of a container this one also takes in orphans."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    child = os.fork()
    if child == 0:
        for number in IGNORED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            os.execvp(command[0], command)  # noqa: S606 (words, not a line for a shell)
        except OSError as reason:
            os.write(2, f"{command[0]}: {reason.strerror}\n".encode())
        os._exit(127)

    def forward(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in FORWARDED:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    ended = 0
    while ended != child:
        ended, status = os.wait()
    for number in FORWARDED:
        signal.signal(number, signal.SIG_IGN)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def coded(data: bytes) -> str:
    """Bytes as letters that a log takes, compressed."""
    return base64.b64encode(zlib.compress(data, 6)).decode("ascii") if data else ""


def text_of(file: Path) -> str:
    """What is sent for the result in this file: nothing where there is none, or the reason why it is not sent."""
    try:
        size = file.stat().st_size
        if size <= LARGEST_FILE:
            text = coded(file.read_bytes().strip())
            if len(text) <= LARGEST:
                return text
    except FileNotFoundError:
        return ""
    except OSError as reason:
        return NOT_SENT + coded(f"its file {file} cannot be read: {reason.strerror}".encode())
    return NOT_SENT + coded(f"it has {size} bytes, more than a pod hands on".encode())


def frames(text: str) -> Iterator[str]:
    """The lines for a text."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    parts = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)] or [""]
    for number, part in enumerate(parts, 1):
        yield f"{MARK} {digest} {number}/{len(parts)} {zlib.crc32(part.encode()):08x} {part}"


def fits_the_message(lines: Sequence[str]) -> bool:
    """Leave the lines as the termination message, unless they are too long or the script has left one of its own."""
    data = "\n".join(lines).encode()
    try:
        if len(data) > LARGEST_MESSAGE or MESSAGE_FILE.stat().st_size:
            return False
        MESSAGE_FILE.write_bytes(data)
    except OSError:
        return False
    return True


def send(file: Path, code: int) -> None:
    """Send the result. A command that failed need not have one."""
    text = text_of(file)
    if code and not text:
        return
    lines = list(frames(text))
    # The message of a failure is for people.
    if code or not fits_the_message(lines):
        # The last line of the script may have no end.
        data = "\n".join(["", *lines, ""]).encode()
        while data:
            data = data[os.write(1, data) :]


def main(file: Path, command: list[str]) -> int:
    """Run the command, and send its result."""
    code = run(command)
    try:
        send(file, code)
    except OSError as reason:
        # Nobody reads the output any more; what did not arrive is noticed.
        os.write(2, f"The result is not sent: {reason.strerror}\n".encode())
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
