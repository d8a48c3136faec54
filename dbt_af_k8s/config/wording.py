"""How messages of this room name things: quoted, on one line, cut, and with the closest known name."""

from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

from dbt_af_k8s.errors import LONGEST_QUOTE
from dbt_af_k8s.errors import quoted as quoted

#: Most names that a message lists.
_MOST_NAMES = 20


def listed(names: Iterable[str]) -> str:
    """Names as a person writes them: `a`, `b`, `c`."""
    known = list(names)
    told = ", ".join(f"`{_plain(name)}`" for name in known[:_MOST_NAMES])
    return told if len(known) <= _MOST_NAMES else f"{told} and {len(known) - _MOST_NAMES} more"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like it, or None where none does."""
    names = sorted(known)
    by_lower = {other.lower(): other for other in reversed(names)}
    close = get_close_matches(name.lower()[:200], sorted(by_lower), n=1)
    return by_lower[close[0]] if close else None


def choose_from(name: str, known: Iterable[str]) -> str:
    """A fix for a name that is not known: the closest one first, then all."""
    names = list(known)
    close = closest(name, names)
    guess = f"Did you mean `{_plain(close)}`? " if close is not None else ""
    return f"{guess}Known are {listed(names)}." if names else f"{guess}None is known here."


def shown(value: Any) -> str:
    """What a value is, for a message; mappings and lists are not repeated, for they may hold anything."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 100:
            return "a huge number"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {quoted(value)}"
        case date():
            return f"the date {value.isoformat()}"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "something else"


def _plain(name: str) -> str:
    return name if name.isprintable() and len(name) <= LONGEST_QUOTE else quoted(name)[1:-1]
