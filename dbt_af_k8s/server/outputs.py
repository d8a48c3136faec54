"""What invocations leave: their logs, part by part, and their artefacts."""

import logging
import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass

from dbt_af_k8s.server.database import Database, DatabaseError

LOG = logging.getLogger("dbt_af_k8s.server")
#: A part of the log is written when it has this many bytes, or is this many seconds old.
_PART_BYTES = 64 * 1024
_PART_SECONDS = 0.5
#: How often the end of a log is tried, once a second, while the database is out of reach.
_LAST_TRIES = 10
#: After a failure nothing is written for so long, in seconds.
_PAUSE_SECONDS = 10.0
#: Of a log that is too long, this share of the limit is kept for its end.
_TAIL_SHARE = 8
#: Names of dbt's artefacts that are kept.
ARTIFACTS = ("run_results.json", "manifest.json", "catalog.json", "sources.json", "freshness.json", "index.html")


@dataclass(frozen=True, slots=True)
class LogPart:
    """A part of a log, in whole lines as long as a line is not longer than what was asked for."""

    data: bytes
    #: Where it begins, and where the next part does, in bytes.
    offset: int
    next_offset: int


class Outputs:
    """Logs and artefacts. Methods may be called from any thread; they raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append_log(self, task_id: str, begins: int, data: bytes) -> None:
        """Add a part to a log that has `begins` bytes."""
        with self._database.transaction() as cursor:
            cursor.run("INSERT INTO log_part (task_id, begins, data) VALUES (?, ?, ?)", (task_id, begins, data))
            cursor.run("UPDATE invocation SET log_bytes = ? WHERE task_id = ?", (begins + len(data), task_id))

    def log(self, task_id: str, offset: int, most: int) -> LogPart:
        """Up to `most` bytes of a log from `offset` on, cut after the last whole line in them."""
        with self._database.transaction() as cursor:
            rows = cursor.run(
                "SELECT begins, data FROM log_part WHERE task_id = ? AND begins >= coalesce("
                "(SELECT max(begins) FROM log_part WHERE task_id = ? AND begins <= ?), 0) AND begins < ? "
                "ORDER BY begins",
                (task_id, task_id, offset, offset + most),
            )
        data = b"".join(bytes(part) for _, part in rows)
        skipped = offset - rows[0][0] if rows else 0
        found = data[skipped : skipped + most]
        if len(data) > skipped + most and b"\n" in found:
            found = found[: found.rindex(b"\n") + 1]
        return LogPart(found, offset, offset + len(found))

    def keep_artifact(self, task_id: str, name: str, content: bytes) -> None:
        """Keep an artefact."""
        with self._database.transaction() as cursor:
            cursor.run(
                "INSERT INTO artifact (task_id, name, size, data) VALUES (?, ?, ?, ?)",
                (task_id, name, len(content), zlib.compress(content, 6)),
            )

    def artifacts(self, task_id: str) -> tuple[tuple[str, int], ...]:
        """Names and sizes of an invocation's artefacts, by name."""
        with self._database.transaction() as cursor:
            rows = cursor.run("SELECT name, size FROM artifact WHERE task_id = ? ORDER BY name", (task_id,))
        return tuple((name, size) for name, size in rows)

    def artifact(self, task_id: str, name: str) -> bytes | None:
        """The content of an artefact, or None."""
        with self._database.transaction() as cursor:
            rows = cursor.run("SELECT data FROM artifact WHERE task_id = ? AND name = ?", (task_id, name))
        return zlib.decompress(rows[0][0]) if rows else None


class LogWriter:
    """Takes the lines of one invocation and writes them in parts, within a limit.

    Past the limit lines are dropped but for the last ones, which come at the end after a line that says how much is
    missing: a verdict stands at the end of a log. `add` and `tick` may be called from two threads.
    """

    def __init__(self, outputs: Outputs, task_id: str, most: int) -> None:
        self._outputs = outputs
        self._task_id = task_id
        self._head_bytes = most - most // _TAIL_SHARE
        self._tail_bytes = most // _TAIL_SHARE
        self._written = 0
        self._part: list[bytes] = []
        self._part_bytes = 0
        self._since = time.monotonic()
        self._tail: deque[bytes] = deque()
        self._tail_held = 0
        self._dropped = 0
        self._is_over = False
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        """One line, without its end."""
        data = line.encode("utf-8", "replace") + b"\n"
        with self._lock:
            if not self._is_over and self._written + self._part_bytes + len(data) <= self._head_bytes:
                self._part.append(data)
                self._part_bytes += len(data)
            else:
                self._is_over = True
                self._hold(data[-self._tail_bytes :])
            self._write_if_due()

    def tick(self) -> None:
        """Write what has waited long enough."""
        with self._lock:
            self._write_if_due()

    def close(self) -> None:
        """Write all that is left."""
        with self._lock:
            if self._dropped:
                told = (
                    f'{{"info": {{"level": "warn", "name": "LogCut", "msg": "{self._dropped} bytes are left out"}}}}\n'
                )
                self._part.append(told.encode())
            self._part.extend(self._tail)
            self._tail.clear()
            for _ in range(_LAST_TRIES):
                self._write()
                if not self._part:
                    return
                time.sleep(1)
            LOG.warning("end of a log not written", extra={"task_id": self._task_id})

    def _hold(self, data: bytes) -> None:
        self._tail.append(data)
        self._tail_held += len(data)
        while self._tail_held > self._tail_bytes:
            gone = len(self._tail.popleft())
            self._tail_held -= gone
            self._dropped += gone

    def _write_if_due(self) -> None:
        waited = time.monotonic() - self._since
        if waited >= _PART_SECONDS or (waited >= 0 and self._part_bytes >= _PART_BYTES):
            self._write()

    def _write(self) -> None:
        self._since = time.monotonic()
        if self._part:
            data = b"".join(self._part)
            try:
                self._outputs.append_log(self._task_id, self._written, data)
            except DatabaseError:
                # It is kept, and written when the database is back. Whoever reads dbt's output cannot wait for that.
                self._since = time.monotonic() + _PAUSE_SECONDS
                return
            self._written += len(data)
            self._part.clear()
            self._part_bytes = 0
