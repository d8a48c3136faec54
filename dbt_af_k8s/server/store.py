"""The queue: invocations and their states.

What makes it safe: a task id is unique in the table, so a request that comes twice is one invocation. Only a row that
is PENDING can be claimed, and claiming it, committed before anything is started, makes it STARTED; nothing makes it
PENDING again. So an invocation is started at most once, whatever dies when.
"""

import json
from collections.abc import Sequence
from typing import Any

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.server.database import Cursor, Database
from dbt_af_k8s.server.values import Ending, Page, Request, Run, Submitted

_COLUMNS = (
    "task_id, project, command, callback_url, client, state, created_at, started_at, ended_at, exc_type, "
    "exc_message, exit_code, owner, abort_requested, start, log_bytes, removed"
)
_UNENDED = (State.PENDING, State.STARTED)
#: Longest exc_message that is kept, in letters.
_LONGEST_MESSAGE = 20_000


class Store:
    """What is kept of invocations. Methods may be called from any thread; they raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(self, request: Request, most: int) -> Submitted:
        """Put a request into the queue, unless it is there already or `most` are waiting."""
        with self._database.transaction() as cursor:
            known = _find(cursor, request.task_id)
            if known is not None:
                return Submitted.KNOWN if _is_same(known.request, request) else Submitted.TAKEN
            cursor.lock_queue()
            # Another replica may have put it in before the lock was ours.
            known = _find(cursor, request.task_id)
            if known is not None:
                return Submitted.KNOWN if _is_same(known.request, request) else Submitted.TAKEN
            ((waiting,),) = cursor.run("SELECT count(*) FROM invocation WHERE state = ?", (State.PENDING,))
            if waiting >= most:
                return Submitted.FULL
            cursor.run(
                "INSERT INTO invocation (task_id, project, command, callback_url, client, state, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    request.task_id,
                    request.project,
                    json.dumps(request.command),
                    request.callback_url,
                    request.client,
                    State.PENDING,
                    cursor.now(),
                ),
            )
        return Submitted.NEW

    def claim(self, owner: str, lease: float) -> Run | None:
        """Take the oldest invocation that waits; it is STARTED, and this owner's, from now on."""
        with self._database.transaction() as cursor:
            now = cursor.now()
            rows = cursor.run(
                f"UPDATE invocation SET state = ?, owner = ?, started_at = ?, lease_until = ? WHERE number = ("
                f"SELECT number FROM invocation WHERE state = ? ORDER BY number LIMIT 1 {self._database.skip_locked}"
                f") AND state = ? RETURNING {_COLUMNS}",
                (State.STARTED, owner, now, now + lease, State.PENDING, State.PENDING),
            )
            if not rows:
                return None
            run = _run(rows[0])
            _call_back(cursor, run.request, State.STARTED, now)
            return run

    def begun(self, task_id: str, owner: str, start: str) -> None:
        """Note how dbt was started."""
        with self._database.transaction() as cursor:
            cursor.run("UPDATE invocation SET start = ? WHERE task_id = ? AND owner = ?", (start, task_id, owner))

    def finish(self, task_id: str, owner: str, ending: Ending) -> bool:
        """Write how an invocation of this owner ended; False where it is not the owner's any more."""
        with self._database.transaction() as cursor:
            return bool(_end(cursor, "task_id = ? AND owner = ?", (task_id, owner), State.STARTED, ending))

    def abort(self, task_id: str) -> Run | None:
        """Ask for the end of an invocation: at once where it waits, else its owner sees to it. None where none is."""
        ending = Ending(State.ABORTED, "Aborted", "A client aborted it before it was started.")
        with self._database.transaction() as cursor:
            _end(cursor, "task_id = ?", (task_id,), State.PENDING, ending)
            cursor.run(
                "UPDATE invocation SET abort_requested = 1 WHERE task_id = ? AND state = ?", (task_id, State.STARTED)
            )
            return _find(cursor, task_id)

    def aborted_of(self, owner: str) -> tuple[str, ...]:
        """Invocations of this owner whose end a client asked for."""
        with self._database.transaction() as cursor:
            rows = cursor.run(
                "SELECT task_id FROM invocation WHERE owner = ? AND state = ? AND abort_requested = 1 ORDER BY number",
                (owner, State.STARTED),
            )
            return tuple(task_id for (task_id,) in rows)

    def renew(self, owner: str, task_ids: Sequence[str], lease: float) -> None:
        """Say that this owner is alive and runs these."""
        with self._database.transaction() as cursor:
            until = cursor.now() + lease
            for task_id in task_ids:
                cursor.run(
                    "UPDATE invocation SET lease_until = ? WHERE task_id = ? AND owner = ? AND state = ?",
                    (until, task_id, owner, State.STARTED),
                )

    def end_lost(self, owner: str) -> tuple[str, ...]:
        """Make INTERNAL_ERROR of what nobody runs any more; their task ids.

        In a database of one process that is all that others started; in a shared one, what has outlived its lease.
        """
        text = "The server that ran it stopped or was lost. Whether dbt finished is not known. It is not run again."
        ending = Ending(State.INTERNAL_ERROR, "ServerLost", text)
        with self._database.transaction() as cursor:
            if self._database.is_shared:
                return _end(cursor, "lease_until < ?", (cursor.now(),), State.STARTED, ending)
            return _end(cursor, "owner <> ?", (owner,), State.STARTED, ending)

    def find(self, task_id: str) -> Run | None:
        """One invocation, or None."""
        with self._database.transaction() as cursor:
            return _find(cursor, task_id)

    def page(self, *, size: int, after: str | None, state: State | None, project: str | None) -> Page:
        """Invocations, the newest first; `after` is `Page.next` of the page before."""
        conditions, values = ["number < ?"] if after else [], [int(after)] if after else []
        for column, value in (("state", state), ("project", project)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)  # type: ignore[arg-type]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        with self._database.transaction() as cursor:
            rows = cursor.run(
                f"SELECT {_COLUMNS}, number FROM invocation {where} ORDER BY number DESC LIMIT ?",
                (*values, size + 1),
            )
        runs = tuple(_run(row) for row in rows[:size])
        return Page(runs, str(rows[size - 1][-1]) if len(rows) > size else None)

    def counts(self) -> dict[State, int]:
        """How many invocations are in each state that is no end."""
        with self._database.transaction() as cursor:
            rows = cursor.run("SELECT state, count(*) FROM invocation WHERE state IN (?, ?) GROUP BY state", _UNENDED)
        found = {State(state): count for state, count in rows}
        return {state: found.get(state, 0) for state in _UNENDED}

    def remove(self, task_id: str) -> bool:
        """Remove log and artefacts of an invocation that has ended; False where it has not. Its state stays."""
        with self._database.transaction() as cursor:
            run = _find(cursor, task_id)
            if run is None or not run.state.is_end:
                return False
            for table in ("log_part", "artifact"):
                cursor.run(f"DELETE FROM {table} WHERE task_id = ?", (task_id,))
            cursor.run("UPDATE invocation SET removed = 1, log_bytes = 0 WHERE task_id = ?", (task_id,))
        return True

    def forget(self, older_than: float) -> int:
        """Forget invocations that ended longer ago than this many seconds, with all they left; how many."""
        with self._database.transaction() as cursor:
            before = cursor.now() - older_than
            old = "SELECT task_id FROM invocation WHERE ended_at < ?"
            for table in ("log_part", "artifact", "callback"):
                cursor.run(f"DELETE FROM {table} WHERE task_id IN ({old})", (before,))
            return cursor.count("DELETE FROM invocation WHERE ended_at < ?", (before,))


def _end(cursor: Cursor, where: str, values: Sequence[Any], state: State, ending: Ending) -> tuple[str, ...]:
    """End what is in this state and fits; the task ids, and the calls to clients that this owes."""
    now = cursor.now()
    message = ending.exc_message[:_LONGEST_MESSAGE].replace("\0", "") if ending.exc_message else None
    rows = cursor.run(
        f"UPDATE invocation SET state = ?, exc_type = ?, exc_message = ?, exit_code = ?, ended_at = ? "
        f"WHERE state = ? AND {where} RETURNING {_COLUMNS}",
        (ending.state, ending.exc_type, message, ending.exit_code, now, state, *values),
    )
    runs = [_run(row) for row in rows]
    for run in runs:
        _call_back(cursor, run.request, ending.state, now)
    return tuple(run.request.task_id for run in runs)


def _call_back(cursor: Cursor, request: Request, state: State, now: float) -> None:
    if request.callback_url is not None:
        cursor.run(
            "INSERT INTO callback (task_id, url, state, next_at) VALUES (?, ?, ?, ?)",
            (request.task_id, request.callback_url, state, now),
        )


def _find(cursor: Cursor, task_id: str) -> Run | None:
    rows = cursor.run(f"SELECT {_COLUMNS} FROM invocation WHERE task_id = ?", (task_id,))
    return _run(rows[0]) if rows else None


def _is_same(known: Request, request: Request) -> bool:
    return (known.project, known.command, known.callback_url) == (
        request.project,
        request.command,
        request.callback_url,
    )


def _run(row: Sequence[Any]) -> Run:
    task_id, project, command, callback_url, client, state = row[:6]
    created_at, started_at, ended_at, exc_type, exc_message, exit_code = row[6:12]
    owner, abort_requested, start, log_bytes, removed = row[12:17]
    return Run(
        Request(task_id, project, tuple(json.loads(command)), callback_url, client),
        State(state),
        created_at,
        started_at,
        ended_at,
        exc_type,
        exc_message,
        exit_code,
        owner,
        bool(abort_requested),
        start,
        log_bytes,
        bool(removed),
    )
