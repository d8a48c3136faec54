"""What the server keeps of an invocation, as values. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from dbt_af_k8s.dbt.api import State


@dataclass(frozen=True, slots=True)
class Request:
    """An invocation as a client asked for it, checked. Two with one task id must be equal in all but `client`."""

    task_id: str
    project: str
    #: Verb and options as dbt takes them, without what the server adds.
    command: tuple[str, ...]
    callback_url: str | None = None
    #: Who asked, as authentication names it.
    client: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an invocation ended."""

    state: State
    #: A word for machines: `NodeFailure`, `DbtError`, `Killed`, `RuntimeLimit`, `ServerStopped`, ...
    exc_type: str | None = None
    #: dbt's own words where it has any.
    exc_message: str | None = None
    #: As `subprocess` tells it: negative for a signal; None where dbt was never started.
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """An invocation as it is kept. Times are seconds since 1970, UTC."""

    request: Request
    state: State
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    exc_type: str | None = None
    exc_message: str | None = None
    exit_code: int | None = None
    #: The server process that runs or ran it.
    owner: str | None = None
    #: Whether a client asked for its end.
    abort_requested: bool = False
    #: How dbt was started: `slice`, `parse`, `import` or `cold`; None before it was.
    start: str | None = None
    #: Bytes of its log so far.
    log_bytes: int = 0
    #: Whether its log and artefacts were removed by a client or by age.
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, the newest first."""

    runs: tuple[Run, ...]
    #: Where the next page begins; None at the end.
    next: str | None


class Submitted(StrEnum):
    """What became of a request."""

    NEW = "new"
    #: The same request was there already.
    KNOWN = "known"
    #: Another request has this task id.
    TAKEN = "taken"
    #: The queue is full.
    FULL = "full"
