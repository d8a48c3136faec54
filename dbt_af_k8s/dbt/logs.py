"""dbt's JSON log lines as values: what to show a person, and what to remember for the verdict."""

import json
import logging
import re
from dataclasses import dataclass, replace
from typing import Any

#: dbt's event levels (`dbt_common/events/base_types.py`) as those of Python's logging.
_LEVELS = {
    "debug": logging.DEBUG,
    "test": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
#: The event of an error that ended dbt before or outside a node; its message begins with `_FATAL_HEADER`.
_FATAL_EVENT = "MainEncounteredError"
_FATAL_HEADER = "Encountered an error:"
#: dbt has read the project and the profile by the time it writes this.
_READY_EVENT = "AdapterRegistered"
#: The message of a node that failed.
_NODE_ERROR_EVENT = "RunResultError"
#: Events that only repeat, or count, what others said.
_ECHOES = frozenset({"LogBatchResult", "LogModelResult", "LogTestResult", "RunResultFailure"})
#: The command line's own complaint is plain text: this line, and later one that begins with `Error: `.
_USAGE_LINE = "Usage: dbt"
_USAGE_ERROR = "Error: "
#: Errors kept for the verdict, and the letters kept of each.
_KEPT_ERRORS = 20
_KEPT_LETTERS = 4000
#: An adapter's credentials as Python shows them. dbt-duckdb 1.11 writes them at level debug when it cancels a query
#: (`DuckDBConnectionManager.cancel`). First to the end of a text, then to that of a JSON string.
_SHOWN = re.compile(r"\b(\w*Credentials)\((?=\w+=).*", re.DOTALL)
_SHOWN_IN_JSON = re.compile(r'\b(\w*Credentials)\((?=\w+=)(?:[^"\\]|\\.)*')
_LEFT_OUT = r"\1(...)"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of dbt's output. `level` is one of Python's logging levels; `event` is dbt's name, or empty."""

    level: int
    message: str
    event: str = ""


def read_line(text: str) -> LogLine:
    """Read a line of dbt's standard output.

    Whatever is no log event of dbt (a `print`, a warning of a library, a broken line) is told as it is, as
    information. A prefix before the JSON, as some log collectors write, is dropped, and so are credentials that an
    adapter shows.
    """
    begin = text.find("{")
    if begin >= 0:
        info = _info(text[begin:])
        if info is not None:
            level = _LEVELS.get(str(info.get("level", "")).lower(), logging.INFO)
            message = _SHOWN.sub(_LEFT_OUT, str(info.get("msg") or "").rstrip())
            return LogLine(level, message, str(info.get("name") or ""))
    return LogLine(logging.INFO, _SHOWN.sub(_LEFT_OUT, text.rstrip()))


def without_credentials(text: str) -> str:
    """A line of dbt's standard output as it is, but for the credentials that an adapter shows in it."""
    if _SHOWN.search(text) is None:
        return text
    begin = text.find("{")
    is_event = begin >= 0 and _info(text[begin:]) is not None
    return (_SHOWN_IN_JSON if is_event else _SHOWN).sub(_LEFT_OUT, text)


def _info(text: str) -> dict[str, Any] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    info = record.get("info") if isinstance(record, dict) else None
    return info if isinstance(info, dict) and "msg" in info else None


@dataclass(frozen=True, slots=True)
class LogDigest:
    """What the log says about how dbt ended. Grows by `seen`, line by line."""

    #: The error that ended dbt before or outside a node, without its header; or the command line's own complaint.
    fatal: str | None = None
    #: Whether dbt complained about its arguments.
    is_usage: bool = False
    #: Whether dbt had read the project and the profile.
    is_ready: bool = False
    #: The last errors, in order, without those that only repeat others.
    errors: tuple[str, ...] = ()
    #: The last messages of nodes that failed, which run_results.json has, too, and sources.json has not.
    of_nodes: tuple[str, ...] = ()

    def seen(self, line: LogLine) -> "LogDigest":
        """The digest after one more line."""
        message = line.message[:_KEPT_LETTERS]
        if line.event == _FATAL_EVENT:
            return replace(self, fatal=message.removeprefix(_FATAL_HEADER).strip(), is_usage=False)
        if line.event == _READY_EVENT:
            return replace(self, is_ready=True)
        if line.event == _NODE_ERROR_EVENT:
            return replace(self, of_nodes=(*self.of_nodes, message.strip())[-_KEPT_ERRORS:])
        if not line.event and message.startswith(_USAGE_LINE):
            return replace(self, is_usage=True)
        if not line.event and self.is_usage and message.startswith(_USAGE_ERROR):
            return replace(self, fatal=message.removeprefix(_USAGE_ERROR))
        if line.level >= logging.ERROR and line.event not in _ECHOES and message.strip():
            return replace(self, errors=(*self.errors, message.strip())[-_KEPT_ERRORS:])
        return self
