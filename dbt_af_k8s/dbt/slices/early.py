"""Jinja that dbt renders while it parses: in dbt_project.yml and in the YAML files beside the models. Pure.

What it gives is fixed in the manifest. Where it comes from vars, from the environment or from the target, a task might
get another value, and a slice would not know.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbt_af_k8s.dbt.slices.jinja_words import JinjaText, read_jinja
from dbt_af_k8s.dbt.slices.manifest_json import TestMetadata
from dbt_af_k8s.dbt.slices.values import ADDING_KEYS, Recheck

#: Sections of dbt_project.yml that configure nodes, and the kind of node.
_PROJECT_SECTIONS = {
    "models": "model",
    "seeds": "seed",
    "snapshots": "snapshot",
    "tests": "test",
    "data_tests": "test",
    "sources": "source",
    "functions": "function",
}
#: Sections of other YAML files.
_SECTIONS = ("models", "seeds", "snapshots", "sources", "functions")
#: Keys that dbt renders when it runs, or that no run reads. A source's database and schema are compared at its run.
_LATE_KEYS = frozenset({"pre-hook", "post-hook", "pre_hook", "post_hook", "description", "query-comment"})
_LATE_SOURCE_KEYS = frozenset({"database", "schema", "loaded_at_query"})
_TEST_KEYS = frozenset({"tests", "data_tests"})
#: Keys of a test that configure it; all else is an argument. Source: `TestBuilder` of dbt 1.11.
_TEST_CONFIG = frozenset(
    {
        *("config", "severity", "tags", "enabled", "where", "limit", "warn_if", "error_if", "fail_calc", "meta"),
        *("store_failures", "store_failures_as", "database", "schema", "alias", "name", "description"),
    }
)
#: What gives the same in every parse, and macros that only run late.
_FIXED = frozenset({"ref", "source", "doc", "this", "get_where_subquery", "config", "none"})
#: Jinja that descriptions are full of.
_DOC = re.compile(r"\{\{-?\s*doc\s*\([\w\s'\".,]*\)\s*-?\}\}")


@dataclass(frozen=True, slots=True)
class EarlyText:
    """A text with early Jinja: where it stands, and what makes it so, as it is written."""

    path: tuple[str, ...]
    word: str
    text: str

    def may_concern(self, test: TestMetadata | None) -> bool:
        """Whether it may stand in this generic test; `test` is None for what is none."""
        starts = next((at for at, key in enumerate(self.path) if key in _TEST_KEYS), None)
        if starts is None or test is None or len(self.path) < starts + 4:
            return True
        name = self.path[starts + 2]
        return name in _TEST_CONFIG or name.rpartition(".")[2] == test.name

    def recheck(self, kind: str, *, package: str = "", section: str = "") -> Recheck | None:
        """How a task finds out whether it comes to the same; None where it cannot."""
        if kind == "project":
            starts = next((at for at, key in enumerate(self.path) if key.startswith("+")), len(self.path) - 1)
        else:
            starts = max((at + 1 for at, key in enumerate(self.path) if key == "config"), default=len(self.path))
        keys = tuple(key.lstrip("+") for key in self.path[starts:])
        if len(keys) != 1 or keys[0] in ADDING_KEYS or not keys[0]:
            return None
        return Recheck(kind, keys, "" if section else self.text, (package, section, *self.path) if section else ())


@dataclass(frozen=True, slots=True)
class EarlyProject:
    """The early texts of a dbt_project.yml that configure nodes of one kind."""

    file: str
    package: str
    section: str
    resource_type: str
    text: EarlyText

    def may_reach(self, fqn: Iterable[str], folders: frozenset[str]) -> bool:
        """Whether it may configure the node with this fqn; `folders` are all parts of all nodes' fqn."""
        for key, part in zip(self.text.path[:-1], fqn, strict=False):
            if key.startswith("+"):
                return True
            if key != part:
                return key not in folders
        return True


@dataclass(frozen=True, slots=True)
class EarlyEntries:
    """The early texts of one YAML file by entry (`models.orders`), of the entries and of their tests."""

    entries: Mapping[str, tuple[EarlyText, ...]]
    tests: Mapping[str, tuple[EarlyText, ...]]


def may_be_early(text: str) -> bool:
    """Whether the text of a YAML file is worth reading as YAML; a guess that errs on the safe side."""
    rest = _DOC.sub("", text)
    return "{{" in rest or "{%" in rest


def early_of_project(document: Any, file: str, package: str) -> tuple[EarlyProject, ...]:
    """The early texts of a dbt_project.yml that is already YAML."""
    if not isinstance(document, Mapping):
        return ()
    return tuple(
        EarlyProject(file, package, section, resource_type, found)
        for section, resource_type in _PROJECT_SECTIONS.items()
        for found in _early(document.get(section), (), _LATE_KEYS)
    )


def early_of_entries(document: Any) -> EarlyEntries:
    """The early texts of a models' YAML file that is already YAML."""
    entries: dict[str, list[EarlyText]] = {}
    tests: dict[str, list[EarlyText]] = {}
    if isinstance(document, Mapping):
        for section in _SECTIONS:
            late = _LATE_KEYS | _LATE_SOURCE_KEYS if section == "sources" else _LATE_KEYS
            listed = document.get(section)
            for entry in listed if isinstance(listed, list) else ():
                if not isinstance(entry, Mapping):
                    continue
                key = f"{section}.{entry.get('name')}"
                for found in _early(entry, (), late):
                    if _is_late_argument(found.path):
                        continue
                    into = tests if _TEST_KEYS & set(found.path) else entries
                    into.setdefault(key, []).append(found)
    return EarlyEntries(*({key: tuple(texts) for key, texts in into.items()} for into in (entries, tests)))


def _is_late_argument(path: tuple[str, ...]) -> bool:
    """Whether it is an argument of a test: dbt renders these when the test runs, its configuration when it parses."""
    starts = next((at for at, key in enumerate(path) if key in _TEST_KEYS), None)
    return starts is not None and not _TEST_CONFIG.intersection(path[starts + 1 :])


def _early(value: Any, path: tuple[str, ...], late: frozenset[str]) -> Iterator[EarlyText]:
    """Every early text below a value; the depth is that of the YAML file."""
    stack: list[tuple[Any, tuple[str, ...]]] = [(value, path)]
    while stack:
        below, at = stack.pop()
        if isinstance(below, Mapping):
            stack.extend((item, (*at, str(key))) for key, item in below.items() if str(key).lstrip("+") not in late)
        elif isinstance(below, list):
            stack.extend((item, (*at, "")) for item in below)
        elif isinstance(below, str) and "{" in below:
            reason = _why_early(read_jinja(below))
            if reason is not None:
                yield EarlyText(at, reason, below)


def _why_early(text: JinjaText) -> str | None:
    if text.broken is not None:
        return "Jinja that cannot be read"
    unstable = [part for part in text.references if (part.package or part.name) not in _FIXED]
    return text.first_use if unstable else None
