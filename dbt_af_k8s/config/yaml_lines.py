"""Where in a YAML file each key stands, so that a problem can be told with its line and column."""

from collections.abc import Mapping
from typing import NamedTuple

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Keys and positions from the top of a document.
YamlPath = tuple[str | int, ...]


class Mark(NamedTuple):
    """A point of a text file, both counted from 1."""

    line: int
    column: int


def key_marks(data: bytes) -> Mapping[YamlPath, Mark]:
    """Where every key and list item of a document that `load_yaml` has read begins, by its path.

    What stands behind an alias has the mark of the anchor.
    """
    root = yaml.compose(data.decode("utf-8-sig"), Loader=_Loader)
    marks: dict[YamlPath, Mark] = {}
    stack: list[tuple[YamlPath, yaml.Node]] = [((), root)] if root is not None else []
    while stack:
        path, node = stack.pop()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    at = (*path, str(key.value))
                    marks[at] = _mark(key)
                    stack.append((at, value))
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                marks[*path, number] = _mark(item)
                stack.append(((*path, number), item))
    return marks


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def line_of(path: YamlPath, marks: Mapping[YamlPath, Mark]) -> int | None:
    """The line of a path, or of the nearest part above it that is written."""
    for length in range(len(path), 0, -1):
        if path[:length] in marks:
            return marks[path[:length]].line
    return None
