"""The dbt command for one task, as a list of arguments: no shell ever reads it."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dbt_af_k8s.config.plain_data import jinja_problems
from dbt_af_k8s.dbt.maintenance import MaintenanceOperation, run_operation_args
from dbt_af_k8s.dbt.selection import select_argument
from dbt_af_k8s.dbt.values import DbtInvocation, DbtProject, DbtSelection, FreeSelection
from dbt_af_k8s.errors import UsageError

#: Names of the vars that every dbt task gets: the data interval `[start, end)`, ISO 8601 with offset.
START_VAR = "start_dttm"
END_VAR = "end_dttm"

#: What every command gets, so that neither `flags:` of the project nor DBT_... variables of the worker change how the
#: task is read and judged: JSON lines on standard output, no second log on disk, and run_results.json.
#: No partial parse: the interval is in `--vars`, and dbt parses all again when any of them changes
#: (`ManifestStateCheck.vars_hash` in dbt 1.11), so a saved state would be read for nothing.
FIXED_FLAGS = (
    "--log-format",
    "json",
    "--log-level-file",
    "none",
    "--no-use-colors",
    "--no-send-anonymous-usage-stats",
    "--no-partial-parse",
    "--write-json",
)

#: The words of dbt's command where they are not the verb itself.
_WORDS = {"freshness": ("source", "freshness")}
#: Verbs that know `--full-refresh`.
_REBUILDING = ("run", "seed", "build")
#: Verbs that run tests.
_TESTING = ("test", "build")
#: dbt's own format of `--event-time-start` and `--event-time-end`, read as UTC.
_EVENT_TIME = "%Y-%m-%dT%H:%M:%S"


def dbt_words(
    invocation: DbtInvocation,
    *,
    start: datetime,
    end: datetime,
    variables: Mapping[str, Any] | None = None,
    full_refresh: bool = False,
    done: Sequence[DbtSelection] = (),
    batches_from: datetime | None = None,
) -> tuple[str, ...]:
    """What dbt is told to do with the nodes of one task and nothing else, wherever it runs.

    `start` and `end` are the data interval, aware; they go over the project's `variables` (JSON values) of the same
    names. `full_refresh` counts for `run`, `seed` and `build`; other verbs do not know it. Nodes that are `done` do not
    run. They are named all the same, so that a place which starts from slices knows of what leads through them. The
    batches of a microbatch model begin at `batches_from`; None: at `start`.

    Raises `UsageError` where a var holds Jinja: dbt would run it.
    """
    flags = [
        *("--select", *(select_argument(node) for node in invocation.nodes)),
        *(("--exclude", *(select_argument(node) for node in done)) if done else ()),
        *_shared_flags(invocation, _vars(variables or {}, start, end)),
    ]
    if invocation.verb in _TESTING:
        # Else dbt adds tests that share a parent with those asked for.
        flags += ["--indirect-selection", "empty"]
    if full_refresh and invocation.verb in _REBUILDING:
        flags += ["--full-refresh"]
    if invocation.microbatch is not None:
        flags += ["--event-time-start", event_time(batches_from or start), "--event-time-end", event_time(end)]
    return (*_WORDS.get(invocation.verb, (invocation.verb,)), *flags)


def selection_words(
    invocation: DbtInvocation, selection: FreeSelection, *, start: datetime, end: datetime
) -> tuple[str, ...]:
    """The same for whatever a person selected. The nodes of `invocation` do not count."""
    flags = [
        *(("--select", *selection.select) if selection.select else ()),
        *(("--exclude", *selection.exclude) if selection.exclude else ()),
        *_shared_flags(invocation, _vars(selection.variables, start, end)),
        *(("--full-refresh",) if selection.full_refresh else ()),
        *selection.options,
    ]
    return (invocation.verb, *flags)


def operation_words(
    invocation: DbtInvocation, *, start: datetime, end: datetime, variables: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """The same for one operation on one node. The operation's time is the interval's end.

    ValueError where the invocation is not about one operation and one node.
    """
    (node,) = invocation.nodes
    if invocation.operation is None:
        raise ValueError(f"no operation is asked for: {invocation}")
    macro, arguments = run_operation_args(
        MaintenanceOperation(invocation.operation, invocation.options), node.unique_id, end
    )
    flags = _shared_flags(invocation, _vars(variables or {}, start, end))
    return (invocation.verb, macro, "--args", _yaml(arguments), *flags)


def _shared_flags(invocation: DbtInvocation, variables: str) -> tuple[str, ...]:
    return ("--vars", variables, *(("--target", invocation.target) if invocation.target else ()))


def argv_here(
    words: Sequence[str], project: DbtProject, *, executable: str | None, target_path: Path
) -> tuple[str, ...]:
    """The whole command on the machine where the project lies.

    `target_path` is a private folder of this try: dbt writes its artefacts there, so that parallel tasks never write
    to one file.
    """
    return (
        dbt_program(executable),
        *words,
        *("--project-dir", str(project.project_dir)),
        *(("--profiles-dir", str(project.profiles_dir)) if project.profiles_dir else ()),
        *("--target-path", str(target_path)),
        *("--log-path", str(target_path / "logs")),
        *FIXED_FLAGS,
    )


def dbt_program(executable: str | None) -> str:
    """The dbt program: as given (`~` is the home folder), else the one beside this Python, else `dbt` on the PATH."""
    if executable:
        return str(Path(executable).expanduser()) if executable.startswith("~") else executable
    beside = Path(sys.executable).with_name("dbt")
    return str(beside) if beside.is_file() else "dbt"


def _vars(variables: Mapping[str, Any], start: datetime, end: datetime) -> str:
    problems = jinja_problems("vars", variables)
    if problems:
        raise UsageError("\n".join(problems))
    interval = {START_VAR: _utc(start).isoformat(), END_VAR: _utc(end).isoformat()}
    return _yaml({**variables, **interval})


def _yaml(value: Mapping[str, Any]) -> str:
    """JSON that is YAML, too, which is what dbt reads its arguments as.

    JSON writes a letter beyond U+FFFF as two escapes, and YAML would read them as two letters that do not exist.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return "".join(letter if " " <= letter <= "~" else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) <= 0xFFFF else f"\\U{ord(letter):08x}"


def event_time(moment: datetime) -> str:
    """An aware moment as dbt's event-time flags take it."""
    return _utc(moment).strftime(_EVENT_TIME)


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"a data interval needs a time zone: {moment.isoformat()}")
    return moment.astimezone(UTC)
