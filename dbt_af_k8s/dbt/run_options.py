"""Options of `dbt run` that a person may give as JSON: names and types from a list, and nothing else.

Every value goes to dbt as one argument of its own, `--name=value`, and no shell reads it. So no value can become
another option. What decides where dbt reads and writes, and how its results are read, is not in the list.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from dbt_af_k8s.config.calendar_words import YEARS

#: What dbt's own options take (`dbt run --help`, 1.11), as a person would say it.
_FLAG, _COUNT, _TEXT, _TERMS, _MOMENT, _OBJECT = (
    "true or false",
    "a whole number from 1",
    "a text",
    "a text or a list of texts",
    f"an ISO 8601 date or time of the years {YEARS[0]} to {YEARS[-1]}",
    "a JSON object",
)
_KNOWN = MappingProxyType(
    {
        "cache-selected-only": _FLAG,
        "debug": _FLAG,
        "empty": _FLAG,
        "event-time-end": _MOMENT,
        "event-time-start": _MOMENT,
        "exclude": _TERMS,
        "fail-fast": _FLAG,
        "populate-cache": _FLAG,
        "sample": _TEXT,
        "selector": _TEXT,
        "threads": _COUNT,
        "vars": _OBJECT,
        "version-check": _FLAG,
        "warn-error": _FLAG,
        "warn-error-options": _OBJECT,
    }
)
#: Flags without a `--no-` form: false is the same as leaving them out.
_ONE_WAY = ("warn-error",)
#: dbt's format of event times, in UTC.
_EVENT_TIME = "%Y-%m-%dT%H:%M:%S"
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options that were read, and one sentence for each that was not."""

    options: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    variables: Mapping[str, Any] | None = None
    has_selector: bool = False
    problems: tuple[str, ...] = ()


def read_run_options(extra: Mapping[str, Any], *, field: str = "extra") -> RunOptions:
    """Read a JSON object of options: `{"threads": 2, "fail-fast": true}`.

    Names may be written as on the command line (`--fail-fast`) and with underscores; null leaves an option out. `field`
    is the name of the form's field, for the messages.
    """
    options: list[str] = []
    problems: list[str] = []
    exclude: tuple[str, ...] = ()
    variables: Mapping[str, Any] | None = None
    names: set[str] = set()
    for written, value in sorted(extra.items(), key=lambda item: str(item[0])):
        name = str(written).removeprefix("--").replace("_", "-")
        kind = _KNOWN.get(name)
        if kind is None:
            problems.append(_unknown(str(written), name, field))
        elif name in names:
            problems.append(f"{field}: `{name}` stands in it twice.")
        elif value is not None and not _is(kind, value):
            problems.append(f"{field}: `{name}` takes {kind}, not {shown(value)}.")
        elif value is not None and name == "exclude":
            exclude = tuple(value.split()) if isinstance(value, str) else tuple(value)
            problems += [f"{field}: `exclude` {problem}" for problem in term_problems(exclude)]
        elif value is not None and name == "vars":
            variables = value
        elif value is not None:
            options += _argument(name, kind, value)
        names.add(name)
    return RunOptions(tuple(options), exclude, variables, bool(extra.get("selector")), tuple(problems))


def term_problems(terms: tuple[str, ...]) -> tuple[str, ...]:
    """What is wrong with terms of a selection: dbt would take one that begins with `-` for an option."""
    return tuple(
        f"cannot hold {shown(term)}: a term of a selection does not begin with `-` and has no control characters."
        for term in terms
        if term.startswith("-") or not term.isprintable() or not term
    )


def shown(value: object) -> str:
    """A value as JSON, cut, for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _argument(name: str, kind: str, value: Any) -> tuple[str, ...]:
    if kind is _FLAG:
        if name in _ONE_WAY:
            return (f"--{name}",) if value else ()
        return (f"--{name}" if value else f"--no-{name}",)
    if kind is _MOMENT:
        moment = datetime.fromisoformat(value)
        return (f"--{name}={(moment.astimezone(UTC) if moment.tzinfo else moment).strftime(_EVENT_TIME)}",)
    return (f"--{name}={json.dumps(value, sort_keys=True) if kind is _OBJECT else value}",)


def _is(kind: str, value: object) -> bool:
    return _CHECKS[kind](value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(value.strip())


def _is_moment(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).year in YEARS
    except ValueError:
        return False


_CHECKS: Mapping[str, Callable[[object], bool]] = MappingProxyType(
    {
        _FLAG: lambda value: isinstance(value, bool),
        _COUNT: lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 1,
        _TEXT: _is_text,
        _TERMS: lambda value: (
            isinstance(value, str) or (isinstance(value, list) and all(isinstance(term, str) for term in value))
        ),
        _MOMENT: _is_moment,
        _OBJECT: lambda value: isinstance(value, dict),
    }
)


def _unknown(written: str, name: str, field: str) -> str:
    close = get_close_matches(name, sorted(_KNOWN), 1)
    fix = f"did you mean `{close[0]}`?" if close else f"those that do: {', '.join(sorted(_KNOWN))}."
    return f"{field}: no option {shown(written)} may be given here; {fix}"
