"""Numbers for Prometheus, in its text format (version 0.0.4)."""

import threading
from collections.abc import Iterable, Mapping

from dbt_af_k8s.dbt.api import State

#: Bounds of the histogram of run times, in seconds.
_BOUNDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one server process. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: dict[tuple[str, str], int] = {}
        self._requests: dict[tuple[str, str, str], int] = {}
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self._seconds = 0.0
        self._callbacks: dict[str, int] = {}

    def ended(self, state: State, start: str, seconds: float) -> None:
        """An invocation has ended."""
        with self._lock:
            self._ended[state, start] = self._ended.get((state, start), 0) + 1
            self._seconds += seconds
            self._buckets[next((place for place, most in enumerate(_BOUNDS) if seconds <= most), len(_BOUNDS))] += 1

    def requested(self, method: str, route: str, status: int) -> None:
        """A request was answered. `route` is the pattern, not the address: addresses have no end."""
        key = (method, route, str(status))
        with self._lock:
            self._requests[key] = self._requests.get(key, 0) + 1

    def called_back(self, outcome: str) -> None:
        """A call to a client was tried: `done`, `failed` or `given_up`."""
        with self._lock:
            self._callbacks[outcome] = self._callbacks.get(outcome, 0) + 1

    def text(self, counts: Mapping[State, int], running: int, slots: int, warm: Mapping[str, bool]) -> str:
        """Everything, with what only the moment tells: waiting and started invocations, and which project is warm."""
        with self._lock:
            lines = [
                *_family("dbt_server_invocations", "gauge", "Invocations by state, of all replicas."),
                *(_line("dbt_server_invocations", {"state": state}, count) for state, count in sorted(counts.items())),
                *_family("dbt_server_running", "gauge", "Invocations that run in this process."),
                _line("dbt_server_running", {}, running),
                *_family("dbt_server_slots", "gauge", "Invocations that may run at once in this process."),
                _line("dbt_server_slots", {}, slots),
                *_family("dbt_server_project_warm", "gauge", "Whether a project's dbt is imported and parsed."),
                *(_line("dbt_server_project_warm", {"project": name}, int(is_warm)) for name, is_warm in warm.items()),
                *_family("dbt_server_ended_total", "counter", "Ended invocations by state and by how dbt was started."),
                *(
                    _line("dbt_server_ended_total", {"state": state, "start": start}, count)
                    for (state, start), count in sorted(self._ended.items())
                ),
                *_family("dbt_server_run_seconds", "histogram", "How long invocations ran."),
                *self._histogram(),
                *_family("dbt_server_requests_total", "counter", "Answered requests."),
                *(
                    _line("dbt_server_requests_total", {"method": method, "route": route, "status": status}, count)
                    for (method, route, status), count in sorted(self._requests.items())
                ),
                *_family("dbt_server_callbacks_total", "counter", "Tries to call a client back, by outcome."),
                *(
                    _line("dbt_server_callbacks_total", {"outcome": name}, count)
                    for name, count in sorted(self._callbacks.items())
                ),
            ]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> Iterable[str]:
        total = 0
        for most, count in zip((*map(str, _BOUNDS), "+Inf"), self._buckets, strict=True):
            total += count
            yield _line("dbt_server_run_seconds_bucket", {"le": most}, total)
        yield _line("dbt_server_run_seconds_sum", {}, round(self._seconds, 3))
        yield _line("dbt_server_run_seconds_count", {}, total)


def _family(name: str, kind: str, told: str) -> tuple[str, str]:
    return f"# HELP {name} {told}", f"# TYPE {name} {kind}"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{told}}} {value}" if told else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
