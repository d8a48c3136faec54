"""Requests to a dbt server, by way of an Airflow connection of type HTTP. Credentials stay in headers and nowhere else.

Connecting, and answers of 429 and 5xx, are tried again until the server's patience is at its end: a server that is
being restarted is not a failure. What could start work twice is never sent again blindly.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from dbt_af_k8s.airflow.api.address import Address, ApiError, ApiRefusedError, client_arguments
from dbt_af_k8s.dbt.api import Invocation, State, read_invocation

if TYPE_CHECKING:
    import httpx

Answer = TypeVar("Answer")

#: Bytes of a log that is asked for while dbt works, and at the end. Servers that know no such limit send all.
SOME_LOG, WHOLE_LOG = 256 * 1024, 16 * 1024 * 1024
#: Seconds between two tries to reach the server: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0
#: Longest time of one abort, in seconds: Airflow kills a task soon after it told it to end.
_ABORT_SECONDS = 3.0
_LONGEST_TEXT = 1000
#: Statuses that say "later".
_BUSY = (408, 425, 429)


class LaterError(ApiError):
    """Out of reach for now. `after` is when the server wants to be asked again, in seconds."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class ApiClient:
    """The server's API for a worker. `patience` and `request_timeout` are in seconds.

    All methods raise `ApiError`; `ApiRefusedError` where asking again is of no use.
    """

    def __init__(
        self,
        address: Address,
        *,
        patience: float,
        request_timeout: float,
        on_trouble: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import httpx

        self._address = address
        self._patience = patience
        self._on_trouble = on_trouble
        self._sleep = sleep
        self._http = httpx.Client(**client_arguments(address, request_timeout))

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def invocation(self, name: str, log_bytes: int = 0) -> Invocation:
        """Where an invocation stands."""
        return self._patiently(lambda: self._look(name, log_bytes))

    def start(self, name: str, body: Mapping[str, Any]) -> None:
        """Start an invocation, once. Call it where the server knows none of this name.

        Comes back when the server has taken it. Some servers answer only when the work is done; then this comes back
        when the time for one request is up.
        """

        def post() -> None:
            import httpx

            try:
                answer = self._http.post("/invocations", json=dict(body))
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as fault:
                raise LaterError(self._out_of_reach(fault)) from None
            except httpx.TransportError as fault:
                # It may have come through: asking is safe, sending again is not.
                self._see_whether_it_came(name, fault)
                return
            if answer.status_code == 409:
                raise ApiError(
                    f"The dbt server has another command under the name {name}: {said_in(answer)}. Was the task "
                    "changed while it ran?"
                )
            if answer.status_code >= 500 and self._look(name, 0).state is not State.NOT_FOUND:
                return
            judge(answer, self._address)

        self._patiently(post)

    def abort(self, name: str, timeout: float = _ABORT_SECONDS) -> bool:
        """Ask once for the end of an invocation; whether the server took it. Never raises.

        Safe to call in a signal handler in the midst of another request: it has a connection of its own.
        """
        import httpx

        try:
            with httpx.Client(**client_arguments(self._address, timeout)) as http:
                for path in abort_paths(name):
                    answer = http.post(path)
                    if answer.status_code not in (404, 405):
                        return answer.status_code < 300
        except httpx.HTTPError as fault:
            self._on_trouble(f"The invocation {name} could not be aborted: {self._out_of_reach(fault)}")
        return False

    def artifact(self, name: str, file: str) -> bytes | None:
        """A file that dbt wrote, from servers that keep them; None from others. Never raises."""
        import httpx

        try:
            answer = self._http.get(artifact_path(name, file))
        except httpx.HTTPError:
            return None
        return answer.content if answer.status_code == 200 else None

    def artifacts(self, name: str) -> tuple[str, ...] | None:
        """Names of the files of dbt's that the server keeps of an invocation; None from servers that keep none."""
        return self._patiently(lambda: self._listed(name))

    def download(self, name: str, file: str, path: Path) -> None:
        """Write such a file to a path, without holding all of it in memory."""

        def get() -> None:
            import httpx

            try:
                with self._http.stream("GET", artifact_path(name, file)) as answer, path.open("wb") as out:
                    if answer.status_code >= 300:
                        answer.read()
                    judge(answer, self._address)
                    for part in answer.iter_bytes():
                        out.write(part)
            except httpx.TransportError as fault:
                raise LaterError(self._out_of_reach(fault)) from None

        self._patiently(get)

    def _listed(self, name: str) -> tuple[str, ...] | None:
        import httpx

        try:
            answer = self._http.get(artifact_path(name))
        except httpx.TransportError as fault:
            raise LaterError(self._out_of_reach(fault)) from None
        if answer.status_code in (404, 405):
            return None
        judge(answer, self._address)
        try:
            return tuple(str(each["name"]) for each in answer.json()["artifacts"])
        except (ValueError, KeyError, TypeError):
            return None

    def _look(self, name: str, log_bytes: int) -> Invocation:
        import httpx

        try:
            answer = self._http.get(invocation_path(name), params={"log_bytes": log_bytes})
        except httpx.TransportError as fault:
            raise LaterError(self._out_of_reach(fault)) from None
        return invocation_in(answer, self._address)

    def _see_whether_it_came(self, name: str, fault: Exception) -> None:
        """After a request whose answer was lost: look until the server knows of it, for as long as one request takes.

        Raises `LaterError` where it does not: then it may be sent again.
        """
        for pause in pauses(self._http.timeout.read or _LONGEST_PAUSE):
            if self._look(name, 0).state is not State.NOT_FOUND:
                return
            self._sleep(pause)
        raise LaterError(self._out_of_reach(fault))

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer, or the patience is at its end."""
        for pause in pauses(self._patience):
            try:
                return ask()
            except LaterError as later:
                said = str(later)
                wait = max(pause, min(later.after or 0.0, _LONGEST_PAUSE))
            self._on_trouble(f"{said}; asks again in {wait:.1f} s")
            self._sleep(wait)
        try:
            return ask()
        except LaterError as later:
            raise ApiError(f"{later}, for {self._patience:g} s.") from None

    def _out_of_reach(self, fault: Exception) -> str:
        return out_of_reach(self._address, fault)


def pauses(patience: float) -> Iterator[float]:
    """Growing pauses that together last as long as the patience."""
    pause, left = _FIRST_PAUSE, patience
    while left > 0:
        step = min(pause, left)
        yield step
        left -= step
        pause = min(pause * 2, _LONGEST_PAUSE)


def invocation_path(name: str) -> str:
    """The address of an invocation."""
    return f"/invocations/{quote(name, safe='')}"


def artifact_path(name: str, file: str | None = None) -> str:
    """The address of what an invocation left, or of one file of it, on servers that keep such."""
    path = f"/runs/{quote(name, safe='')}/artifacts"
    return path if file is None else f"{path}/{file}"


def abort_paths(name: str) -> tuple[str, str]:
    """Where an abort is posted: the address, and the older one."""
    path = invocation_path(name)
    return f"{path}/abort", f"{path.replace('/invocations/', '/invocation/', 1)}/abort"


def invocation_in(answer: "httpx.Response", address: Address) -> Invocation:
    """What an answer says about an invocation. Raises as `judge`; 404 is NOT_FOUND, as some servers mean it."""
    if answer.status_code == 404:
        return Invocation(State.NOT_FOUND)
    judge(answer, address)
    try:
        found = read_invocation(answer.json())
    except ValueError:
        found = None
    if found is None:
        raise ApiError(f"{address.url} (connection {address.conn_id}) answers, but not as a dbt server does.")
    return found


def judge(answer: "httpx.Response", address: Address) -> None:
    """Raise what an answer's status means: nothing, `LaterError`, or `ApiRefusedError`."""
    status = answer.status_code
    if status < 300:
        return
    where = f"the dbt server (connection {address.conn_id})"
    if status in _BUSY or status >= 500:
        raise LaterError(f"{where} says {status}: {said_in(answer)}", _retry_after(answer))
    if status in (401, 403):
        raise ApiRefusedError(f"{where} refuses the credentials of the connection: {status} {said_in(answer)}")
    if status == 404:
        raise ApiRefusedError(f"{where} has no {answer.request.url.path}: does the host name a dbt server?")
    raise ApiRefusedError(f"{where} refuses the request: {status} {said_in(answer)}")


def out_of_reach(address: Address, fault: Exception) -> str:
    """For a person. httpx's own text may be empty, and never holds headers."""
    return (
        f"the dbt server {address.url} (connection {address.conn_id}) is out of reach: {fault or type(fault).__name__}"
    )


def said_in(answer: "httpx.Response") -> str:
    """The server's own words in an answer that is no success, cut."""
    try:
        body = answer.json()
    except ValueError:
        return answer.text[:_LONGEST_TEXT]
    if not isinstance(body, dict):
        return answer.text[:_LONGEST_TEXT]
    problems = body.get("problems")
    if isinstance(problems, list) and problems:
        return " ".join(str(problem) for problem in problems)[:_LONGEST_TEXT]
    return str(body.get("message") or body.get("detail") or answer.text)[:_LONGEST_TEXT]


def _retry_after(answer: "httpx.Response") -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
