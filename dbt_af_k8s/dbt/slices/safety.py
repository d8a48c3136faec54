"""Which nodes may run from a slice, as rules in a row: the first that finds a reason keeps the node whole. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dbt_af_k8s.dbt.slices.early import EarlyEntries, EarlyProject
from dbt_af_k8s.dbt.slices.jinja_words import read_jinja
from dbt_af_k8s.dbt.slices.macros import UnsafeMacros, unstable_call, why_chosen
from dbt_af_k8s.dbt.slices.manifest_json import Entry
from dbt_af_k8s.dbt.slices.values import ADDING_KEYS, Recheck


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the rules look at besides the node."""

    macros: UnsafeMacros
    #: Early texts of the dbt_project.yml files, and all parts of all nodes' fqn.
    project: tuple[EarlyProject, ...]
    folders: frozenset[str]
    #: Early texts of the models' YAML files, by `package://path`.
    files: Mapping[str, EarlyEntries]
    #: Why what the manifest says of the node, or of all nodes, does not fit the files, or None.
    stale: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a node has no slice of its own, and whether those that read it have none either."""

    because: str
    #: Its relation or its kind may be another one in a task, so its stub cannot be trusted.
    spoils_stub: bool = False


Rule = Callable[[Entry, Evidence], Finding | None]


def is_no_jinja(entry: Entry, evidence: Evidence) -> Finding | None:
    """What cannot be read cannot be judged."""
    broken = next((text.broken for text in map(read_jinja, _texts(entry)) if text.broken is not None), None)
    return None if broken is None else Finding(f"its Jinja cannot be read: {broken}", spoils_stub=True)


def walks_graph(entry: Entry, evidence: Evidence) -> Finding | None:
    """`graph` holds every node of the project; in a slice it would hold a few."""
    if not evidence.macros.has_graph and any(read_jinja(text).walks_graph for text in entry.texts):
        return Finding("its Jinja walks `graph`")
    return None


def reaches_unsafe_macro(entry: Entry, evidence: Evidence) -> Finding | None:
    """As `walks_graph`, and others, through a macro."""
    unsafe = evidence.macros.of_package(entry.package_name)
    if unsafe.everywhere is not None:
        return Finding(unsafe.everywhere)
    reached = sorted(evidence.macros.graph.of_node(entry))
    reason = next((unsafe.reasons[key] for key in reached if key in unsafe.reasons), None)
    if reason is not None:
        return Finding(reason)
    for text in map(read_jinja, _texts(entry)):
        why = unstable_call(text, entry.package_name, evidence.macros.graph, unsafe.passing)
        if why is not None:
            return Finding(f"it {why}")
    calls = frozenset[tuple[str, tuple[str, ...]]]().union(*(unsafe.refs.get(key, frozenset()) for key in reached))
    return _not_seen(entry, sorted(calls))


def config_is_computed(entry: Entry, evidence: Evidence) -> Finding | None:
    """`config(...)`, the YAML entry and dbt_project.yml are rendered when parsing; a few keys a task can check."""
    for because, recheck in _computed(entry, evidence):
        if recheck is None:
            return Finding(because, spoils_stub=True)
    return None


def rechecks(entry: Entry, evidence: Evidence) -> tuple[Recheck, ...]:
    """What a task must render again before it takes this node from a slice."""
    return tuple(dict.fromkeys(recheck for _, recheck in _computed(entry, evidence) if recheck is not None))


def _computed(entry: Entry, evidence: Evidence) -> Iterator[tuple[str, Recheck | None]]:
    """Every computed configuration of a node, with how it can be checked, or None."""
    if entry.resource_type != "source" and entry.language != "python":
        text = read_jinja(entry.raw_code)
        if text.computed_config is not None:
            keys = text.computed_keys or ()
            is_checked = keys and not ADDING_KEYS.intersection(keys) and entry.resource_type in ("model", "snapshot")
            yield from ((text.computed_config, Recheck("sql", (key,)) if is_checked else None) for key in keys or ("",))
    key, file = _yaml_entry(entry)
    early = evidence.files.get(file)
    if early is not None:
        for found in (early.tests if entry.resource_type == "test" else early.entries).get(key, ()):
            if not found.may_concern(entry.test_metadata):
                continue
            is_checked = entry.resource_type in _CHECKED_KINDS
            where = f"{found.word} in its entry in `{file.partition('://')[2]}`"
            yield where, found.recheck("yaml") if is_checked else None
    for project in evidence.project:
        if project.resource_type == entry.resource_type and project.may_reach(entry.fqn, evidence.folders):
            where = f"{project.text.word} in `{project.file}` ({'.'.join(project.text.path)})"
            recheck = project.text.recheck("project", package=project.package, section=project.section)
            yield where, recheck if entry.resource_type in _CHECKED_KINDS else None


#: Kinds whose configuration the driver renders again.
_CHECKED_KINDS = frozenset({"model", "seed", "snapshot", "test"})


def refs_may_differ(entry: Entry, evidence: Evidence) -> Finding | None:
    """A parent that parsing did not see is not in the slice."""
    calls = [call for text in _texts(entry) for call in read_jinja(text).calls]
    chosen = next(filter(None, map(why_chosen, calls)), None)
    if chosen is not None:
        return Finding(f"it {chosen}")
    return _not_seen(entry, ((call.function, call.arguments) for call in calls if call.arguments is not None))


def _not_seen(entry: Entry, calls: Iterable[tuple[str, tuple[str, ...]]]) -> Finding | None:
    if entry.language == "python" or entry.file_key_name is not None:
        return None
    refs = {ref.name for ref in entry.refs}
    sources = {tuple(source) for source in entry.sources}
    for function, arguments in calls:
        if function == "source" and arguments not in sources:
            return Finding(f"parsing did not see its source({', '.join(arguments)})")
        if function == "ref" and not refs.intersection(arguments):
            return Finding(f"parsing did not see its ref({', '.join(arguments)})")
    return None


def _texts(entry: Entry) -> tuple[str, ...]:
    """What is Jinja of a node; the code of a generic test is dbt's own, and that of Python has none."""
    return entry.texts[1:] if entry.language == "python" or entry.file_key_name is not None else entry.texts


def file_differs(entry: Entry, evidence: Evidence) -> Finding | None:
    """The manifest is older than the file, or the file is not here."""
    return None if evidence.stale is None else Finding(evidence.stale, spoils_stub=True)


#: First match wins.
RULES: tuple[Rule, ...] = (
    is_no_jinja,
    config_is_computed,
    file_differs,
    walks_graph,
    reaches_unsafe_macro,
    refs_may_differ,
)


def why_unsafe(entry: Entry, evidence: Evidence) -> Finding | None:
    """The first reason for which a node runs without a slice, or None."""
    for rule in RULES:
        finding = rule(entry, evidence)
        if finding is not None:
            return finding
    return None


def _yaml_entry(entry: Entry) -> tuple[str, str]:
    """The node's entry in a YAML file (`models.orders`), and that file as `package://path`."""
    if entry.resource_type == "test":
        return entry.file_key_name or "", f"{entry.package_name}://{entry.original_file_path}"
    if entry.resource_type == "source":
        return f"sources.{entry.source_name}", f"{entry.package_name}://{entry.original_file_path}"
    return f"{entry.resource_type}s.{entry.name}", entry.patch_path or ""
