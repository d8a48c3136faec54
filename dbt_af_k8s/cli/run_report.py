"""What `dbt-af-k8s run` shows: a line for each task as it ends, and at the end what failed and why."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbt_af_k8s.cli.terminal import console, counted, safe
from dbt_af_k8s.cli.waits import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from dbt_af_k8s.cli.run_home import PrivateHome
    from dbt_af_k8s.cli.run_order import RunStep

#: State -> mark, style, and what to say of it.
_STATES = {
    "success": ("✓", "fine", ""),
    "failed": ("✗", "error", "failed"),
    "skipped": ("-", "soft", "skipped"),
    "upstream_failed": ("-", "warning", "not run: a task before it failed"),
    "passed-over": ("→", "soft", "wait passed over"),
    "not-refreshed": ("→", "soft", "a run here refreshes nothing"),
}
_LAST_LINES = 15
#: A line of Airflow's log: time, level, what is said, logger, place.
_LOG_LINE = re.compile(r"\d{4}-\S+ \[\w+ *\] (?P<said>.*?) +\[[\w.]+\].*")


@dataclass(slots=True)
class Report:
    """Takes the events of a run, shows them, and remembers them."""

    home: "PrivateHome"
    steps: "tuple[RunStep, ...]"
    quiet: bool = False
    runs: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _screen: "Console" = field(default_factory=console)
    _status: "Status | None" = None
    #: Of each run, how many tasks it has.
    _tasks: list[int] = field(default_factory=list)
    #: The run of the last line.
    _turn: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether every step was run and none failed."""
        states = [run["state"] for run in self.runs]
        return not self.faults and states == ["success"] * len(self.steps)

    def announce(self) -> None:
        """Say what is about to be run."""
        if self.quiet:
            return
        if len(self.steps) > 1:
            runs = Counter(step.dag_id for step in self.steps)
            told = ", ".join(
                safe(dag_id) + (f" ({count} times)" if count > 1 else "") for dag_id, count in runs.items()
            )
            order = "task by task in order of their waits" if len(runs) > 1 else "one after the other"
            self._screen.print(f"{len(self.steps)} runs, {order}: {told}")
        if self._screen.is_terminal:
            self._status = self._screen.status("Starting Airflow")
            self._status.start()

    def take(self, event: dict[str, Any]) -> None:
        """Show one event and remember it."""
        kind = event["event"]
        if kind == "database" and self._status:
            self._status.update("Making a private Airflow (only the first time)")
        elif kind == "dag-started":
            self._dag_started(event)
        elif kind == "task-started" and self._status:
            done = len(self.runs[event["run"]]["tasks"])
            self._status.update(f"{safe(event['task_id'])} [soft]({done + 1} of {self._tasks[event['run']]})[/]")
        elif kind == "task-done":
            self._task_done(event)
        elif kind == "dag-done":
            self._dag_done(event)
        elif kind == "fault":
            self.faults.append(event["message"])

    def summary(self) -> dict[str, Any]:
        """The whole run as plain values."""
        return {"version": 1, "succeeded": self.succeeded, "runs": self.runs, "faults": self.faults}

    def stop(self) -> None:
        """Take the line that moves off the terminal."""
        if self._status:
            self._status.stop()

    def close(self) -> None:
        """Say what failed, with the last lines of its log."""
        if self.quiet:
            return
        for fault in self.faults:
            self._screen.print(f"[error]Airflow could not go on:[/] {safe(fault)}")
        for run in self.runs:
            for task in run["tasks"]:
                if task["state"] == "failed":
                    self._failure(run["dag_id"], task)
        left = len(self.steps) - len(self.runs)
        if left:
            self._screen.print(f"[warning]{counted(left, 'run')} not started[/] after this.")
        if not self.succeeded:
            self._screen.print(f"[soft]Full log: {safe(str(self.home.log))}[/]", soft_wrap=True)

    def _dag_started(self, event: dict[str, Any]) -> None:
        step = self.steps[event["run"]]
        self._tasks.append(event["tasks"])
        self._turn = event["run"]
        run = {"dag_id": event["dag_id"], "start": event["start"], "end": event["end"], "state": "running"}
        self.runs.append({**run, "seconds": None, "passed_over": list(step.passed_over), "tasks": []})
        if self.quiet:
            return
        if self._status:
            self._status.update(safe(step.dag_id))
        self._screen.print(f"\n[name]{safe(step.dag_id)}[/] for [accent]{shown(step.interval)}[/] (UTC)")

    def _task_done(self, event: dict[str, Any]) -> None:
        task = {key: event[key] for key in ("task_id", "state", "seconds", "rows", "message")}
        run = self.runs[event["run"]]
        run["tasks"].append({**task, "log": [event["log_from"], event["log_to"]]})
        if self.quiet:
            return
        if event["run"] != self._turn:
            self._turn = event["run"]
            self._screen.print(f"\n[name]{safe(run['dag_id'])}[/] [soft]goes on[/]")
        mark, style, said = _STATES.get(event["state"], ("?", "warning", event["state"]))
        if event["state"] == "passed-over" and not run["passed_over"]:
            said = "its upstream has just been run"
        time = f"{event['seconds']:>7.1f} s" if event["state"] in ("success", "failed") else " " * 9
        rows = counted(event["rows"], "row") if event["rows"] is not None else ""
        told = "  ".join(part for part in (said, rows) if part)
        self._screen.print(f"  [{style}]{mark}[/] [soft]{time}[/]  {safe(event['task_id'])}  [soft]{told}[/]")

    def _dag_done(self, event: dict[str, Any]) -> None:
        run = self.runs[event["run"]]
        run["state"], run["seconds"] = event["state"], event["seconds"]
        if self.quiet:
            return
        states = Counter(task["state"] for task in run["tasks"])
        good = event["state"] == "success"
        told = (
            f"[fine]{counted(states['success'], 'task')} done[/]"
            if good
            else f"[error]{counted(states['failed'], 'task')} failed[/]"
        )
        self._screen.print(f"  {told} [soft]in {event['seconds']:.1f} s[/]")
        if run["passed_over"]:
            waits = ", ".join(safe(wait) for wait in run["passed_over"])
            self._screen.print(f"  [soft]Not waited for: {waits}; --with-upstream runs them first.[/]")

    def _failure(self, dag_id: str, task: dict[str, Any]) -> None:
        from rich import box
        from rich.panel import Panel
        from rich.text import Text

        lines = _said(self.home.log_lines(*task["log"]))[-_LAST_LINES:]
        title = f"[error]{safe(dag_id)}.{safe(task['task_id'])}[/]"
        body = Text("\n".join([*lines, "", task["message"] or ""]).strip())
        self._screen.print(Panel(body, title=title, title_align="left", box=box.ROUNDED, border_style="error"))


def _said(lines: list[str]) -> list[str]:
    """What was said before Airflow's own account of the failure, which repeats the message and shows no cause."""
    kept = []
    for line in lines:
        if "Traceback (most recent call last)" in line or "Task failed with exception" in line:
            break
        found = _LOG_LINE.fullmatch(line)
        said = (found["said"] if found else line).rstrip()
        if said and not said.startswith(("::group::", "::endgroup::", "[DAG TEST]")):
            kept.append(said)
    return kept
