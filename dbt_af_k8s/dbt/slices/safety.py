"""Which nodes may run from a slice, as rules in a row: the first that finds a reason keeps the node whole. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dbt_af_k8s.dbt.slices.early import EarlyEntries, EarlyProject
from dbt_af_k8s.dbt.slices.jinja_words import calls, computed_config, words
from dbt_af_k8s.dbt.slices.macros import GRAPH, UnsafeMacros, unstable_refs
from dbt_af_k8s.dbt.slices.manifest_json import Entry


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


def walks_graph(entry: Entry, evidence: Evidence) -> Finding | None:
    """`graph` holds every node of the project; in a slice it would hold a few."""
    if any(GRAPH in words(text) for text in entry.texts):
        return Finding("its Jinja walks `graph`")
    return None


def reaches_unsafe_macro(entry: Entry, evidence: Evidence) -> Finding | None:
    """As `walks_graph`, and others, through a macro."""
    why = evidence.macros.everywhere or evidence.macros.reached_by(entry)
    return None if why is None else Finding(why)


def config_is_computed(entry: Entry, evidence: Evidence) -> Finding | None:
    """`config(...)` in the node's own file is rendered when parsing."""
    if entry.resource_type == "source" or entry.language == "python":
        return None
    why = computed_config(entry.raw_code)
    return None if why is None else Finding(f"its {why}", spoils_stub=True)


def yaml_is_computed(entry: Entry, evidence: Evidence) -> Finding | None:
    """Configuration in the YAML file beside the node is rendered when parsing."""
    key, file = _yaml_entry(entry)
    found = evidence.files.get(file)
    if found is None:
        return None
    word = (found.tests if entry.resource_type == "test" else found.entries).get(key)
    if word is None:
        return None
    return Finding(f"its entry in {file.partition('://')[2]} is computed from `{word}`", spoils_stub=True)


def project_is_computed(entry: Entry, evidence: Evidence) -> Finding | None:
    """Configuration in dbt_project.yml is rendered when parsing."""
    for early in evidence.project:
        if early.resource_type == entry.resource_type and early.may_reach(entry.fqn, evidence.folders):
            where = f"{early.file} ({'.'.join(early.text.path)})"
            return Finding(f"its configuration in {where} is computed from `{early.text.word}`", spoils_stub=True)
    return None


def refs_may_differ(entry: Entry, evidence: Evidence) -> Finding | None:
    """A parent that parsing did not see is not in the slice."""
    if entry.language == "python" or entry.file_key_name is not None:
        return None
    refs = {ref.name for ref in entry.refs}
    sources = {tuple(source) for source in entry.sources}
    for text in entry.texts:
        for call in calls(text):
            if call.arguments is None:
                if unstable_refs(text):
                    return Finding(f"which {call.function}() it calls is computed when it runs")
            elif call.function == "source" and call.arguments not in sources:
                return Finding(f"parsing did not see its source({', '.join(call.arguments)})")
            elif call.function == "ref" and not refs.intersection(call.arguments):
                return Finding(f"parsing did not see its ref({', '.join(call.arguments)})")
    return None


def file_differs(entry: Entry, evidence: Evidence) -> Finding | None:
    """The manifest is older than the file, or the file is not here."""
    return None if evidence.stale is None else Finding(evidence.stale)


#: First match wins.
RULES: tuple[Rule, ...] = (
    config_is_computed,
    yaml_is_computed,
    project_is_computed,
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
