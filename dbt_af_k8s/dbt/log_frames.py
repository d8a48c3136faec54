"""A text that travels through a container's log, in numbered lines with checksums. Pure.

A log can repeat lines, put prefixes before them, and mix them with others; so each line carries a mark, its number, and
checksums of itself and of the whole. `pods.supervise` writes the same lines where this library is not installed.
"""

import hashlib
import re
import zlib
from collections.abc import Iterable

#: The first word of such a line; other lines are kept from having it.
MARK = "dbt-af-k8s-result"
#: Letters of the text in one line. A log splits lines after 16 KiB.
CHUNK = 6000
_LINE = re.compile(rf"{MARK} ([0-9a-f]{{32}}) (\d+)/(\d+) ([0-9a-f]{{8}}) ([A-Za-z0-9+/=!]*)")


def frames(text: str) -> tuple[str, ...]:
    """The lines for a text of base64's letters (and `!`); one line for an empty text."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    parts = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)] or [""]
    return tuple(
        f"{MARK} {digest} {number}/{len(parts)} {_checksum(part)} {part}" for number, part in enumerate(parts, 1)
    )


class Frames:
    """Lines of a log as they are read: in any order, repeated, with anything before and after them."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int, str]] = {}
        self._counts: dict[str, int] = {}
        #: The last text that is whole; None where there is none yet.
        self.text: str | None = None

    def read(self, lines: Iterable[str]) -> "Frames":
        """Read lines; what is not ours, or damaged, is passed over."""
        for line in lines:
            for match in _LINE.finditer(line):
                digest, number, count, checksum, part = match.groups()
                if _checksum(part) != checksum:
                    continue
                parts = self._parts.setdefault(digest, {})
                parts[int(number)] = part
                self._counts[digest] = int(count)
                if len(parts) == int(count):
                    text = "".join(parts[each] for each in sorted(parts))
                    if hashlib.sha256(text.encode()).hexdigest()[:32] == digest:
                        self.text = text
        return self

    @property
    def most_lines(self) -> int:
        """How many lines the longest text has of which anything was read; 0: nothing was."""
        return max(self._counts.values(), default=0)


def without_mark(text: str) -> str:
    """A text that is no such line, whatever it was."""
    return text.replace(MARK, MARK.replace("-", " "))


def is_frame(line: str) -> bool:
    """Whether a line of a log is one of these."""
    return f"{MARK} " in line


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
