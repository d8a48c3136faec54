"""In which line of a YAML file each key stands, so that a problem can be told with its line."""

from collections.abc import Mapping

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def key_lines(data: bytes) -> Mapping[tuple[str | int, ...], int]:
    """The line, from 1, of every key and list item of a document that `load_yaml` has read, by its path.

    What stands behind an alias has the line of the anchor.
    """
    root = yaml.compose(data.decode("utf-8-sig"), Loader=_Loader)
    lines: dict[tuple[str | int, ...], int] = {}
    stack: list[tuple[tuple[str | int, ...], yaml.Node]] = [((), root)] if root is not None else []
    while stack:
        path, node = stack.pop()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    at = (*path, str(key.value))
                    lines[at] = key.start_mark.line + 1
                    stack.append((at, value))
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                lines[*path, number] = item.start_mark.line + 1
                stack.append(((*path, number), item))
    return lines


def line_of(path: tuple[str | int, ...], lines: Mapping[tuple[str | int, ...], int]) -> int | None:
    """The line of a path, or of the nearest part above it that is written."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None
