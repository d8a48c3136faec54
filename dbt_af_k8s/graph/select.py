"""Which nodes a selection picks: the same as `dbt ls`, or an error that names the term.

A list or blanks mean union, a comma means intersection, `+` before or after a value walks to parents or children
(`2+orders` two steps), `@` takes children and all their parents. The walk goes over everything that dbt links: sources,
tests, exposures, metrics and the like, too. Tests of what is selected are selected with it (dbt's `eager` indirect
selection), unless a definition of selectors.yml says otherwise. Source: dbt's `graph/selector.py`, 1.11.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from dbt_af_k8s.errors import Issue, error, quoted, warning
from dbt_af_k8s.graph.select_methods import SelectableProject, type_of
from dbt_af_k8s.graph.select_spec import (
    BadSelectionError,
    Criterion,
    IndirectSelection,
    Operator,
    Spec,
    bad_selection,
    read_definition,
    read_term,
    terms_of,
)
from dbt_af_k8s.manifest.values import Manifest, Source

#: What dbt looks for behind a parent's unique_id when it links its graph.
_LINKED_OTHERS = ("function", "metric", "semantic_model")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a selection picked, and what is wrong with it."""

    #: unique_ids of nodes, tests, sources and all else that dbt can select.
    chosen: frozenset[str]
    issues: tuple[Issue, ...] = ()


class Selector:
    """Evaluates selections over one manifest. Never changes after it is made."""

    def __init__(self, manifest: Manifest, domain_of: Mapping[str, str]) -> None:
        """`domain_of` has the domains of nodes and sources, for the method `domain`."""
        self._project = SelectableProject.of(manifest, domain_of)
        self._definitions = manifest.selectors
        self._nodes = manifest.nodes
        self._parents: dict[str, set[str]] = {key: set() for key in self._project.entries}
        self._children: dict[str, set[str]] = {key: set() for key in self._project.entries}
        self._dependencies: dict[str, frozenset[str]] = {}
        for key, entry in self._project.entries.items():
            parents = () if isinstance(entry, Source) else entry.parents
            self._dependencies[key] = frozenset(parents)
            for parent in parents:
                if self._is_linked(parent):
                    self._parents[key].add(parent)
                    self._children[parent].add(key)

    @property
    def default(self) -> str | None:
        """The selector of selectors.yml that stands for no selection at all, if one has `default: true`."""
        return next((name for name, selector in self._definitions.items() if selector.get("default") is True), None)

    def select(self, definition: Iterable[str], *, key: str) -> Selection:
        """The union of a selection's terms; `key` names the setting in the issues.

        A term that selects nothing is an error; under the key `exclude`, a warning.
        """
        chosen: set[str] = set()
        issues: list[Issue] = []
        for term in terms_of(definition):
            try:
                found = self._evaluate(read_term(term), ())
            except BadSelectionError as bad:
                issues.append(replace(bad.issue, key=key))
                continue
            chosen |= found
            if not found:
                issues.append(_matches_nothing(term, key))
            elif all(self._is_of_other_project(picked) for picked in found):
                issues.append(_only_of_other_projects(term, key))
        return Selection(frozenset(chosen), tuple(issues))

    def select_by_name(self, name: str, *, key: str) -> Selection:
        """What a selector of selectors.yml selects."""
        return self.select((f"selector:{name}",), key=key)

    def _evaluate(self, spec: Spec, within: tuple[str, ...]) -> set[str]:
        """What a spec selects, tests included. `within` are the named selectors that lead here."""
        if isinstance(spec, Criterion):
            return self._selected_by(spec, within)
        parts = [self._evaluate(part, within) for part in spec.parts]
        if not parts:
            return set()
        if spec.operator is Operator.UNION:
            return set().union(*parts)
        if spec.operator is Operator.INTERSECTION:
            return parts[0].intersection(*parts[1:])
        return parts[0].difference(*parts[1:])

    def _selected_by(self, criterion: Criterion, within: tuple[str, ...]) -> set[str]:
        named = criterion.method == "selector"
        found = self._named(criterion, within) if named else self._project.search(criterion)
        found &= self._project.entries.keys()
        selected = found | self._neighbours(criterion, found)
        # A named selector has its tests already, and may have excluded some.
        return selected if named else selected | self._tests_of(selected, criterion.indirect_selection)

    def _named(self, criterion: Criterion, within: tuple[str, ...]) -> set[str]:
        names = [name for name in self._definitions if fnmatchcase(name, criterion.value)]
        if not names:
            raise _no_selector(criterion, tuple(self._definitions))
        named = [selector["definition"] for selector in self._definitions.values()]
        found: set[str] = set()
        for name in names:
            if name in within:
                circle = " -> ".join((*within[within.index(name) :], name))
                fix = "Take one of these references out of selectors.yml, then run `dbt parse` again."
                raise bad_selection(criterion.text, f"selectors refer to each other in a circle: {circle}", fix)
            definition = read_definition(self._definitions[name]["definition"], name, named)
            found |= self._evaluate(definition, (*within, name))
        return found

    def _neighbours(self, criterion: Criterion, selected: set[str]) -> set[str]:
        near: set[str] = set()
        if criterion.childrens_parents:
            below = selected | _walk(selected, self._children, None)
            near |= below | _walk(below, self._parents, None)
        if criterion.parents:
            near |= _walk(selected, self._parents, criterion.parents_depth)
        if criterion.children:
            near |= _walk(selected, self._children, criterion.children_depth)
        return near

    def _tests_of(self, selected: set[str], indirect: IndirectSelection) -> set[str]:
        if indirect is IndirectSelection.EMPTY:
            return set()
        near = {child for key in selected for child in self._children[key] if self._is_test(child)}
        if indirect is IndirectSelection.EAGER:
            return near
        enough = selected
        if indirect is IndirectSelection.BUILDABLE:
            sources = {key for key, entry in self._project.entries.items() if isinstance(entry, Source)}
            enough = selected | _walk(selected, self._parents, None) | sources
        return {test for test in near if self._dependencies[test] <= enough}

    def _is_of_other_project(self, unique_id: str) -> bool:
        return unique_id in self._nodes and self._nodes[unique_id].is_of_other_project

    def _is_test(self, unique_id: str) -> bool:
        return type_of(self._project.entries[unique_id]) in ("test", "unit_test")

    def _is_linked(self, parent: str) -> bool:
        entry = self._project.entries.get(parent)
        if entry is None:
            return False
        return parent in self._nodes or isinstance(entry, Source) or type_of(entry) in _LINKED_OTHERS


def _walk(start: Iterable[str], neighbours: Mapping[str, set[str]], steps: int | None) -> set[str]:
    """Everything within `steps` links of the start (None: no limit); the start itself only where a link leads there."""
    seen: set[str] = set()
    frontier = set(start)
    while frontier and (steps is None or steps > 0):
        frontier = {near for key in frontier for near in neighbours[key]} - seen
        seen |= frontier
        steps = None if steps is None else steps - 1
    return seen


def _matches_nothing(term: str, key: str) -> Issue:
    message = f"{quoted(term)} selects nothing in the project."
    fix = "Check the spelling: `dbt ls --select` with the same text lists what it selects."
    return _nothing(message, fix, key)


def _only_of_other_projects(term: str, key: str) -> Issue:
    message = f"{quoted(term)} selects only models of other dbt projects, which get no task here."
    fix = "Remove it, or name nodes of this project: `package:this` selects them all."
    return _nothing(message, fix, key)


def _nothing(message: str, fix: str, key: str) -> Issue:
    if key == "exclude":
        return warning("selection-matches-nothing", message, fix, key=key)
    return error("selection-matches-nothing", message, fix, key=key)


def _no_selector(criterion: Criterion, known: Sequence[str]) -> BadSelectionError:
    close = get_close_matches(criterion.value, known, 1)
    names = ", ".join(f"`{name}`" for name in known)
    guess = f"Did you mean `{close[0]}`? " if close else ""
    fix = f"{guess}It has: {names}." if known else "Add it to selectors.yml, then run `dbt parse` again."
    return bad_selection(criterion.text, "the project's selectors.yml has no such selector", fix)
