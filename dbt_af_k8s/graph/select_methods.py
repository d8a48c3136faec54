"""The methods of dbt's selection syntax, each a row: what it selects by. Source: dbt's `graph/selector_methods.py`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from dbt_af_k8s.graph.select_paths import existing_paths, matching_paths, with_folders_above
from dbt_af_k8s.graph.select_spec import Criterion, bad_selection
from dbt_af_k8s.manifest.values import Exposure, Manifest, Node, Other, Source

Entry = Node | Source | Exposure | Other

_WILD = ("*", "?", "[", "]")
_RESOURCE_TYPES = (
    "analysis",
    "doc",
    "exposure",
    "fixture",
    "function",
    "group",
    "macro",
    "metric",
    "model",
    "operation",
    "rpc",
    "saved_query",
    "seed",
    "semantic_model",
    "snapshot",
    "source",
    "sql_operation",
    "test",
    "unit_test",
)
_FORMS = ("`name`", "`package.name`")
_SOURCE_FORMS = ("`source`", "`source.table`", "`package.source.table`")
_NO_VALUE = object()


@dataclass(frozen=True, slots=True)
class SelectableProject:
    """What the methods look at: every enabled entry of the manifest, by unique_id."""

    entries: Mapping[str, Entry]
    root_package: str
    #: Files and folders of the root project.
    paths: frozenset[str]
    #: unique_id of nodes and sources -> domain.
    domain_of: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest, domain_of: Mapping[str, str]) -> "SelectableProject":
        """Gather the entries of all kinds, dbt's hooks and analyses included."""
        everything: tuple[Entry, ...] = (
            *manifest.nodes.values(),
            *manifest.sources.values(),
            *manifest.exposures.values(),
            *manifest.others.values(),
        )
        inside = [entry for entry in everything if package_of(entry) == manifest.project_name]
        files = [entry.file for entry in inside if entry.file]
        # A node is patched in its own package; a source of a package can be patched here.
        patched = [entry for entry in inside if isinstance(entry, Node)] + list(manifest.sources.values())
        files += [entry.patch_path for entry in patched if entry.patch_path]
        return cls(
            {entry.unique_id: entry for entry in everything if _is_enabled(entry)},
            manifest.project_name,
            existing_paths(files),
            domain_of,
        )

    def search(self, criterion: Criterion) -> set[str]:
        """The unique_ids that a criterion names by itself, without graph operators. Raises `BadSelectionError`."""
        return _METHODS[criterion.method](self, criterion)


Search = Callable[[SelectableProject, Criterion], set[str]]


def package_of(entry: Entry) -> str:
    """The package of an entry; that in its unique_id where the manifest tells of nothing more."""
    return entry.package or entry.unique_id.split(".")[1]


def type_of(entry: Entry) -> str:
    """Dbt's resource type."""
    if isinstance(entry, Source):
        return "source"
    return "exposure" if isinstance(entry, Exposure) else entry.resource_type


def _is_enabled(entry: Entry) -> bool:
    return not entry.disabled if isinstance(entry, Other) else entry.config.get("enabled") is not False


def _patch_path(entry: Entry) -> str | None:
    return entry.patch_path if isinstance(entry, Node | Source) else None


def _where(matches: Callable[[Entry, str], bool]) -> Search:
    """The method of a question that is put to each entry."""

    def search(project: SelectableProject, criterion: Criterion) -> set[str]:
        return {key for key, entry in project.entries.items() if matches(entry, criterion.value)}

    return search


def _by_fqn(entry: Entry, value: str) -> bool:
    if isinstance(entry, Source):
        return False
    versioned = isinstance(entry, Node) and entry.resource_type == "model" and entry.version is not None
    return _fqn_matches(entry.fqn, value, versioned) or _fqn_matches(entry.fqn[1:], value, versioned)


def _fqn_matches(fqn: Sequence[str], value: str, versioned: bool) -> bool:
    """As dbt's `is_selected_node`: the leaf, a version, or names from the left; a pattern takes the whole rest."""
    if not fqn:
        return False
    wanted = value.split(".")
    leaf = fqn[-2] if versioned and len(fqn) > 1 else fqn[-1]
    if leaf == value or (versioned and "_".join(fqn[-2:]) == "_".join(wanted[-2:])):
        return True
    flat = [part for segment in fqn for part in segment.split(".")]
    if len(flat) < len(wanted):
        return False
    for position, part in enumerate(wanted):
        if any(sign in part for sign in _WILD):
            rest = ".".join(wanted[position:])
            return fnmatchcase(".".join(flat[position:]), rest) or ("." not in value and fnmatchcase(leaf, value))
        if flat[position] != part:
            return False
    return True


def _by_tag(entry: Entry, value: str) -> bool:
    return any(fnmatchcase(tag, value) for tag in entry.tags)


def _by_group(entry: Entry, value: str) -> bool:
    if isinstance(entry, Node):
        group = entry.config.get("group")
    else:
        group = entry.group if isinstance(entry, Other) and entry.resource_type == "metric" else None
    return isinstance(group, str) and bool(group) and fnmatchcase(group, value)


def _by_access(entry: Entry, value: str) -> bool:
    return isinstance(entry, Node) and entry.resource_type == "model" and entry.access == value


def _by_file(entry: Entry, value: str) -> bool:
    path = PurePosixPath(entry.file)
    return fnmatchcase(path.name, value) or fnmatchcase(path.stem, value)


def _by_path(project: SelectableProject, criterion: Criterion) -> set[str]:
    paths = matching_paths(criterion.value, project.paths)
    found: set[str] = set()
    for key, entry in project.entries.items():
        patch = _patch_path(entry)
        if not paths.isdisjoint((*with_folders_above(entry.file), *([patch] if patch else []))):
            found.add(key)
    return found


def _by_package(project: SelectableProject, criterion: Criterion) -> set[str]:
    name = project.root_package if criterion.value == "this" and project.root_package else criterion.value
    return {key for key, entry in project.entries.items() if fnmatchcase(package_of(entry), name)}


def _by_names(kind: str, most: int) -> Search:
    """The method of a kind: `name`, or `package.name`; a source has a name of two parts, its table may be left out."""

    def search(project: SelectableProject, criterion: Criterion) -> set[str]:
        parts = criterion.value.split(".")
        if len(parts) > most:
            fix = (
                "Write `name` or `package.name`."
                if most == 2
                else "Write `source`, `source.table` or `package.source.table`."
            )
            raise bad_selection(criterion.text, "its value has too many parts", fix)
        package = "*"
        if len(parts) == most:
            package, *parts = parts
        found = ((key, entry) for key, entry in project.entries.items() if type_of(entry) == kind)
        return {key for key, entry in found if _has_names(entry, package, parts)}

    return search


def _has_names(entry: Entry, package: str, wanted: Sequence[str]) -> bool:
    names = (entry.source_name, entry.name) if isinstance(entry, Source) else (entry.name,)
    pairs = zip(names, wanted, strict=False)
    return fnmatchcase(package_of(entry), package) and all(fnmatchcase(name, want) for name, want in pairs)


def _by_resource_type(project: SelectableProject, criterion: Criterion) -> set[str]:
    _one_of(criterion, _RESOURCE_TYPES)
    return {key for key, entry in project.entries.items() if type_of(entry) == criterion.value}


def _by_test_name(entry: Entry, value: str) -> bool:
    if isinstance(entry, Other):
        return entry.resource_type == "unit_test" and fnmatchcase(entry.name, value)
    return isinstance(entry, Node) and entry.test_name is not None and fnmatchcase(entry.test_name, value)


def _by_test_type(project: SelectableProject, criterion: Criterion) -> set[str]:
    value = _one_of(criterion, ("data", "generic", "schema", "singular", "unit"))
    if value == "unit":
        return {key for key, entry in project.entries.items() if type_of(entry) == "unit_test"}
    tests = ((key, entry) for key, entry in project.entries.items() if isinstance(entry, Node) and entry.is_test)
    if value == "data":
        return {key for key, _ in tests}
    return {key for key, entry in tests if (entry.test_name is None) == (value == "singular")}


def _by_version(project: SelectableProject, criterion: Criterion) -> set[str]:
    value = _one_of(criterion, ("latest", "none", "old", "prerelease"))
    models = (entry for entry in project.entries.values() if isinstance(entry, Node) and entry.resource_type == "model")
    return {entry.unique_id for entry in models if _age(entry) == value}


def _age(model: Node) -> str | None:
    """Where a model's version stands beside the latest one; compared as numbers where both are (`UnparsedVersion`)."""
    if model.version is None:
        return "none"
    if model.version == model.latest_version:
        return "latest"
    version, latest = _falsy(model.version), _falsy(model.latest_version)
    if version is None or latest is None:
        return None
    try:
        return "prerelease" if float(version) > float(latest) else "old"
    except ValueError:
        return "prerelease" if version > latest else "old"


def _falsy(version: str | None) -> str | None:
    """None for what dbt takes for no version when it compares: nothing, and the number 0."""
    return None if version in (None, "", "0", "0.0") else version


def _by_config(project: SelectableProject, criterion: Criterion) -> set[str]:
    found = ((key, entry) for key, entry in project.entries.items() if isinstance(entry, Node | Source))
    value, ignore_case = criterion.value, criterion.arguments == ("severity",)
    return {
        key for key, entry in found if _config_is(_config_at(entry.config, criterion.arguments), value, ignore_case)
    }


def _config_at(config: Mapping[str, Any], steps: Iterable[str]) -> Any:
    """The value at the dotted key. A name that every mapping has (`items`) is not its key there, as in dbt."""
    value: Any = config
    for depth, step in enumerate(steps):
        if not isinstance(value, Mapping) or step not in value or (depth and hasattr(dict, step)):
            return _NO_VALUE
        value = value[step]
    return value


def _config_is(config: Any, value: Any, ignore_case: bool) -> bool:
    if isinstance(config, list):
        return any(_same(item, value, ignore_case) for item in config)
    return _same(config, value, ignore_case)


def _same(config: Any, value: Any, ignore_case: bool) -> bool:
    if isinstance(config, bool) and str(value).lower() == str(config).lower():
        return True
    if ignore_case and isinstance(config, str):
        return config.upper() == str(value).upper()
    return bool(config == value)


def _by_domain(project: SelectableProject, criterion: Criterion) -> set[str]:
    return {key for key, domain in project.domain_of.items() if fnmatchcase(domain, criterion.value)}


def _one_of(criterion: Criterion, known: Sequence[str]) -> str:
    value: str = criterion.value
    if value not in known:
        raise bad_selection(criterion.text, f"`{criterion.method}:` has no such value", f"Known: {', '.join(known)}.")
    return value


_METHODS: Mapping[str, Search] = {
    "access": _where(_by_access),
    "config": _by_config,
    "domain": _by_domain,
    "exposure": _by_names("exposure", 2),
    "file": _where(_by_file),
    "fqn": _where(_by_fqn),
    "group": _where(_by_group),
    "metric": _by_names("metric", 2),
    "package": _by_package,
    "path": _by_path,
    "resource_type": _by_resource_type,
    "saved_query": _by_names("saved_query", 2),
    "semantic_model": _by_names("semantic_model", 2),
    "source": _by_names("source", 3),
    "tag": _where(_by_tag),
    "test_name": _where(_by_test_name),
    "test_type": _by_test_type,
    "unit_test": _by_names("unit_test", 2),
    "version": _by_version,
}
