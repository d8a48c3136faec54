"""All that the rules of safety look at, gathered from the manifest and from the project's files."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from dbt_af_k8s.dbt.slices.early import EarlyEntries, EarlyProject, early_of_entries, early_of_project, may_be_early
from dbt_af_k8s.dbt.slices.macros import LookingMacros, MacroGraph, UnsafeMacros, looks_around
from dbt_af_k8s.dbt.slices.manifest_json import Entry, Known, MacroEntry
from dbt_af_k8s.dbt.slices.project_files import ProjectFiles
from dbt_af_k8s.dbt.slices.safety import Evidence, Finding, rechecks, why_unsafe
from dbt_af_k8s.dbt.slices.values import FileMark, Recheck

#: Kinds whose `raw_code` is the text of their file, or a part of it.
_TEXT_KINDS = frozenset({"model", "snapshot", "test"})
_YAML = (".yml", ".yaml")


class Gathering:
    """A parsed project beside the files that it was parsed from."""

    def __init__(
        self,
        entries: Mapping[str, Known],
        read: Callable[[str], Entry],
        macros: Iterable[MacroEntry],
        project_dir: Path,
        *,
        name: str,
        adapter: str,
    ) -> None:
        """`read` gives an entry with its texts, which are too many to be held at once."""
        self._entries = entries
        self._read = read
        self._macros = tuple(macros)
        self._name = name
        self._files = ProjectFiles(project_dir, name)
        self._packages = sorted({macro.package_name for macro in self._macros})
        self._project_paths = self._files.project_paths(self._packages)
        self._graph = MacroGraph(
            self._macros, root=name, adapter=adapter, search_orders=self._files.search_orders(self._packages)
        )
        self._looking = LookingMacros(self._graph)
        self._operations = [key for key, entry in sorted(entries.items()) if entry.resource_type == "operation"]

    def findings(self) -> Mapping[str, Finding]:
        """Every node with a reason against a slice: unique_id -> reason."""
        evidence = self._evidence
        found = {}
        for key in self._entries:
            if key in self._operations:
                continue
            entry = self._read(key)
            stale = evidence.stale or self._why_stale(entry)
            finding = why_unsafe(entry, evidence if stale is None else replace(evidence, stale=stale))
            if finding is not None:
                found[key] = finding
        # A project hook runs with every task. One that walks `graph` is given the whole one.
        whole = replace(evidence, macros=UnsafeMacros(self._graph, has_graph=True))
        for key in self._operations:
            finding = why_unsafe(self._read(key), whole)
            if finding is not None:
                why = Finding(f"the hook {key.partition('.')[2]} runs with every task, and {finding.because}")
                return {other: found.get(other, why) for other in self._entries}
        return found

    def rechecks(self) -> Mapping[str, tuple[Recheck, ...]]:
        """What a task must render again before it takes a node from a slice: unique_id -> what."""
        evidence = self._evidence
        found = ((key, rechecks(self._read(key), evidence)) for key in self._entries)
        return {key: values for key, values in found if values}

    def hook_walks_graph(self) -> bool:
        """Whether a project hook may look at Jinja's `graph`."""
        evidence = self._evidence
        return any(why_unsafe(self._read(key), evidence) is not None for key in self._operations)

    def looks_around(self) -> frozenset[str]:
        """The nodes that may look for other relations than their own; all of them where a project hook may."""
        if self._looking.is_everywhere(self._name) or any(self._may_look(self._read(key)) for key in self._operations):
            return frozenset(self._entries)
        return frozenset(key for key in self._entries if self._may_look(self._read(key)))

    def _may_look(self, entry: Entry) -> bool:
        if entry.language == "python" or any(map(looks_around, entry.texts)):
            return True
        return not self._looking.of_package(entry.package_name).isdisjoint(self._graph.of_node(entry))

    def shared_marks(self) -> tuple[FileMark, ...]:
        """The files that every node depends on: those of the project and its packages, and macros that people edit."""
        paths = {self._files.path(macro.package_name, macro.original_file_path) for macro in self._edited_macros()}
        marks = [self._files.mark(path) for path in sorted({*self._project_paths, *paths})]
        return tuple(mark for mark in marks if mark is not None)

    def marks_of(self, parts: Mapping[str, bool]) -> list[FileMark]:
        """The files that a slice comes from: of nodes in full, and of stubs as far as they shape a relation."""
        names: dict[str, bool] = {}
        for key, is_full in parts.items():
            for name in _files_of(self._entries[key]):
                names[name] = names.get(name, False) or is_full or name.endswith(_YAML)
        marks = []
        for name, is_whole in sorted(names.items()):
            path = self._files.path(*name.split("://", 1))
            mark = self._files.mark(path) if is_whole else self._files.jinja_mark(path)
            marks += [] if mark is None else [mark]
        return marks

    @cached_property
    def _evidence(self) -> Evidence:
        project = self._early_project()
        parts = frozenset(part for key in self._entries for part in self._read(key).fqn) if project else frozenset()
        return Evidence(
            macros=UnsafeMacros(self._graph),
            project=project,
            folders=parts,
            files=self._early_files(),
            stale=self._changed_macro(),
        )

    def _early_project(self) -> tuple[EarlyProject, ...]:
        found: list[EarlyProject] = []
        for path in self._project_paths:
            mark = self._files.mark(path)
            if path.name == "dbt_project.yml" and mark is not None and may_be_early(self._files.text(path) or ""):
                package = self._name if path.parent == self._files.root else path.parent.name
                found += early_of_project(self._files.yaml(path), mark.path, package)
        return tuple(found)

    def _early_files(self) -> Mapping[str, EarlyEntries]:
        found: dict[str, EarlyEntries] = {}
        for file in sorted({name for entry in self._entries.values() for name in _yaml_files(entry)}):
            package, _, relative = file.partition("://")
            path = self._files.path(package, relative)
            if may_be_early(self._files.text(path) or ""):
                found[file] = early_of_entries(self._files.yaml(path))
        return found

    def _why_stale(self, entry: Entry) -> str | None:
        if entry.resource_type not in _TEXT_KINDS:
            return None
        path = self._files.path(entry.package_name, entry.original_file_path)
        if not entry.original_file_path.endswith((".sql", ".py")):
            return None if self._files.mark(path) else "its file is not where the manifest says"
        text = self._files.text(path)
        if text is None:
            return "its file is not where the manifest says"
        return "its file has changed since the manifest was made" if _differs(entry.raw_code, text) else None

    def _changed_macro(self) -> str | None:
        for macro in self._edited_macros():
            text = self._files.text(self._files.path(macro.package_name, macro.original_file_path))
            if text is None or _differs(macro.macro_sql, text):
                return f"the macro `{macro.package_name}.{macro.name}` has changed since the manifest was made"
        return None

    def _edited_macros(self) -> list[MacroEntry]:
        """The macros of the project and of packages that are folders of somebody's, not downloads."""
        edited = {package for package in self._packages if self._files.is_edited(package)}
        kept = [macro for macro in self._macros if macro.package_name in edited and macro.original_file_path]
        return sorted(kept, key=lambda macro: (macro.package_name, macro.original_file_path, macro.unique_id))


def _yaml_files(entry: Known) -> Iterator[str]:
    """The YAML files that configure a node, as `package://path`."""
    if entry.patch_path:
        yield entry.patch_path
    if entry.original_file_path.endswith(_YAML):
        yield f"{entry.package_name}://{entry.original_file_path}"


def _files_of(entry: Known) -> Iterator[str]:
    """The files that a node in full comes from, but a seed's own, which dbt reads when it runs."""
    yield from _yaml_files(entry)
    if entry.resource_type in _TEXT_KINDS:
        yield f"{entry.package_name}://{entry.original_file_path}"


def _differs(code: str, text: str) -> bool:
    """Whether a file does not hold this code any more; dbt strips what stands around it."""
    return code.strip().replace("\r\n", "\n") not in text
