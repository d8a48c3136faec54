"""The part of waiting for a dbt server that runs in Airflow's triggerer, so that it takes no worker slot."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from dbt_af_k8s.airflow.api.address import Address, ApiError, address_of, client_arguments
from dbt_af_k8s.airflow.api.client import (
    SOME_LOG,
    WHOLE_LOG,
    LaterError,
    abort_paths,
    invocation_in,
    invocation_path,
    out_of_reach,
)
from dbt_af_k8s.config.settings_runners import DbtApiOptions
from dbt_af_k8s.dbt.api import Invocation, LogPosition, has_gap, lines_after, unique_lines
from dbt_af_k8s.dbt.logs import read_line

if TYPE_CHECKING:
    import httpx

#: The pause between two looks grows by this factor, from the first one (seconds) to `poke`.
FIRST_PAUSE, PAUSE_GROWTH = 1.0, 1.5


class DbtApiTrigger(BaseTrigger):
    """Looks at an invocation until it has ended, and copies what is new in its log into the task's log.

    All arguments are plain JSON values: `options` holds the fields of `DbtApiOptions`, `position` those of
    `LogPosition`, and `deadline` is a moment in seconds since 1970 at which the task wants to be woken (None: never).

    Fires one event: `position`, and `trouble` where the task has to see for itself why nothing can be seen.
    """

    def __init__(
        self, options: dict[str, Any], name: str, position: dict[str, Any], deadline: float | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.options = options
        self.name = name
        self.position = position
        self.deadline = deadline

    @classmethod
    def of(cls, options: DbtApiOptions, name: str, position: LogPosition, deadline: float | None) -> "DbtApiTrigger":
        """The trigger for an invocation."""
        return cls(asdict(options), name, asdict(position), deadline)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, as Airflow stores them. They hold no credentials."""
        names = ("options", "name", "position", "deadline")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep, and look, and sleep again."""
        options = DbtApiOptions(**self.options)
        position, trouble = LogPosition(**self.position), None
        pause, last_seen = FIRST_PAUSE, time.monotonic()
        try:
            address = await self._address(options)
            async with _client(address, options) as http:
                while not self._is_over_time():
                    # It sleeps first: a task that resumes before the scheduler has heard of its deferral is taken
                    # for dead.
                    await asyncio.sleep(pause)
                    pause = min(pause * PAUSE_GROWTH, float(options.poke))
                    try:
                        found = await _look(http, address, self.name, SOME_LOG)
                        if has_gap(found.log, position, SOME_LOG):
                            found = await _look(http, address, self.name, WHOLE_LOG)
                    except ApiError as fault:
                        if not isinstance(fault, LaterError) or time.monotonic() - last_seen > options.patience:
                            raise
                        self.log.warning("%s; looks again in %.0f s", fault, pause)
                        continue
                    last_seen = time.monotonic()
                    position = self._tell(found, position)
                    if not found.state.is_running:
                        break
        except Exception as fault:  # noqa: BLE001 - a triggerer serves many tasks; the task finds out why
            trouble = str(fault) or type(fault).__name__
        yield TriggerEvent({"position": asdict(position), "trouble": trouble})  # type: ignore[no-untyped-call]

    def _is_over_time(self) -> bool:
        return self.deadline is not None and time.time() >= self.deadline

    def _tell(self, found: Invocation, position: LogPosition) -> LogPosition:
        lines, after = lines_after(unique_lines(found.log, is_over=False), position)
        for line in map(read_line, lines):
            for text in line.message.splitlines():
                self.log.log(line.level, "%s", text)
        return after

    async def _address(self, options: DbtApiOptions) -> Address:
        from airflow.sdk.bases.hook import BaseHook

        return address_of(await BaseHook.aget_connection(options.conn_id))

    async def on_kill(self) -> None:
        """Abort the invocation (Airflow 3.3 and later call this when a deferred task is killed)."""
        options = DbtApiOptions(**self.options)
        async with _client(await self._address(options), options) as http:
            for path in abort_paths(self.name):
                answer = await http.post(path)
                if answer.status_code not in (404, 405):
                    return


def _client(address: Address, options: DbtApiOptions) -> "httpx.AsyncClient":
    import httpx

    return httpx.AsyncClient(**client_arguments(address, options.request_timeout))


async def _look(http: "httpx.AsyncClient", address: Address, name: str, log_bytes: int) -> Invocation:
    import httpx

    try:
        answer = await http.get(invocation_path(name), params={"log_bytes": log_bytes})
    except httpx.TransportError as fault:
        raise LaterError(out_of_reach(address, fault)) from None
    return invocation_in(answer, address)
