"""What can be wrong with a manifest.json, as issues with the place and the way out."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from dbt_af_k8s.errors import Issue, error, quoted

#: How to get a good manifest: the fix of nearly every problem here.
WRITE_AGAIN = "Run `dbt parse` in the project to write it again, or name another file with --manifest."
#: Wrong fields told one by one; a file with more is not a manifest that somebody mends by hand.
MOST_TOLD = 50
_PLACE = re.compile(r" at line (\d+) column (\d+)$")
_WANTED = {
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "a list",
    "string_type": "text",
}
#: What pydantic adds to the place of a value that may be text or a number.
_UNION_BRANCHES = ("str", "int", "float")
#: Parts of the manifest whose entries are nodes, so that a problem can name the node.
_PARTS_OF_NODES = frozenset({"nodes", "sources", "exposures", "disabled"})


def kind_of(value: Any) -> str:
    """What a JSON value is, for a person."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return f"the text {quoted(value)}"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return "something else"


def json_problem(data: bytes, cause: str, *, file: str) -> Issue:
    """The issue for bytes that are no JSON. `cause` is the JSON reader's own words, with line and column."""
    if not data.strip():
        return error("manifest-empty", f"The manifest is empty ({len(data)} bytes).", WRITE_AGAIN, file=file)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return error("manifest-not-utf8", "The manifest is UTF-16, not UTF-8.", WRITE_AGAIN, file=file)
    found = _PLACE.search(cause)
    reason = cause[: found.start()] if found else cause
    where = ""
    if found:
        line, column = int(found[1]), int(found[2])
        offset = _offset(data, line, column)
        where = f" at byte {offset} of {len(data)} (line {line}, column {column})"
    if "EOF" in reason:
        return error(
            "manifest-truncated",
            f"The manifest ends in the middle{where}: perhaps dbt was still writing it, or the disk was full.",
            WRITE_AGAIN,
            file=file,
        )
    if "unicode" in reason:
        return error("manifest-not-utf8", f"The manifest is not UTF-8{where}.", WRITE_AGAIN, file=file)
    if "recursion" in reason:
        return error(
            "manifest-too-deep",
            f"The manifest is nested deeper than any dbt manifest{where}.",
            "Shorten the `meta` or `config` that is nested so deep, then run `dbt parse` again.",
            file=file,
        )
    return error("manifest-not-json", f"The manifest is not JSON: {reason}{where}.", WRITE_AGAIN, file=file)


def _offset(data: bytes, line: int, column: int) -> int:
    """The byte of a line and column, both counted from 1."""
    start = 0
    for _ in range(line - 1):
        start = data.find(b"\n", start) + 1
    return min(start + column, len(data))


def field_problems(failed: ValidationError, *, file: str) -> list[Issue]:
    """One issue for every field of the wrong type, at most `MOST_TOLD` and one that counts the rest."""
    issues: dict[tuple[str, str], Issue] = {}
    for found in failed.errors(include_url=False, include_context=False):
        parts = [str(part) for part in found["loc"]]
        is_inside = len(parts) > 1 and parts[0] in _PARTS_OF_NODES
        node = parts[1] if is_inside else None
        wanted = _WANTED.get(found["type"], "of another type")
        if len(parts) > 2 and parts[-1] in _UNION_BRANCHES:
            parts, wanted = parts[:-1], "text or a number"
        key = ".".join(parts[2:] if is_inside else parts) or None
        what = f"`{key}`" if key else ("The entry" if is_inside else "The file")
        issues.setdefault(
            (node or "", key or ""),
            error(
                "manifest-wrong-type",
                f"{what} must be {wanted}, found {kind_of(found['input'])}.",
                WRITE_AGAIN,
                file=file,
                node=node,
                key=key,
            ),
        )
    told = list(issues.values())
    if len(told) <= MOST_TOLD:
        return told
    more = len(told) - MOST_TOLD
    rest = error("manifest-wrong-type", f"And {more} more fields of the wrong type.", WRITE_AGAIN, file=file)
    return [*told[:MOST_TOLD], rest]
