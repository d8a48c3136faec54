"""What a container wrote, line by line with the time, and how clients read it: from an end, from a time, following."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

#: Longest piece of a line that is one entry (as containerd splits them).
_LONGEST = 16 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One entry; `text` ends with a line feed unless the line is not whole."""

    at: int
    text: bytes

    @property
    def stamp(self) -> bytes:
        """The time in RFC 3339 with nanoseconds."""
        seconds, rest = divmod(self.at, 1_000_000_000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z".encode()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a log a client asks for."""

    follow: bool = False
    timestamps: bool = False
    #: Nanoseconds since 1970; None: from the beginning.
    since: int | None = None
    tail: int | None = None
    limit_bytes: int | None = None


@dataclass
class ContainerLog:
    """The log of one start of a container."""

    lines: list[Line] = field(default_factory=list)
    is_over: bool = False
    _rest: dict[str, bytes] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, stream: str, data: bytes) -> None:
        """Add output of a stream (`stdout`, `stderr`); a line is an entry when it is whole, or too long."""
        held = self._rest.pop(stream, b"") + data
        while (end := held.find(b"\n")) >= 0 or len(held) >= _LONGEST:
            cut = _LONGEST if end < 0 or end >= _LONGEST else end + 1
            self._add(held[:cut])
            held = held[cut:]
        if held:
            self._rest[stream] = held

    def close(self) -> None:
        """The container ended; what is left of its last lines is told."""
        for stream in sorted(self._rest):
            self._add(self._rest[stream])
        self._rest.clear()
        self.is_over = True
        self._tell()

    async def read(self, wanted: Wanted) -> AsyncIterator[bytes]:
        """The entries; when following, until the container ends."""
        position = self._start(wanted)
        left = wanted.limit_bytes
        while True:
            news = self._news
            while position < len(self.lines):
                line = self.lines[position]
                position += 1
                if wanted.since is not None and line.at < wanted.since:
                    continue
                told = line.stamp + b" " + line.text if wanted.timestamps else line.text
                if left is not None:
                    told, left = told[:left], left - len(told)
                yield told
                if left is not None and left <= 0:
                    return
            if self.is_over or not wanted.follow:
                return
            await news.wait()

    def _start(self, wanted: Wanted) -> int:
        if wanted.tail is None:
            return 0
        first = len(self.lines)
        found = 0
        while first > 0 and found < wanted.tail:
            if wanted.since is not None and self.lines[first - 1].at < wanted.since:
                break
            first -= 1
            if first == 0 or self.lines[first - 1].text.endswith(b"\n"):
                found += 1
        return first

    def _add(self, text: bytes) -> None:
        at = time.time_ns()
        if self.lines and at <= self.lines[-1].at:
            at = self.lines[-1].at + 1
        self.lines.append(Line(at, text))
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
