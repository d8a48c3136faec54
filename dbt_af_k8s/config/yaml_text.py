"""YAML as users' files need it: safe types only, duplicate keys found, bombs refused, every fault with its line."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from dbt_af_k8s.config.wording import quoted
from dbt_af_k8s.errors import Issue, ProjectError, error

#: Largest file that is read, in bytes. Settings and profiles have a few KB.
MOST_BYTES = 1024 * 1024
#: Deepest nesting, aliases followed.
MOST_DEPTH = 60
#: Most values in a file, aliases followed: a "billion laughs" file has more.
MOST_VALUES = 200_000

#: The key `<<`, and nothing at all.
_MERGE_TAG = "tag:yaml.org,2002:merge"
_NULL_TAG = "tag:yaml.org,2002:null"

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key that stands twice in one mapping; YAML keeps the last."""

    key: str
    line: int
    first_line: int


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file's top-level mapping (empty for an empty file) and its duplicate keys."""

    mapping: dict[Any, Any] = field(default_factory=dict)
    duplicates: tuple[Duplicate, ...] = ()


def load_yaml(data: bytes, *, file: str) -> YamlFile:
    """Read one YAML document whose top level is a mapping. Raises `ProjectError`; `file` is for its messages."""
    text = _decoded(data, file)
    try:
        _check_depth(text, file)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None or root.tag == _NULL_TAG:
                return YamlFile()
            if not isinstance(root, yaml.MappingNode):
                raise _broken(
                    "The top level is no mapping of keys to values.", "Write `key: value` lines.", file, root.start_mark
                )
            duplicates = _walk(root, file)
            _try_scalars(loader, root, file)
            mapping = _constructed(loader, root, file)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as failed:
        raise _syntax(failed, text, file) from None
    except yaml.YAMLError as failed:
        raise ProjectError(
            [_issue(f"This is not YAML: {_first_line(str(failed))}.", "Remove the character.", file)]
        ) from None
    return YamlFile(mapping, tuple(duplicates))


def without_empty_documents(text: str) -> str:
    """The text without the `---` of documents in which nothing stands, its lines where they were.

    A `---` at the end, or two in a row, is what many templates leave; Kubernetes' own tools pass over it. A text that
    is no YAML comes back as it is.
    """
    lines = text.split("\n")
    start: Any = None
    is_empty = True
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                start, is_empty = (event.start_mark if event.explicit else None), True
            elif isinstance(event, yaml.DocumentEndEvent):
                if start is not None and is_empty:
                    lines[start.line] = ""
            elif not (isinstance(event, yaml.ScalarEvent) and event.value == "" and event.implicit[0]):
                is_empty = False
    except yaml.YAMLError:
        return text
    return "\n".join(lines)


def duplicate_errors(found: YamlFile, *, file: str) -> tuple[Issue, ...]:
    """Duplicate keys as errors: in a file of ours the key that YAML drops was meant."""
    return tuple(
        error(
            "yaml-duplicate-key",
            f"The key {quoted(twice.key)} stands twice in one mapping: lines {twice.first_line} and {twice.line}.",
            "Remove one of the two.",
            file=file,
            key=twice.key if twice.key.isprintable() else None,
        )
        for twice in found.duplicates
    )


def _decoded(data: bytes, file: str) -> str:
    if len(data) > MOST_BYTES:
        raise ProjectError([_issue(f"The file has more than {MOST_BYTES} bytes.", "Is it the right file?", file)])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ProjectError([_issue("The file is UTF-16, not UTF-8.", "Save it as UTF-8.", file)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as failed:
        line = data.count(b"\n", 0, failed.start) + 1
        message = f"The file is not UTF-8: byte {failed.start} (line {line}) is none of its characters."
        raise ProjectError([_issue(message, "Save it as UTF-8.", file)]) from None


def _check_depth(text: str, file: str) -> None:
    """Refuse deep nesting before anything that recurses (composing and constructing do) sees it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                raise _too_deep(file, event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _walk(root: yaml.Node, file: str) -> list[Duplicate]:
    """Find duplicate keys; refuse values that, with their aliases followed, contain themselves or are a bomb."""
    duplicates: list[Duplicate] = []
    #: Of every node that is done: values in it and depth below it, aliases followed.
    sizes: dict[int, tuple[int, int]] = {}
    open_nodes: set[int] = set()
    stack: list[tuple[yaml.Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        mark = id(node)
        if done:
            open_nodes.discard(mark)
            below = [sizes[id(child)] for child in _children(node)]
            values = 1 + sum(size for size, _ in below)
            depth = 1 + max((deep for _, deep in below), default=0)
            if values > MOST_VALUES:
                message = f"With its aliases followed the file has more than {MOST_VALUES} values."
                raise _broken(message, "Use fewer aliases (`*name`).", file, node.start_mark)
            if depth > MOST_DEPTH:
                raise _too_deep(file, node.start_mark)
            sizes[mark] = (values, depth)
        elif mark in open_nodes:
            raise _broken("A value contains itself through an alias.", "Remove the alias.", file, node.start_mark)
        elif mark not in sizes:
            open_nodes.add(mark)
            stack.append((node, True))
            stack.extend((child, False) for child in _children(node))
            duplicates.extend(_duplicates(node))
    return sorted(duplicates, key=lambda twice: (twice.line, twice.key))


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _duplicates(node: yaml.Node) -> Iterator[Duplicate]:
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE_TAG:
            line = key.start_mark.line + 1
            name = (key.tag, key.value)
            if name in seen:
                yield Duplicate(key.value, line, seen[name])
            seen.setdefault(name, line)


#: How PyYAML's own constructors fail on 2026-13-45, on integers of 5,000 digits, on `!!int ''`.
_FAILURES = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError)


def _try_scalars(loader: Any, root: yaml.Node, file: str) -> None:
    """Make every scalar once, so that one that cannot be is told with its line."""
    stack, seen = [root], {id(root)}
    while stack:
        node = stack.pop()
        if isinstance(node, yaml.ScalarNode) and node.tag != _MERGE_TAG:
            try:
                loader.construct_object(node)
            except _FAILURES:
                kind = str(node.tag).rpartition(":")[2]
                message = f"{quoted(node.value)} cannot be read as a value of the type {kind}."
                raise _broken(
                    message, "Correct it, or put it in quotes to have a text.", file, node.start_mark
                ) from None
        for child in _children(node):
            if id(child) not in seen:
                seen.add(id(child))
                stack.append(child)


def _constructed(loader: Any, root: yaml.Node, file: str) -> dict[Any, Any]:
    try:
        mapping: dict[Any, Any] = loader.construct_document(root)
    except _FAILURES as failed:
        message = f"A value cannot be read ({type(failed).__name__})."
        raise ProjectError([_issue(message, "Write plain values, without `!!` types.", file)]) from None
    return mapping


def _syntax(failed: yaml.MarkedYAMLError, text: str, file: str) -> ProjectError:
    mark = failed.problem_mark or failed.context_mark
    problem = _first_line(failed.problem or failed.context or "it cannot be read")
    lines = text.split("\n")
    if mark is not None and mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        return _broken("A tab stands where YAML takes only spaces.", "Indent with spaces.", file, mark)
    if "unhashable" in problem:
        return _broken("A key is a list or a mapping.", "Use a text as the key.", file, mark)
    if "single document" in f"{failed.context}":
        return _broken("The file has several documents (`---`).", "Keep one.", file, mark)
    fix = "Look at that line and the one above: indentation, a missing quote, bracket or colon are the usual causes."
    return _broken(f"This is not YAML: {problem}.", fix, file, mark)


def _too_deep(file: str, mark: Any) -> ProjectError:
    return _broken(f"The file is nested deeper than {MOST_DEPTH} levels.", "Nest less deep.", file, mark)


def _broken(message: str, fix: str, file: str, mark: Any) -> ProjectError:
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
    return ProjectError([_issue(f"{message[:-1]}{where}.", fix, file)])


def _issue(message: str, fix: str, file: str) -> Issue:
    return error("yaml-broken", message, fix, file=file)


def _first_line(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else ""
    return "".join(c if c.isprintable() else " " for c in line)[:160].rstrip(".")
