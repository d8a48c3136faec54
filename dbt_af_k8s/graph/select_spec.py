"""dbt's selection syntax read into values: terms as on a command line, and definitions as in selectors.yml.

Source: dbt's `graph/selector_spec.py` and `graph/cli.py` (1.11), with which `tests/graph/test_select_as_dbt.py`
compares it. The method `selector` is that of dbt 1.12; `domain` is ours.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from dbt_af_k8s.errors import DbtAfK8sError, Issue, error, quoted

_TERM = re.compile(
    r"(?P<childrens_parents>@)?"
    r"(?P<parents>(?P<parents_depth>[0-9]*)\+)?"
    r"(?:(?P<method>[\w.]+):)?(?P<value>.*?)"
    r"(?P<children>\+(?P<children_depth>[0-9]*))?"
)
#: Methods that compare with another state of the project, which a plan does not have.
_NEED_ANOTHER_STATE = ("state", "result", "source_status")
METHODS = (
    "access",
    "config",
    "domain",
    "exposure",
    "file",
    "fqn",
    "group",
    "metric",
    "package",
    "path",
    "resource_type",
    "saved_query",
    "selector",
    "semantic_model",
    "source",
    "tag",
    "test_name",
    "test_type",
    "unit_test",
    "version",
)
_FILE_ENDINGS = (".sql", ".py", ".csv")


class BadSelectionError(DbtAfK8sError):
    """A selection that cannot be followed. Carries the issue; never leaves this room."""

    def __init__(self, issue: Issue) -> None:
        """`issue` has no key yet: whoever evaluates the selection knows where it stands."""
        self.issue = issue
        super().__init__(issue.message)


class IndirectSelection(StrEnum):
    """Which tests come with the nodes that a criterion selects; the names are dbt's."""

    #: Those with any parent among the nodes.
    EAGER = "eager"
    #: Those with all parents among the nodes.
    CAUTIOUS = "cautious"
    #: Those with all parents among the nodes and what these are built from.
    BUILDABLE = "buildable"
    #: None.
    EMPTY = "empty"


class Operator(StrEnum):
    """How a combination joins its parts."""

    UNION = "union"
    INTERSECTION = "intersection"
    #: The first part without the others.
    DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One method with its value and the graph operators around it."""

    text: str
    method: str
    arguments: tuple[str, ...]
    #: Text, or anything that YAML can hold: a definition may compare a config with `true` or `3`.
    value: Any
    childrens_parents: bool = False
    parents: bool = False
    #: Steps; None: all the way.
    parents_depth: int | None = None
    children: bool = False
    children_depth: int | None = None
    indirect_selection: IndirectSelection = IndirectSelection.EAGER


@dataclass(frozen=True, slots=True)
class Combination:
    """Criteria joined by a set operator."""

    operator: Operator
    parts: "tuple[Spec, ...]"


Spec = Criterion | Combination


def terms_of(definition: Iterable[str]) -> tuple[str, ...]:
    """The terms of a selection, each a union's part: a list or blanks mean union."""
    return tuple(term for line in definition for term in line.split())


def read_term(term: str) -> Spec:
    """One term: criteria that a comma intersects. Raises `BadSelectionError`."""
    parts = tuple(_read_criterion(part, term) for part in term.split(","))
    return Combination(Operator.INTERSECTION, parts)


def read_definition(definition: Any, name: str, named: Sequence[Any] = ()) -> Spec:
    """The definition of a selector of selectors.yml, as dbt writes it into the manifest. Raises `BadSelectionError`.

    `named` are the definitions of all selectors: dbt 1.11 writes them where they are referred to.
    """
    if isinstance(definition, str):
        return _read_criterion(definition, definition)
    if not isinstance(definition, Mapping) or not definition:
        raise _bad_definition(name, f"a part is no text and no mapping: {quoted(str(definition))}")
    for operator in (Operator.UNION, Operator.INTERSECTION):
        if operator.value in definition:
            return _read_set(definition[operator.value], operator, name, named)
    return _read_mapping(definition, name, named)


def _read_set(parts: Any, operator: Operator, name: str, named: Sequence[Any]) -> Spec:
    included: list[Spec] = []
    excluded: Spec | None = None
    for part in _as_list(parts, operator, name):
        # As in dbt, what stands beside an `exclude` in a set does not count, unless it is another selector.
        if isinstance(part, Mapping) and "exclude" in part and part not in named:
            if excluded is not None:
                raise _bad_definition(name, f"`{operator.value}` has more than one `exclude`")
            excluded = _read_exclude(part["exclude"], name, named)
        else:
            included.append(read_definition(part, name, named))
    combined = Combination(operator, tuple(included))
    return combined if excluded is None else Combination(Operator.DIFFERENCE, (combined, excluded))


def _read_exclude(parts: Any, name: str, named: Sequence[Any]) -> Spec | None:
    excluded = tuple(read_definition(part, name, named) for part in _as_list(parts, "exclude", name))
    return Combination(Operator.UNION, excluded) if excluded else None


def _read_mapping(definition: Mapping[str, Any], name: str, named: Sequence[Any]) -> Spec:
    if len(definition) == 1:
        ((method, value),) = definition.items()
        return _criterion({"method": method, "value": value}, f"{method}:{value}")
    if "method" not in definition or "value" not in definition:
        raise _bad_definition(name, "a part with several keys needs `method` and `value`")
    criterion = _criterion(definition, f"{definition['method']}:{definition['value']}")
    excluded = _read_exclude(definition["exclude"], name, named) if "exclude" in definition else None
    return criterion if excluded is None else Combination(Operator.DIFFERENCE, (criterion, excluded))


def _as_list(parts: Any, key: str, name: str) -> list[Any]:
    if not isinstance(parts, list):
        raise _bad_definition(name, f"`{key}` must be a list")
    return parts


def _read_criterion(text: str, term: str) -> Criterion:
    parsed = _TERM.fullmatch(text)
    if parsed is None or not parsed["value"]:
        raise BadSelectionError(error("bad-selection", f"{quoted(term)} is not a selection.", _HOW))
    return _criterion(parsed.groupdict(), text)


def _criterion(parts: Mapping[str, Any], text: str) -> Criterion:
    method, *arguments = _method_of(parts, text).split(".")
    if method in _NEED_ANOTHER_STATE:
        fix = "Select by what the project itself says: names, paths, tags, configs."
        raise bad_selection(
            text, f"`{method}:` compares with an earlier state of the project, and a plan has none", fix
        )
    if method not in METHODS:
        close = get_close_matches(method, METHODS, 1)
        fix = f"Did you mean `{close[0]}:`?" if close else f"Known methods: {', '.join(METHODS)}."
        raise BadSelectionError(
            error("unknown-selection-method", f"{quoted(method)} in {quoted(text)} is no method of selection.", fix)
        )
    if parts.get("childrens_parents") and parts.get("children"):
        raise bad_selection(text, "`@` before and `+` after a value exclude each other", _HOW)
    if method != "config" and not isinstance(parts["value"], str):
        raise bad_selection(text, "its value must be text", "Put the value in quotes.")
    return Criterion(
        text=text,
        method=method,
        arguments=tuple(arguments),
        value=parts["value"],
        childrens_parents=bool(parts.get("childrens_parents")),
        parents=bool(parts.get("parents")),
        parents_depth=_depth(parts.get("parents_depth"), text),
        children=bool(parts.get("children")),
        children_depth=_depth(parts.get("children_depth"), text),
        indirect_selection=_indirect_selection(parts.get("indirect_selection", "eager"), text),
    )


def _method_of(parts: Mapping[str, Any], text: str) -> str:
    """The method as written, else dbt's guess: a path has a separator, a file one of three endings."""
    method, value = parts.get("method"), parts["value"]
    if isinstance(method, str):
        return method
    if method is not None or not isinstance(value, str):
        raise bad_selection(text, "its method must be text", _HOW)
    if "/" in value:
        return "path"
    return "file" if value.lower().endswith(_FILE_ENDINGS) else "fqn"


def _depth(written: Any, text: str) -> int | None:
    # As in dbt: "0" of a command line is no step at all, and a 0 of YAML is no limit.
    if not written:
        return None
    try:
        return int(written)
    except (TypeError, ValueError):
        raise bad_selection(text, f"{quoted(str(written))} is no number of steps", _HOW) from None


def _indirect_selection(written: Any, text: str) -> IndirectSelection:
    try:
        return IndirectSelection(written)
    except ValueError:
        known = ", ".join(IndirectSelection)
        because = f"{quoted(str(written))} is no `indirect_selection`"
        raise bad_selection(text, because, f"dbt knows: {known}.") from None


_HOW = "Write a name, or `method:value`, with `+` or `@` around it, for example `+orders` or `tag:nightly`."


def bad_selection(text: str, because: str, fix: str) -> BadSelectionError:
    """What to raise for a selection that cannot be followed."""
    return BadSelectionError(
        error("bad-selection", f"The selection {quoted(text)} cannot be followed: {because}.", fix)
    )


def _bad_definition(name: str, because: str) -> BadSelectionError:
    message = f"The selector {quoted(name)} of selectors.yml cannot be read: {because}."
    return BadSelectionError(error("bad-selection", message, "Correct it, then run `dbt parse` again."))
