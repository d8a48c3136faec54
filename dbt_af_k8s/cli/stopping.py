"""What a signal does to this program: what was started is stopped first, and only then is anything written.

Nothing here needs a living reader. A terminal that is closed, a pipe that nobody reads and a pipe that is full can hold
up a write for ever, so the last words are bounded in time, and the end does not wait for buffers.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

#: What ends this program in order.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: How long all that was started may take to end before this program leaves, in seconds. Watchdogs see to the rest.
_ENDS_WITHIN = 20.0
#: How long last words may take, in seconds.
_LAST_WORDS = 1.0


class Stopped(KeyboardInterrupt):
    """A signal has asked this program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        #: As a shell tells the end of a program by a signal.
        self.exit_code = 128 + number


class StopSignals:
    """Turns the first signal into `Stopped`. A second one, and an end that takes too long, leave at once."""

    def __init__(self) -> None:
        self.exit_code: int | None = None

    def listen(self) -> None:
        """Listen to those signals that are not ignored already (as by `nohup`, or of a job in the background)."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    def _handle(self, number: int, _: FrameType | None) -> None:
        code = 128 + number
        if self.exit_code is not None:
            os._exit(code)
        self.exit_code = code
        limit = threading.Timer(_ENDS_WITHIN, os._exit, (code,))
        limit.daemon = True
        limit.start()
        raise Stopped(number)


def leave(code: int, last_words: str = "") -> NoReturn:
    """End this process with what can still be written, and without what cannot."""

    def write() -> None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.write(last_words if stream is sys.stderr else "")
                stream.flush()
            except (OSError, ValueError):
                continue

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(_LAST_WORDS)
    os._exit(code)


def silence() -> None:
    """The reader has gone (`| head`): nobody is there to be told, and nothing may be flushed any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
