"""The API of dbt's own server, as values: what is asked of it, what it answers, and what an answer means. Pure.

`POST /invocations` with `command`, `task_id` and `project_dir`; `GET /invocations/{task_id}`; `POST
/invocations/{task_id}/abort`.
"""

import hashlib
import json
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from dbt_af_k8s.dbt.log_rows import LOG_FLAGS, ages_in_log, rows_in_log
from dbt_af_k8s.dbt.logs import LogDigest, LogLine, read_line
from dbt_af_k8s.dbt.place import OnLine, Outcome
from dbt_af_k8s.dbt.process import ProcessEnd
from dbt_af_k8s.dbt.results import rows_in

#: Letters of a name that is a part of an address, and how long its readable parts are at most.
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_PART = 60
_KILLED = re.compile(r"killed by (?:signal )?(SIG[A-Z0-9]+)")
_ERROR_LEVEL = 40


class State(StrEnum):
    """Where an invocation stands; the names are those of dbt's own server."""

    NOT_FOUND = "NOT_FOUND"
    PENDING = "PENDING"
    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    ABORTED = "ABORTED"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    @property
    def is_running(self) -> bool:
        """Whether it waits or works."""
        return self in (State.PENDING, State.STARTED)

    @property
    def is_end(self) -> bool:
        """Whether it stays so."""
        return self is not State.NOT_FOUND and not self.is_running


@dataclass(frozen=True, slots=True)
class Invocation:
    """One answer about an invocation."""

    state: State
    exc_type: str = ""
    exc_message: str = ""
    log: str = ""

    @property
    def reason(self) -> str:
        """Why it ended badly, for a person; may be empty."""
        return ": ".join(part for part in (self.exc_type, self.exc_message.strip()) if part)


def read_invocation(document: object) -> Invocation | None:
    """An answer of the server; None for what is none."""
    if not isinstance(document, Mapping) or document.get("state") not in list(State):
        return None
    texts = (document.get(key) for key in ("exc_type", "exc_message", "log_content"))
    return Invocation(State(document["state"]), *(text if isinstance(text, str) else "" for text in texts))


@dataclass(frozen=True, slots=True)
class InvocationName:
    """What a task calls its invocations: the same words for the same try of the same task, on every machine.

    `deployment` tells two Airflows apart that share a server.
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1
    deployment: str = ""

    def of_try(self, number: int, part: str = "") -> str:
        """The `task_id` of one try, at most 200 letters; `part` tells several of one try apart."""
        whole = json.dumps([self.deployment, self.dag_id, self.task_id, self.run_id, self.map_index, part])
        digest = hashlib.sha256(whole.encode()).hexdigest()[:24]
        readable = (_NO_NAME.sub("_", text)[:_LONGEST_PART] for text in (self.dag_id, self.task_id))
        return ".".join((*readable, digest, str(number)))


def request_of(words: Sequence[str], name: str, project_dir: str | None) -> dict[str, Any]:
    """The body of a POST that runs these words of dbt, with a log from which a verdict can be read."""
    body: dict[str, Any] = {"command": [*words, *LOG_FLAGS], "task_id": name}
    return body if project_dir is None else {**body, "project_dir": project_dir}


def unique_lines(log: str, *, is_over: bool) -> tuple[str, ...]:
    """The whole lines of a log, without JSON lines that came before: some servers repeat them.

    The last one counts only where it has its end, or nothing more can come.
    """
    lines = log.split("\n")
    last = lines.pop()
    if is_over and last.strip():
        lines.append(last)
    seen: set[str] = set()
    kept = []
    for line in lines:
        if line.lstrip().startswith("{"):
            if line in seen:
                continue
            seen.add(line)
        kept.append(line)
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a log has been shown: a digest of the last lines. Empty: nothing was shown."""

    last: str = ""
    #: How many lines the digest is of.
    count: int = 0


_OVERLAP = 4


def lines_after(lines: Sequence[str], position: LogPosition) -> tuple[tuple[str, ...], LogPosition]:
    """The lines that were not shown yet, and the position after them.

    All of them where the place is not found any more: the server kept only the end of a long log.
    """
    fresh = tuple(lines[_begin(lines, position) or 0 :])
    if not fresh:
        return (), position
    tail = lines[-_OVERLAP:]
    return fresh, LogPosition(_digest(tail), len(tail))


def has_gap(log: str, position: LogPosition, most: int) -> bool:
    """Whether lines are missing between the position and a log of which `most` bytes were asked for."""
    if len(log) * 4 < most and len(log.encode()) < most // 2:
        return False
    return not position.count or _begin(unique_lines(log, is_over=True), position) is None


def _begin(lines: Sequence[str], position: LogPosition) -> int | None:
    """Where the lines after a position begin; None where the position is not among them."""
    for end in range(len(lines), position.count - 1, -1):
        if not position.count or _digest(lines[end - position.count : end]) == position.last:
            return end if position.count else 0
    return None


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def outcome_of(invocation: Invocation, see: OnLine, *, is_over_time: bool = False) -> Outcome:
    """What an invocation that ended means, in the terms of a dbt process. `see` gets every line of its log."""
    lines = unique_lines(invocation.log, is_over=True)
    digest = LogDigest()
    for text in lines:
        line = read_line(text)
        digest = digest.seen(line)
        see(line)
    if invocation.state is State.FAILURE and invocation.exc_message and not (digest.fatal or digest.errors):
        # A server that keeps no log, or lost it, may still say why.
        digest = digest.seen(LogLine(_ERROR_LEVEL, invocation.exc_message))
    return Outcome(_end_of(invocation, is_over_time), digest, rows_in_log(lines), ages_in_log(lines))


def with_rows_of(outcome: Outcome, run_results: bytes) -> Outcome:
    """The outcome with those rows of a run_results.json besides of which the log has nothing.

    With `fail_fast` dbt 1.11 writes nodes that it did not begin into the file alone, as skipped.
    """
    told = {row.unique_id: row for row in outcome.results or ()}
    more = tuple(row for row in rows_in(run_results) or () if row.unique_id not in told)
    return replace(outcome, results=(*told.values(), *more)) if more else outcome


def _end_of(invocation: Invocation, is_over_time: bool) -> ProcessEnd:
    if invocation.state is State.SUCCESS:
        return ProcessEnd(0)
    if is_over_time or invocation.exc_type == "RuntimeLimit":
        return ProcessEnd(-signal.SIGINT, was_stopped=True, is_timeout=True)
    if invocation.state is State.ABORTED:
        return ProcessEnd(-signal.SIGINT, was_stopped=True)
    killed = _KILLED.search(invocation.exc_message)
    if killed is not None and killed[1] in signal.Signals.__members__:
        return ProcessEnd(-signal.Signals[killed[1]])
    # dbt's own codes: 1 where it ran and something failed, 2 where it could not run.
    return ProcessEnd(2 if invocation.exc_type == "DbtError" else 1)
