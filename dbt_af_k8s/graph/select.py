"""dbt's selection syntax over the manifest: `select` and `exclude` of the settings and of the command line.

Source of the grammar: dbt's "node selection syntax". A list or blanks mean union, a comma means intersection, `+`
before or after a name walks to parents or children (`2+orders` two steps), `@` takes children and all their
parents. Methods: `fqn` (the default, by name), `tag`, `path`, `package`, `resource_type`, `source`, `group`,
`config.<key>`, and ours: `domain`. Shell-style patterns work in every value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from dbt_af_k8s.errors import Issue, error, warning
from dbt_af_k8s.graph.project import ProjectGraph
from dbt_af_k8s.manifest.values import Manifest, Node, Source

Entry = Node | Source
Matches = Callable[[Entry, str], bool]

_TERM = re.compile(
    r"^(?P<at>@)?(?P<up>\d*\+)?(?:(?P<method>[a-z_]+(?:\.[A-Za-z0-9_.\-]+)?):)?(?P<value>.*?)(?P<down>\+\d*)?$"
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a selection picked, and what is wrong with it."""

    #: unique_ids of nodes, tests and sources.
    chosen: frozenset[str]
    issues: tuple[Issue, ...] = ()


def select_nodes(
    manifest: Manifest,
    graph: ProjectGraph,
    domain_of: Mapping[str, str],
    definition: Sequence[str],
    *,
    key: str,
) -> Selection:
    """Evaluate a selection; `key` names the setting in the issues (`select`, `exclude`)."""
    entries: dict[str, Entry] = {**manifest.nodes, **manifest.sources}
    methods = _methods(domain_of)
    chosen: set[str] = set()
    issues: list[Issue] = []
    for union in (term for line in definition for term in line.split()):
        parts = []
        for term in union.split(","):
            found, problem = _evaluate(term, entries, graph, methods, key)
            parts.append(found)
            issues.extend(problem)
        chosen |= set.intersection(*parts)
        if not set.intersection(*parts) and not any(issue.is_error for issue in issues):
            issues.append(
                warning(
                    "selection-matches-nothing",
                    f"`{union}` matches no node of the project.",
                    "Check the spelling; names, `tag:`, `path:`, `domain:` and the other methods match exactly.",
                    key=key,
                )
            )
    return Selection(frozenset(chosen), tuple(issues))


def _evaluate(
    term: str, entries: Mapping[str, Entry], graph: ProjectGraph, methods: Mapping[str, Matches], key: str
) -> tuple[set[str], tuple[Issue, ...]]:
    parsed = _TERM.match(term)
    if parsed is None or not parsed["value"] or (parsed["at"] and parsed["up"]):
        fix = "Write a name, or `method:value`, with `+` or `@` around it, for example `+orders` or `tag:nightly`."
        return set(), (error("bad-selection", f"`{term}` is not a selection.", fix, key=key),)
    method, _, argument = (parsed["method"] or "fqn").partition(".")
    if method not in methods:
        close = get_close_matches(method, sorted(methods), 1)
        fix = f"Did you mean `{close[0]}:`?" if close else f"Known methods: {', '.join(sorted(methods))}."
        return set(), (error("unknown-selection-method", f"`{method}:` in `{term}` is no method.", fix, key=key),)
    matches, value = methods[method], f"{argument}={parsed['value']}" if method == "config" else parsed["value"]
    found = {unique_id for unique_id, entry in entries.items() if matches(entry, value)}
    return _widened(found, graph, parsed), ()


def _widened(found: set[str], graph: ProjectGraph, term: re.Match[str]) -> set[str]:
    wide = set(found)
    if term["at"]:
        below = graph.reachable(found, upstream=False, steps=None)
        return wide | graph.reachable(below, upstream=True, steps=None)
    if term["up"]:
        wide |= graph.reachable(found, upstream=True, steps=_steps(term["up"]))
    if term["down"]:
        wide |= graph.reachable(found, upstream=False, steps=_steps(term["down"]))
    return wide


def _steps(sign: str) -> int | None:
    digits = sign.strip("+")
    return int(digits) if digits else None


def _methods(domain_of: Mapping[str, str]) -> Mapping[str, Matches]:
    return {
        "fqn": _by_name,
        "tag": lambda entry, value: any(fnmatchcase(tag, value) for tag in entry.tags),
        "path": lambda entry, value: _under(entry.file, value),
        "file": lambda entry, value: fnmatchcase(entry.file.rsplit("/", 1)[-1], value),
        "package": lambda entry, value: fnmatchcase(entry.package, value),
        "resource_type": lambda entry, value: _resource_type(entry) == value,
        "source": lambda entry, value: isinstance(entry, Source) and _source(entry, value),
        "group": lambda entry, value: isinstance(entry, Node) and fnmatchcase(entry.group or "", value),
        "config": _by_config,
        "domain": lambda entry, value: fnmatchcase(domain_of.get(entry.unique_id, ""), value),
    }


def _resource_type(entry: Entry) -> str:
    return entry.resource_type if isinstance(entry, Node) else "source"


def _by_name(entry: Entry, value: str) -> bool:
    if isinstance(entry, Source):
        return False
    if fnmatchcase(entry.name, value) or (entry.version and value in (f"{entry.name}.v{entry.version}",)):
        return True
    wanted = value.split(".")
    return any(_prefix(fqn, wanted) for fqn in (entry.fqn, entry.fqn[1:]))


def _prefix(fqn: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(fqn) >= len(wanted) and all(fnmatchcase(have, want) for have, want in zip(fqn, wanted, strict=False))


def _under(file: str, value: str) -> bool:
    """Whether the file is what the pattern names, or lies in a folder that it names; `*` stays within one folder."""
    wanted = value.removeprefix("./").rstrip("/")
    if "**" in wanted:
        return fnmatchcase(file, wanted) or fnmatchcase(file, f"{wanted}/*")
    return _prefix(file.split("/"), wanted.split("/"))


def _source(entry: Source, value: str) -> bool:
    wanted = value.split(".")
    names = [entry.source_name, entry.name]
    return _prefix(names, wanted) or _prefix([entry.package, *names], wanted)


def _by_config(entry: Entry, value: str) -> bool:
    path, _, wanted = value.partition("=")
    found: object = {**entry.config, "meta": entry.meta}
    if isinstance(entry, Node) and path == "materialized":
        found = {"materialized": entry.materialized}
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    candidates = found if isinstance(found, list) else [found]
    return any(str(item).lower() == wanted.lower() for item in candidates if item is not None)
