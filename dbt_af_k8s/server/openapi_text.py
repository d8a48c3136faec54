"""The OpenAPI description as a page: Markdown for the documentation, HTML without any script for a browser."""

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class _Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """A heading with what stands below it; texts may have `code`."""

    level: int
    heading: str
    texts: tuple[str, ...] = ()
    table: _Table | None = None


def openapi_markdown(schema: Mapping[str, Any]) -> str:
    """The description in Markdown: every address, and every body."""
    lines: list[str] = []
    for part in _parts(schema):
        lines += ["", f"{'#' * part.level} {part.heading}"]
        for text in part.texts:
            lines += ["", text]
        if part.table is not None:
            lines += ["", _row(part.table.columns), "|" + "---|" * len(part.table.columns)]
            lines += [_row(tuple(cell.replace("|", "\\|") for cell in row)) for row in part.table.rows]
    return "\n".join(lines).strip() + "\n"


def openapi_html(schema: Mapping[str, Any]) -> str:
    """The same as one HTML page."""
    body: list[str] = []
    for part in _parts(schema):
        body.append(f"<h{part.level}>{_inline(part.heading)}</h{part.level}>")
        body += [f"<p>{_inline(text)}</p>" for text in part.texts]
        if part.table is not None:
            head = "".join(f"<th>{_inline(cell)}</th>" for cell in part.table.columns)
            rows = "".join(
                "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in part.table.rows
            )
            body.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
    title = html.escape(str(schema["info"]["title"]))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><style>'
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        ":root{color-scheme:light dark}"
        "table{border-collapse:collapse;display:block;overflow-x:auto}"
        "td,th{border:1px solid #8888;padding:.3rem .6rem;text-align:left;vertical-align:top}"
        "code{font:0.9em ui-monospace,monospace}h3{margin-top:2rem}"
        f"</style></head><body>{''.join(body)}</body></html>"
    )


def _parts(schema: Mapping[str, Any]) -> Iterator[_Part]:
    yield _Part(1, str(schema["info"]["title"]), (str(schema["info"]["description"]),))
    yield _Part(2, "Addresses")
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield from _operation(path, method, operation)
    yield _Part(2, "Bodies")
    for name, body in sorted(schema["components"]["schemas"].items()):
        yield _body(name, body)


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[_Part]:
    texts = [str(operation.get("description", ""))]
    asked = operation.get("requestBody", {}).get("content", {})
    texts += [f"Takes: {_kind(content.get('schema', {}))}." for content in asked.values()]
    given = [f"{code} {_answer(answer)}" for code, answer in sorted(operation["responses"].items())]
    texts.append("Answers: " + "; ".join(given) + ".")
    rows = tuple(
        (f"`{each['name']}`", each["in"], _kind(each["schema"]), _default(each["schema"]), each.get("description", ""))
        for each in operation.get("parameters", ())
    )
    table = _Table(("parameter", "in", "takes", "default", "meaning"), rows) if rows else None
    yield _Part(3, f"{method.upper()} {path}", tuple(text for text in texts if text), table)


def _answer(answer: Mapping[str, Any]) -> str:
    kinds = [_kind(content["schema"]) for content in answer.get("content", {}).values() if content.get("schema")]
    said = str(answer["description"]).rstrip(".")
    return said if not kinds or kinds == ["`Problem`"] else f"{said} ({kinds[0]})"


def _body(name: str, body: Mapping[str, Any]) -> _Part:
    texts = (str(body.get("description", "")),)
    if "enum" in body:
        return _Part(3, name, (*texts, "One of " + ", ".join(f"`{value}`" for value in body["enum"]) + "."))
    required = body.get("required", ())
    rows = tuple(
        (
            f"`{key}`",
            _kind(part),
            "required" if key in required else _default(part),
            str(part.get("description", "")),
        )
        for key, part in body.get("properties", {}).items()
    )
    return _Part(3, name, tuple(text for text in texts if text), _Table(("key", "is", "default", "meaning"), rows))


def _kind(part: Mapping[str, Any]) -> str:
    if "$ref" in part:
        return f"`{str(part['$ref']).rsplit('/', 1)[-1]}`"
    if "anyOf" in part:
        kinds = [_kind(each) for each in part["anyOf"] if each.get("type") != "null"]
        is_optional = len(kinds) < len(part["anyOf"])
        return " or ".join(kinds) + (" or null" if is_optional else "")
    if part.get("type") == "array":
        return f"list of {_kind(part.get('items', {}))}"
    kind = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "mapping"}
    said = kind.get(str(part.get("type")), "any value")
    if part.get("format") == "date-time":
        said = "time"
    if "pattern" in part:
        said += f" like `{part['pattern']}`"
    bounds = [f"{word} {part[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in part]
    return " ".join([said, *bounds])


def _default(part: Mapping[str, Any]) -> str:
    if "default" not in part or part["default"] in (None, "", {}):
        return ""
    return f"`{str(part['default']).lower() if isinstance(part['default'], bool) else part['default']}`"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _inline(text: str) -> str:
    """HTML of a text in which backticks mark code."""
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if place % 2 else piece for place, piece in enumerate(pieces))
