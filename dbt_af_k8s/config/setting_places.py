"""Which file has a setting, and where in it: a node's may stand in its YAML, in its own `config()`, in dbt_project.yml.

dbt merges these before it writes the manifest, which does not say from where a value came. So they are looked through
in the order in which they win: the node's own file, its YAML, dbt_project.yml from the deepest folder up.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from jinja2 import Environment, TemplateSyntaxError

from dbt_af_k8s.config.yaml_lines import Mark, YamlPath, key_marks
from dbt_af_k8s.config.yaml_text import load_yaml
from dbt_af_k8s.errors import Issue, ProjectError

#: Gives the bytes of a file of the project by its path relative to the project, or None where it cannot be read.
ReadFile = Callable[[str], bytes | None]

#: What may stand before a node setting's name, in the files and in the key of an issue.
_PREFIXES: tuple[YamlPath, ...] = (
    ("config", "meta", "dbt_af_k8s"),
    ("meta", "dbt_af_k8s"),
    ("config", "meta"),
    ("meta",),
    ("config",),
    (),
)
_PART = re.compile(r"\[(\d+)\]|[^.\[\]]+")
_PROJECT_FILE = "dbt_project.yml"


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """What is known of the files that may have a node's settings."""

    #: The section of YAML files that has it: `models`, `seeds`, `snapshots`, `sources`, `exposures`.
    section: str
    name: str
    fqn: tuple[str, ...]
    #: The node's own file, where it is not YAML.
    file: str | None
    #: The YAML file that describes it.
    yaml_file: str | None
    #: Sources only: the name of the source that has the table.
    source_name: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class _Yaml:
    """A YAML file, and where its keys stand; both empty where it cannot be read."""

    mapping: Mapping[Any, Any] = field(default_factory=dict)
    marks: Mapping[YamlPath, Mark] = field(default_factory=dict)

    def items(self, *path: str | int) -> Iterator[tuple[YamlPath, Mapping[Any, Any]]]:
        """The mappings of a list, with their paths."""
        value: Any = self.mapping
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return
        if isinstance(value, list):
            yield from (((*path, number), item) for number, item in enumerate(value) if isinstance(item, Mapping))


@dataclass(frozen=True, slots=True)
class _Project:
    """The files of the project as far as they are asked for, each read once."""

    yaml: Callable[[str], _Yaml]
    text: Callable[[str], str]


def place_issues(
    issues: tuple[Issue, ...], nodes: Mapping[str, NodeFiles], read: ReadFile, *, settings_file: str
) -> tuple[Issue, ...]:
    """Put file, line and column to the issues whose setting can be found; the others stay as they are."""
    project = _Project(
        cache(lambda file: _read_yaml(read(file))), cache(lambda file: (read(file) or b"").decode("utf-8", "replace"))
    )
    return tuple(_placed(issue, nodes, project, settings_file) for issue in issues)


def _placed(issue: Issue, nodes: Mapping[str, NodeFiles], project: _Project, settings_file: str) -> Issue:
    path = key_path(issue.key or "")
    if not path or issue.line is not None:
        return issue
    if issue.node is None and issue.file == settings_file:
        mark = _nearest(path, project.yaml(settings_file).marks)
        return issue if mark is None else replace(issue, line=mark.line, column=mark.column)
    node = nodes.get(issue.node or "")
    candidates = _candidates(node, _setting(path), project) if node is not None else iter(())
    for file, mark in candidates:
        return replace(issue, file=file, line=mark.line, column=mark.column)
    return issue


def key_path(key: str) -> YamlPath:
    """The path of a dotted key: `tasks[0].when` is `("tasks", 0, "when")`."""
    return tuple(int(part[1]) if part[1] else part[0] for part in _PART.finditer(key))


def _setting(path: YamlPath) -> YamlPath:
    """A node setting's own path, without the place of the manifest that had it."""
    for prefix in _PREFIXES:
        if path[: len(prefix)] == prefix and len(path) > len(prefix):
            return path[len(prefix) :]
    return path


def _candidates(node: NodeFiles, setting: YamlPath, project: _Project) -> Iterator[tuple[str, Mark]]:
    if node.file is not None and (mark := config_call_mark(project.text(node.file), str(setting[0]))) is not None:
        yield node.file, mark
    if node.yaml_file is not None:
        file = project.yaml(node.yaml_file)
        for entry in _entries(node, file):
            if (mark := _nearest_setting(entry, setting, file.marks)) is not None:
                yield node.yaml_file, mark
    marks = project.yaml(_PROJECT_FILE).marks
    for length in range(len(node.fqn), -1, -1):
        folder: YamlPath = (node.section, *node.fqn[:length])
        if (mark := _nearest_setting(folder, setting, marks, plus=True)) is not None:
            yield _PROJECT_FILE, mark


def _entries(node: NodeFiles, file: _Yaml) -> Iterator[YamlPath]:
    """Where a YAML file describes the node: its version or table first, then the whole of it."""
    for path, entry in file.items(node.section):
        if entry.get("name") != (node.name if node.source_name is None else node.source_name):
            continue
        for inner, version in file.items(*path, "versions"):
            if node.version is not None and str(version.get("v")) == node.version:
                yield inner
        for inner, table in file.items(*path, "tables"):
            if node.source_name is not None and table.get("name") == node.name:
                yield inner
        yield path


def _nearest_setting(
    entry: YamlPath, setting: YamlPath, marks: Mapping[YamlPath, Mark], *, plus: bool = False
) -> Mark | None:
    """Where an entry has the setting, in whichever of its places; the deepest part of it that is written.

    `plus`: keys may begin with a plus, as in dbt_project.yml.
    """
    for prefix in _PREFIXES:
        for head in (prefix, (f"+{prefix[0]}", *prefix[1:])) if plus and prefix else (prefix,):
            for name in (setting[0], f"+{setting[0]}") if plus and not prefix else (setting[0],):
                if (*entry, *head, name) in marks:
                    return _nearest((*entry, *head, name, *setting[1:]), marks)
    return None


def _nearest(path: YamlPath, marks: Mapping[YamlPath, Mark]) -> Mark | None:
    return next((marks[path[:length]] for length in range(len(path), 0, -1) if path[:length] in marks), None)


def _read_yaml(data: bytes | None) -> _Yaml:
    if data is None:
        return _Yaml()
    try:
        return _Yaml(load_yaml(data, file="").mapping, key_marks(data))
    except ProjectError:
        return _Yaml()


def config_call_mark(sql: str, name: str) -> Mark | None:
    """Where a `config(...)` call of a model's Jinja names a setting: as an argument, or as a key in one."""
    try:
        tokens = list(Environment(autoescape=True).lex(sql))
    except TemplateSyntaxError:
        return None
    depth, before = 0, ""
    for line, kind, value in tokens:
        if kind == "operator" and value == "(" and (depth or before == "config"):
            depth += 1
        elif kind == "operator" and value == ")" and depth:
            depth -= 1
        elif depth and (value == name if kind == "name" else kind == "string" and value[1:-1] == name):
            text = sql.splitlines()[line - 1]
            return Mark(line, max(text.find(value), 0) + 1)
        if kind != "whitespace":
            before = value
    return None
