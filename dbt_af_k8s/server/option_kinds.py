"""Kinds of values that an option of dbt takes from a client, each with its bounds. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from dbt_af_k8s.config.plain_data import jinja_problems
from dbt_af_k8s.config.yaml_text import load_yaml
from dbt_af_k8s.dbt.run_options import shown
from dbt_af_k8s.errors import ProjectError

FLAG, ONE, MANY = "flag", "one", "many"
#: Longest term of a selection and longest short text, in letters. Names of nodes have up to 250, and a term may hold
#: those of all folders above.
_LONGEST_TERM, _LONGEST_TEXT = 4000, 200
#: Most stars of one term: each may look into every folder of the project.
_MOST_STARS = 8
_NAME = re.compile(r"[^\s/\\{}\"'`$;]{1,200}")
_KEYS = re.compile(r"[\w.]{1,100}(?: +[\w.]{1,100})*")
#: What may stand before the value of a term: graph operators, and a method with its parts (`config.materialized:`).
_BEFORE_VALUE = re.compile(r"[@+\d]*(?:[\w.]+:)?")


@dataclass(frozen=True, slots=True)
class Kind:
    """What follows an option."""

    #: `FLAG`, `ONE` or `MANY`.
    takes: str
    #: For a person: "a whole number from 1 to 16".
    said: str
    #: Everything that is wrong with a value, in sentences; gets the option's name and the value.
    problems: Callable[[str, str], tuple[str, ...]]


def flag() -> Kind:
    """No value."""
    return Kind(FLAG, "no value", lambda name, value: ())


def number(least: int, most: int) -> Kind:
    """A whole number with bounds."""
    said = f"a whole number from {least} to {most}"
    return Kind(
        ONE,
        said,
        lambda name, value: _unless(
            re.fullmatch(r"-?[0-9]{1,9}", value) is not None and least <= int(value) <= most, name, said, value
        ),
    )


def choice(*words: str, takes: str = ONE) -> Kind:
    """One of some words; of `MANY`, each."""
    said = f"one of {', '.join(words)}"
    return Kind(takes, said, lambda name, value: _unless(value in words, name, said, value))


def name_of(what: str) -> Kind:
    """The name of something that the project or its profile has."""
    said = f"the name of {what}"
    return Kind(ONE, said, lambda name, value: _unless(_NAME.fullmatch(value) is not None, name, said, value))


def keys() -> Kind:
    """Names of keys or kinds, several in one value, too."""
    said = "names of letters, digits, `_` and `.`"
    return Kind(MANY, said, lambda name, value: _unless(_KEYS.fullmatch(value) is not None, name, said, value))


def short_text() -> Kind:
    """A text that only dbt can read, short enough to be read safely."""
    said = f"a text of at most {_LONGEST_TEXT} letters, without Jinja"
    return Kind(
        ONE,
        said,
        lambda name, value: (
            _unless(value.isprintable() and 0 < len(value) <= _LONGEST_TEXT, name, said, value)
            or jinja_problems(name, value)
        ),
    )


def moment() -> Kind:
    """A date or a time."""
    said = "an ISO 8601 date or time"

    def problems(name: str, value: str) -> tuple[str, ...]:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return _unless(False, name, said, value)
        return ()

    return Kind(ONE, said, problems)


def data() -> Kind:
    """A mapping in YAML or JSON, whose texts are data: no Jinja at any depth, and no bomb of aliases."""
    return Kind(ONE, "a mapping in YAML or JSON", lambda name, value: data_in(name, value)[1])


def data_in(name: str, text: str) -> tuple[Mapping[object, object], tuple[str, ...]]:
    """The mapping that the value of an option is, and everything that is wrong with it."""
    try:
        mapping = load_yaml(text.encode("utf-8", "replace"), file=name).mapping
    except ProjectError as failed:
        return MappingProxyType({}), tuple(f"{name}: {issue.message}" for issue in failed.issues)
    return MappingProxyType(mapping), jinja_problems(name, mapping)


def terms() -> Kind:
    """Terms of a selection, which name nodes of the project and nothing outside of it."""
    return Kind(MANY, "terms of a selection", _term_problems)


def _term_problems(name: str, value: str) -> tuple[str, ...]:
    if not value or value.startswith("-"):
        return (f"{name} takes no value that is empty or begins with `-`.",)
    for term in re.split(r"[\s,]+", value):
        if len(term) > _LONGEST_TERM or term.count("*") > _MOST_STARS:
            most = f"{_LONGEST_TERM} letters and {_MOST_STARS} stars are the most"
            return (f"{name}: the term {shown(term)} is too much: {most}.",)
        if leaves_project(term):
            return (f"{name}: the term {shown(term)} leads out of the project's folder.",)
    return ()


def leaves_project(term: str) -> bool:
    """Whether a term could be a path that leads out of the folder in which dbt looks for files.

    dbt takes what follows `path:` for one, and any other value with a `/` in it; names of nodes have neither.
    """
    found = _BEFORE_VALUE.match(term)
    value = term[found.end() :] if found is not None else term
    return value.startswith(("/", "~")) or ".." in re.split(r"[/\\:@+]", term)


def _unless(is_right: bool, name: str, said: str, value: str) -> tuple[str, ...]:
    return () if is_right else (f"{name} takes {said}, not {shown(value)}.",)
