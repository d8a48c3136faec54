"""A dbt server as a place where dbt runs: one invocation per try, found again by its name after whatever was lost."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from dbt_af_k8s.airflow.api.address import Address
from dbt_af_k8s.airflow.api.artifacts import WHOLE_FILES, fetch_artifacts
from dbt_af_k8s.airflow.api.client import SOME_LOG, WHOLE_LOG, ApiClient
from dbt_af_k8s.airflow.api.trigger import PAUSE_GROWTH
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.api import (
    Invocation,
    InvocationName,
    LogPosition,
    State,
    has_gap,
    lines_after,
    outcome_of,
    request_of,
    unique_lines,
    with_rows_of,
)
from dbt_af_k8s.dbt.freshness import read_ages
from dbt_af_k8s.dbt.logs import read_line
from dbt_af_k8s.dbt.place import OnLine, Outcome, PlaceError
from dbt_af_k8s.dbt.process import GRACE_SECONDS

#: The first pause between two looks, and how long the worker looks itself before it hands over to the triggerer: to
#: resume a task costs a whole start of a task, so a short run is not worth it. Seconds.
_FIRST_PAUSE = 0.2
_LOOK_HERE = 10.0
#: How long to wait for the end of an invocation that was aborted, in seconds.
_END_WITHIN = 30.0
#: How many tries back an invocation is looked for.
_MOST_TRIES = 50


class InvocationLostError(PlaceError):
    """What became of the work cannot be known: the server lost it, or knows nothing of it any more."""


@dataclass(frozen=True, slots=True)
class Try:
    """Which try of which task asks, out of Airflow's context."""

    name: InvocationName
    number: int
    #: The first try since somebody cleared the task; 1 where nobody did.
    first: int = 1
    #: Tells several invocations of one try apart (looks of a sensor).
    part: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a deferred task keeps, as plain values: the invocation, how far its log was shown, and when time is up."""

    name: str
    position: LogPosition
    #: Seconds since 1970; None: no limit.
    deadline: float | None = None

    def kept(self) -> dict[str, Any]:
        """As Airflow stores it."""
        return {"name": self.name, "position": asdict(self.position), "deadline": self.deadline}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Waiting":
        """What `kept` wrote."""
        return cls(str(kept["name"]), LogPosition(**kept["position"]), kept["deadline"])


class Logger(Protocol):
    """As much as is needed of a task's log."""

    def info(self, event: str, *args: Any) -> Any:
        """Log a message."""
        ...

    def warning(self, event: str, *args: Any) -> Any:
        """Log a warning."""
        ...


class ApiPlace:
    """A dbt server, as a place where dbt runs (`dbt.place`).

    `defer` hands the waiting over to the triggerer and does not come back; None: the worker waits. `waiting` is what
    an earlier part of the same try left. `time_limit` is in seconds. `on_artifacts` gets a folder with dbt's manifest
    and results, as far as there are any, or why they cannot be had. Raises `ApiError` where the server cannot be asked,
    and `InvocationLostError`.
    """

    def __init__(
        self,
        address: Address,
        options: DbtApiOptions,
        of: Try,
        log: Logger,
        *,
        defer: Callable[[Waiting], None] | None = None,
        waiting: Waiting | None = None,
        time_limit: float | None = None,
        on_artifacts: Callable[[Path, str | None], None] | None = None,
    ) -> None:
        self._options = options
        self._try = of
        self._log = log
        self._defer = defer
        self._waiting = waiting
        self._time_limit = time_limit
        self._on_artifacts = on_artifacts
        self._client = ApiClient(
            address,
            patience=options.patience,
            request_timeout=options.request_timeout,
            on_trouble=lambda text: log.warning("%s", text),
        )
        self._name: str | None = None
        self._is_stopped = False

    def run(
        self, words: Sequence[str], *, on_line: OnLine, see: OnLine, timeout: float | None, may_slice: bool
    ) -> Outcome:
        """Start an invocation, or find the one that is there already, and wait for its end. Once for each object."""
        try:
            return self._run(words, on_line, see, self._time_limit if timeout is None else timeout)
        finally:
            self._client.close()

    def _run(self, words: Sequence[str], on_line: OnLine, see: OnLine, limit: float | None) -> Outcome:
        waiting = self._waiting
        if waiting is None:
            name = self._begin(words)
            waiting = Waiting(name, LogPosition(), None if limit is None else time.time() + limit)
        self._name = waiting.name
        if self._is_stopped:
            self._client.abort(waiting.name)
        is_over_time = self._wait(waiting, on_line)
        found = self._client.invocation(waiting.name, WHOLE_LOG)
        self._show(found, self._position, on_line, is_over=True)
        if found.state in (State.INTERNAL_ERROR, State.NOT_FOUND):
            raise InvocationLostError(_lost(found, waiting.name))
        outcome = outcome_of(found, see, is_over_time=is_over_time)
        outcome = self._with_files(waiting.name, outcome)
        if self._on_artifacts is not None:
            with tempfile.TemporaryDirectory(prefix="dbt_target_", ignore_cleanup_errors=True) as folder:
                self._on_artifacts(Path(folder), fetch_artifacts(self._client, waiting.name, Path(folder)))
        return outcome

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Abort the invocation; the server ends dbt and all that it started."""
        self._is_stopped = True
        if self._name is not None:
            self._client.abort(self._name, timeout=grace_seconds)

    def _with_files(self, name: str, outcome: Outcome) -> Outcome:
        """The outcome with what only dbt's files say, where the server keeps them as our own does."""
        if outcome.ages and (sources := self._client.artifact(name, "sources.json")):
            # The log says whether a source is too old, and not how old.
            outcome = replace(outcome, ages=read_ages(sources))
        failed = outcome.end.exit_code > 0 and outcome.results is not None
        if failed and (rows := self._client.artifact(name, "run_results.json")):
            outcome = with_rows_of(outcome, rows)
        return outcome

    def _begin(self, words: Sequence[str]) -> str:
        name = self._try.name.of_try(self._try.number, self._try.part)
        self._name = name
        if self._client.invocation(name).state is not State.NOT_FOUND:
            self._log.info("Found the invocation %s of this try.", name)
            return name
        earlier = None if self._try.part else self._earlier()
        if earlier is not None:
            return earlier
        self._log.info("Asks the dbt server of connection %s for invocation %s.", self._options.conn_id, name)
        asked = words if self._on_artifacts is None else (*words, *WHOLE_FILES)
        self._client.start(name, request_of(asked, name, self._options.project_dir))
        return name

    def _earlier(self) -> str | None:
        """The invocation of an earlier try that stands for this one, too.

        One that still works, since its worker was lost; or one that did all of its work well while nobody looked. A
        task that was cleared starts anew, so what works for an earlier clearing is aborted first.
        """
        for number in range(self._try.number - 1, max(0, self._try.number - 1 - _MOST_TRIES), -1):
            name = self._try.name.of_try(number)
            found = self._client.invocation(name)
            if found.state is State.NOT_FOUND:
                continue
            if number < self._try.first:
                if found.state.is_running:
                    self._log.info("Aborts %s, which works for this task as it was before it was cleared.", name)
                    self._end(name)
                return None
            if found.state.is_running:
                self._log.info("Try %d lost its invocation %s, which still works: it is taken over.", number, name)
                return name
            if found.state is State.SUCCESS and self._did_well(name):
                self._log.info("Try %d lost its invocation %s, which did well: nothing runs again.", number, name)
                return name
            return None
        return None

    def _did_well(self, name: str) -> bool:
        rows = outcome_of(self._client.invocation(name, WHOLE_LOG), lambda line: None).results
        return bool(rows) and all(row.is_good for row in rows or ())

    def _wait(self, waiting: Waiting, on_line: OnLine) -> bool:
        """Look until it is over; whether it ran out of time. May hand over to the triggerer."""
        self._position = waiting.position
        begun, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            found = self._client.invocation(waiting.name, SOME_LOG)
            if has_gap(found.log, self._position, SOME_LOG):
                found = self._client.invocation(waiting.name, WHOLE_LOG)
            self._position = self._show(found, self._position, on_line)
            if not found.state.is_running:
                return False
            if waiting.deadline is not None and time.time() >= waiting.deadline:
                self._log.warning("The time for this task is up: aborts the invocation %s.", waiting.name)
                self._end(waiting.name)
                return True
            if self._defer is not None and not self._is_stopped and time.monotonic() - begun >= _LOOK_HERE:
                self._client.close()
                self._defer(Waiting(waiting.name, self._position, waiting.deadline))
            time.sleep(pause)
            pause = min(pause * PAUSE_GROWTH, float(self._options.poke))

    def _end(self, name: str) -> None:
        """Abort an invocation and wait for its end, for a while."""
        self._client.abort(name)
        until = time.monotonic() + _END_WITHIN
        while self._client.invocation(name).state.is_running and time.monotonic() < until:
            time.sleep(_FIRST_PAUSE)

    def _show(self, found: Invocation, position: LogPosition, on_line: OnLine, *, is_over: bool = False) -> LogPosition:
        lines, after = lines_after(unique_lines(found.log, is_over=is_over), position)
        for text in lines:
            on_line(read_line(text))
        return after


def part_of_now() -> str:
    """What tells the looks of one try of a sensor apart."""
    return f"look at {datetime.now(UTC).isoformat()}"


def _lost(found: Invocation, name: str) -> str:
    if found.state is State.NOT_FOUND:
        return f"The dbt server knows nothing of the invocation {name} any more. Whether dbt finished is not known."
    return f"The dbt server lost the invocation {name}: {found.reason or 'it does not say why'}"
