"""The database behind the server: SQLite or PostgreSQL, one small face for both.

Statements are written with `?` for values. All times are the database's own on PostgreSQL, so that replicas need no
common clock.
"""

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from dbt_af_k8s.errors import DbtAfK8sError, UsageError
from dbt_af_k8s.server.schema import POSTGRES_TYPES, SCHEMA, SQLITE_TYPES

#: How long SQLite waits for another writer, in seconds.
_SQLITE_WAIT = 30.0
#: Any number: the lock that submitting replicas take, so that the length of the queue is exact.
_SUBMIT_LOCK = 6_204_518
_SCHEMA_LOCK = 6_204_519
#: Seconds after which a connection attempt is given up, and milliseconds after which PostgreSQL gives up a statement,
#: and after which a connection counts as dead when nothing of what was sent is acknowledged. A lease must outlive them.
_CONNECT_SECONDS = 4
_STATEMENT_MS = 30_000
_UNHEARD_MS = 4_000


class DatabaseError(DbtAfK8sError):
    """The database does not answer, or not as it should."""


class Cursor(Protocol):
    """One transaction."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; its rows, if it gives any."""
        ...

    def count(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it changed."""
        ...

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def lock_queue(self) -> None:
        """Let no other process put anything into the queue until the end of the transaction."""
        ...


class Database(Protocol):
    """Where things are kept."""

    #: What a claiming `SELECT` ends with, so that two replicas never get one row.
    skip_locked: str
    #: Whether several processes may use it.
    is_shared: bool

    def transaction(self) -> contextlib.AbstractContextManager[Cursor]:
        """All or nothing. Raises `DatabaseError`."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...


class _Cursor:
    def __init__(self, cursor: Any, *, is_postgres: bool) -> None:
        self._cursor = cursor
        self._is_postgres = is_postgres

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._execute(sql, values)
        if self._cursor.description is None:
            return []
        return [tuple(_plain(value) for value in row) for row in self._cursor.fetchall()]

    def count(self, sql: str, values: Sequence[Any] = ()) -> int:
        self._execute(sql, values)
        return int(self._cursor.rowcount)

    def now(self) -> float:
        if not self._is_postgres:
            return time.time()
        ((seconds,),) = self.run("SELECT extract(epoch FROM clock_timestamp())::double precision")
        return float(seconds)

    def lock_queue(self) -> None:
        # SQLite has one writer anyway.
        if self._is_postgres:
            self.run("SELECT pg_advisory_xact_lock(?)", (_SUBMIT_LOCK,))

    def _execute(self, sql: str, values: Sequence[Any]) -> None:
        self._cursor.execute(sql.replace("?", "%s") if self._is_postgres else sql, tuple(values))


class SqliteDatabase:
    """A SQLite file. One server process at a time: a lock on a file beside it sees to that."""

    skip_locked = ""
    is_shared = False

    def __init__(self, file: Path) -> None:
        """Open or make it. Raises `UsageError` where another server has it or it cannot be used."""
        self._file = file
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._lock = _locked(file)
        try:
            # Commands and logs are for nobody else; SQLite's other files take after it.
            file.touch(mode=0o600)
            with contextlib.closing(self._connect()) as connection:
                for statement in SCHEMA:
                    connection.execute(statement.format(**SQLITE_TYPES))
        except (sqlite3.Error, OSError) as reason:
            self._lock.close()
            raise UsageError(f"The state file {file} cannot be used: {reason}.") from None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=_SQLITE_WAIT, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # What was answered to a client stays true after a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """As `Database.transaction`."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._opened()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Cursor(connection.cursor(), is_postgres=False)
                connection.execute("COMMIT")
            except BaseException:
                # After a full disk SQLite has rolled back already, and would only complain of this.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as reason:
            connection.close()
            raise DatabaseError(f"The state file cannot be used: {reason}.") from reason
        except BaseException:
            self._idle.put(connection)
            raise
        self._idle.put(connection)

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.Error as reason:
            raise DatabaseError(f"The state file cannot be opened: {reason}.") from reason

    def close(self) -> None:
        """Give everything back."""
        while not self._idle.empty():
            self._idle.get().close()
        self._lock.close()


class PostgresDatabase:
    """A PostgreSQL database, which replicas share."""

    skip_locked = "FOR UPDATE SKIP LOCKED"
    is_shared = True

    def __init__(self, address: str) -> None:
        """Connect, and make the tables where they are missing. Raises `UsageError`, never with the address in it."""
        try:
            import psycopg2
        except ImportError:
            raise UsageError(
                "psycopg2 is not installed; it comes with the extra `server` and with dbt-postgres."
            ) from None
        if not _is_clear(address, psycopg2):
            raise UsageError(
                "The address of the PostgreSQL database cannot be read. Write "
                "postgresql://user:password@host:port/database, and in the password %25, %2F, %3A, %3F and %40 for the "
                "letters % / : ? @."
            )
        self._psycopg2 = psycopg2
        self._address = address
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        try:
            with self.transaction() as cursor:
                cursor.run("SELECT pg_advisory_xact_lock(?)", (_SCHEMA_LOCK,))
                for statement in SCHEMA:
                    cursor.run(statement.format(**POSTGRES_TYPES))
        except DatabaseError as reason:
            raise UsageError(str(reason)) from None

    def _connect(self) -> Any:
        options = f"-c statement_timeout={_STATEMENT_MS} -c client_min_messages=warning"
        return self._psycopg2.connect(
            self._address, connect_timeout=_CONNECT_SECONDS, tcp_user_timeout=_UNHEARD_MS, options=options
        )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """As `Database.transaction`."""
        connection = None
        try:
            connection = self._take()
            with connection.cursor() as cursor:
                yield _Cursor(cursor, is_postgres=True)
            connection.commit()
        except self._psycopg2.Error as reason:
            if connection is not None:
                connection.close()
            if isinstance(reason, self._psycopg2.OperationalError | self._psycopg2.InterfaceError):
                # Where one is broken, so are most likely all.
                self.close()
            raise DatabaseError(f"PostgreSQL says: {_first_line(reason)}") from None
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        self._idle.put(connection)

    def _take(self) -> Any:
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return self._connect()
            if not connection.closed:
                return connection

    def close(self) -> None:
        """Give everything back."""
        while not self._idle.empty():
            self._idle.get().close()


class _Locked:
    """A lock that lasts as long as this process."""

    def __init__(self, path: Path) -> None:
        import fcntl

        self._stream = path.open("ab")
        self._mutex = threading.Lock()
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._stream.close()
            raise

    def close(self) -> None:
        """Give everything back."""
        with self._mutex:
            self._stream.close()


def _locked(file: Path) -> _Locked:
    lock = file.with_name(f"{file.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return _Locked(lock)
    except BlockingIOError:
        text = f"Another server uses the state file {file}. Replicas share a PostgreSQL database instead."
        raise UsageError(f"{text} Name it with `state.postgres_variable`.") from None
    except OSError as reason:
        raise UsageError(f"The state file {file} cannot be used: {reason.strerror or reason}.") from None


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _is_clear(address: str, psycopg2: Any) -> bool:
    """Whether each part of the address is what it seems: else PostgreSQL's messages repeat pieces of the password."""
    try:
        parts = psycopg2.extensions.parse_dsn(address)
    except psycopg2.Error:
        return False
    named = f"{parts.get('host', '')}{parts.get('dbname', '')}"
    ports = parts.get("port", "").split(",")
    return "@" not in named and "/" not in parts.get("dbname", "") and all(not port or port.isdigit() for port in ports)


def _first_line(reason: BaseException) -> str:
    """PostgreSQL's words without a line that may hold the address."""
    lines = [line for line in str(reason).splitlines() if line.strip()]
    return lines[0] if lines else type(reason).__name__
