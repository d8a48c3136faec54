"""How `backfill run` tells where its runs stand: on a terminal a table that moves, elsewhere a line for each change."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dbt_af_k8s.cli.terminal import console, counted, safe, table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from dbt_af_k8s.cluster.one_time import RunProgress
    from dbt_af_k8s.plan.one_time.values import OneTimeRun

_STYLES = {
    "success": "fine",
    "failed": "error",
    "gone": "error",
    "running": "accent",
    "queued": "soft",
    "waiting": "soft",
    "not started": "warning",
}
#: Rows of the table on a terminal.
_MOST_ROWS = 15


class SilentProgress(AbstractContextManager["Callable[[RunProgress], None]"]):
    """Tells nothing; for machines, which read the end."""

    def __enter__(self) -> Callable[["RunProgress"], None]:
        return lambda _: None

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""


class LineProgress(AbstractContextManager["Callable[[RunProgress], None]"]):
    """One line for each change."""

    def __init__(self, runs: "Sequence[OneTimeRun]") -> None:
        self._places = {run.run_id: number for number, run in enumerate(runs, start=1)}
        self._screen = console()

    def __enter__(self) -> Callable[["RunProgress"], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def _tell(self, each: "RunProgress") -> None:
        number = f"{self._places[each.run.run_id]}/{len(self._places)}"
        self._screen.print(f"{number} {safe(each.run.label)}: {state_text(each)}", soft_wrap=True)


class LiveProgress(AbstractContextManager["Callable[[RunProgress], None]"]):
    """A table of what is at work and what went wrong, and how many there are of each state."""

    def __init__(self, runs: "Sequence[OneTimeRun]", screen: "Console") -> None:
        from rich.live import Live

        self._states: dict[str, RunProgress | None] = {run.run_id: None for run in runs}
        self._live: Live = Live(console=screen, transient=True, refresh_per_second=2)

    def __enter__(self) -> Callable[["RunProgress"], None]:
        self._live.__enter__()
        return self._tell

    def __exit__(self, *_: object) -> None:
        """Take the table away; the summary takes its place."""
        self._live.__exit__(None, None, None)

    def _tell(self, each: "RunProgress") -> None:
        self._states[each.run.run_id] = each
        self._live.update(self._drawn())

    def _drawn(self) -> "RenderableType":
        from rich.console import Group

        told = [each for each in self._states.values() if each is not None]
        counts = Counter(each.state.value for each in told)
        counts["waiting"] = len(self._states) - len(told)
        line = ", ".join(f"[{_STYLES[state]}]{count} {state}[/]" for state, count in counts.items() if count)
        rows = table("Partition", "State")
        shown = [each for each in told if each.state.value != "success"][-_MOST_ROWS:]
        for each in shown or told[-1:]:
            rows.add_row(safe(each.run.label), state_text(each))
        return Group(rows, line)


def state_text(each: "RunProgress") -> str:
    """The state of a run, in colour, with the tasks that failed."""
    style = _STYLES[each.state.value]
    was_there = " [soft](was there already)[/]" if each.was_there else ""
    tasks = f" ({', '.join(map(safe, each.failed_tasks))})" if each.failed_tasks else ""
    return f"[{style}]{each.state.value}[/]{tasks}{was_there}"


def print_outcome(done: "Sequence[RunProgress]", dag_id: str, url: str) -> None:
    """How many ended how, and for each that did not do well where to look."""
    screen = console()
    counts = Counter(each.state.value for each in done)
    parts = [f"[{_STYLES[state]}]{count} {state}[/]" for state, count in counts.items()]
    screen.print(f"[name]{safe(dag_id)}[/]: {counted(len(done), 'run')}, {', '.join(parts)}")
    for each in done:
        if each.state.value in ("failed", "gone"):
            screen.print(f"[error]✗[/] {safe(each.run.label)}: {state_text(each)}", soft_wrap=True)
            screen.print(f"  [soft]{safe(run_url(url, dag_id, each.run.run_id))}[/]", soft_wrap=True)


def outcome_as_dict(done: "Sequence[RunProgress]", dag_id: str, url: str) -> dict[str, Any]:
    """The outcome for machines."""
    return {
        "version": 1,
        "dag_id": dag_id,
        "ok": all(each.state.value == "success" for each in done),
        "runs": [
            {
                "run_id": each.run.run_id,
                "partition": each.run.label,
                "state": each.state.value,
                "was_there": each.was_there,
                "failed_tasks": list(each.failed_tasks),
                "url": run_url(url, dag_id, each.run.run_id),
            }
            for each in done
        ],
    }


def run_url(url: str, dag_id: str, run_id: str) -> str:
    """Where Airflow shows a run."""
    return f"{url}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
