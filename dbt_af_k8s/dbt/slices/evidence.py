"""All that the rules of safety look at, gathered from the manifest and from the project's files."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from dbt_af_k8s.dbt.slices.early import EarlyEntries, EarlyProject, early_of_entries, early_of_project, may_be_early
from dbt_af_k8s.dbt.slices.macros import looking_macros, looks_around, unsafe_macros
from dbt_af_k8s.dbt.slices.manifest_json import Entry, Known, MacroEntry
from dbt_af_k8s.dbt.slices.project_files import ProjectFiles
from dbt_af_k8s.dbt.slices.safety import Evidence, Finding, why_unsafe
from dbt_af_k8s.dbt.slices.values import FileMark

#: Kinds whose `raw_code` is the text of their file, or a part of it.
_TEXT_KINDS = frozenset({"model", "snapshot", "test"})


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
        self._adapter = adapter
        self._looking = looking_macros(self._macros, adapter)
        self._files = ProjectFiles(project_dir, name)
        self._project_paths = self._files.project_paths(sorted({macro.package_name for macro in self._macros}))

    def findings(self) -> Mapping[str, Finding]:
        """Every node with a reason against a slice: unique_id -> reason."""
        evidence = self._evidence()
        found = {}
        for key in self._entries:
            entry = self._read(key)
            stale = evidence.stale or self._why_stale(entry)
            finding = why_unsafe(entry, evidence if stale is None else replace(evidence, stale=stale))
            if finding is not None:
                found[key] = finding
        hook = next((key for key in sorted(found) if self._entries[key].resource_type == "operation"), None)
        if hook is not None:
            why = f"the project's hook {hook.partition('.')[2]} runs with every task, and {found[hook].because}"
            found |= {key: Finding(why) for key in self._entries if key not in found}
        return found

    def looks_around(self) -> frozenset[str]:
        """The nodes that may look for other relations than their own; all of them where a project hook may."""
        if self._looking.everywhere is not None:
            return frozenset(self._entries)
        found = frozenset(key for key in self._entries if self._may_look(self._read(key)))
        operations = (key for key, entry in self._entries.items() if entry.resource_type == "operation")
        return frozenset(self._entries) if found.intersection(operations) else found

    def _may_look(self, entry: Entry) -> bool:
        if entry.language == "python" or any(map(looks_around, entry.texts)):
            return True
        return self._looking.reached_by(entry) is not None

    def shared_marks(self) -> tuple[FileMark, ...]:
        """The files that every node depends on: those of the project and its packages, and its own macros."""
        paths = {self._files.path(macro.package_name, macro.original_file_path) for macro in self._own_macros()}
        marks = [self._files.mark(path) for path in sorted({*self._project_paths, *paths})]
        return tuple(mark for mark in marks if mark is not None)

    def marks_of(self, unique_ids: Iterable[str]) -> list[FileMark]:
        """The files that these nodes, in full, come from."""
        names = {name for key in unique_ids for name in _files_of(self._entries[key])}
        paths = [self._files.path(*name.split("://", 1)) for name in sorted(names)]
        return [mark for path in paths if (mark := self._files.mark(path)) is not None]

    def _evidence(self) -> Evidence:
        project = self._early_project()
        parts = frozenset(part for key in self._entries for part in self._read(key).fqn) if project else frozenset()
        return Evidence(
            macros=unsafe_macros(self._macros, self._adapter),
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
                found += early_of_project(self._files.yaml(path), mark.path)
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
        for macro in self._own_macros():
            text = self._files.text(self._files.path(macro.package_name, macro.original_file_path))
            if text is None or _differs(macro.macro_sql, text):
                return f"the macro `{macro.name}` has changed since the manifest was made"
        return None

    def _own_macros(self) -> list[MacroEntry]:
        found = [macro for macro in self._macros if macro.package_name == self._name]
        return sorted(found, key=lambda macro: (macro.original_file_path, macro.unique_id))


def _yaml_files(entry: Known) -> Iterator[str]:
    """The YAML files that configure a node, as `package://path`."""
    if entry.patch_path:
        yield entry.patch_path
    if entry.original_file_path.endswith((".yml", ".yaml")):
        yield f"{entry.package_name}://{entry.original_file_path}"


def _files_of(entry: Known) -> Iterator[str]:
    """The files that a node in full comes from, but a seed's own, which dbt reads when it runs."""
    yield from _yaml_files(entry)
    if entry.resource_type in _TEXT_KINDS:
        yield f"{entry.package_name}://{entry.original_file_path}"


def _differs(code: str, text: str) -> bool:
    """Whether a file does not hold this code any more; dbt strips what stands around it."""
    return code.strip().replace("\r\n", "\n") not in text
