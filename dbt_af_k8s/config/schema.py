"""The JSON schema and the reference page of the settings, made from `written` and `node_meta`."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from dbt_af_k8s.config.node_meta import NodeMeta
from dbt_af_k8s.config.written import Config

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
#: Names of types in the reference, by JSON schema type.
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "object": "mapping",
    "array": "list",
    "number": "number",
}


def settings_json_schema() -> dict[str, Any]:
    """JSON schema of `dbt_af_k8s.yml`, for editors: the same bytes every time it is made."""
    schema = Config.model_json_schema()
    return {"$schema": _DRAFT, **_tidied(schema), "title": "dbt_af_k8s.yml"}


def settings_reference() -> str:
    """The reference of the settings file and of the node settings, in Markdown."""
    schema = settings_json_schema()
    lines = ["# Settings", "", str(schema["description"]), "", "A key without a value counts as not written.", ""]
    lines += ["## Top level", "", *_table(schema, schema)]
    for name, section in schema["properties"].items():
        for title, below in _sections(name, section, schema):
            lines += ["", f"## `{title}`", "", str(below.get("description", ""))]
            if below.get("properties"):
                lines += ["", *_table(below, schema)]
    node = _tidied(NodeMeta.model_json_schema())
    lines += ["", "# Node settings", "", str(node["description"]), "", *_table(node, node)]
    dependency = node["$defs"]["DependencyMeta"]
    lines += ["", "## `dependencies.<model>`", "", str(dependency["description"]), "", *_table(dependency, node)]
    return "\n".join(lines) + "\n"


def keys_reference(model: type[BaseModel]) -> str:
    """The keys of another file that a person writes, in Markdown: one table for each mapping in it."""
    schema = _tidied(model.model_json_schema())
    lines = ["## Top level", "", *_table(schema, schema)]
    for name, section in schema["properties"].items():
        for title, below in _sections(name, section, schema):
            if below.get("properties"):
                lines += ["", f"## `{title}`", "", str(below.get("description", "")), "", *_table(below, schema)]
    return "\n".join(lines) + "\n"


def _tidied(part: Any) -> Any:
    """Without pydantic's titles and null branches: a key that is not given is simply left out."""
    if isinstance(part, list):
        return [_tidied(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _tidied(value) for key, value in part.items() if not (key == "title" and isinstance(value, str))}
    if kept.get("default", 0) is None:
        del kept["default"]
    branches = [branch for branch in kept.get("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) == 1:
        del kept["anyOf"]
        kept = {**branches[0], **kept}
    elif branches:
        kept["anyOf"] = branches
    return kept


def _sections(name: str, step: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The mappings below a key, each once, with the names that people write."""
    if _by_type(step):
        for kind, reference in _by_type(step).items():
            yield f"{name}` with type `{kind}", _referred({"$ref": reference}, schema)
    elif "$ref" in step:
        found = _referred(step, schema)
        yield name, found
        parts = found.get("properties", {}).items()
        below = [(key, part) for key, part in parts if "$ref" in part]
        seen: set[str] = set()
        for key, part in below:
            # The kinds of `retries` are all alike, and so are those of `callbacks`.
            is_kind = sum(part["$ref"] == other["$ref"] for _, other in below) > 1
            if not is_kind:
                yield from _sections(f"{name}.{key}", part, schema)
            elif part["$ref"] not in seen:
                seen.add(part["$ref"])
                yield f"{name}.<kind>", _referred(part, schema)
        for key, part in parts:
            if "$ref" in part.get("items", {}):
                yield from _sections(f"{name}.{key}", part, schema)
        if isinstance(found.get("additionalProperties"), dict):
            yield from _sections(f"{name}.<name>", found["additionalProperties"], schema)
    elif isinstance(step.get("additionalProperties"), dict):
        yield from _sections(f"{name}.<name>", step["additionalProperties"], schema)
    elif "$ref" in step.get("items", {}):
        yield from _sections(f"{name}[]", step["items"], schema)


def _by_type(step: Mapping[str, Any]) -> Mapping[str, str]:
    """The references to the mappings that can stand there, by their `type`; empty where there is no such choice."""
    branches = (step, *step.get("anyOf", ()))
    choice = next((branch for branch in branches if "discriminator" in branch), None)
    if choice is None:
        return {}
    kinds = {reference: kind for kind, reference in choice["discriminator"]["mapping"].items()}
    return {kinds[branch["$ref"]]: branch["$ref"] for branch in choice["oneOf"]}


def _referred(step: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema["$defs"][step["$ref"].rsplit("/", 1)[-1]]
    return found


def _table(section: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    required = section.get("required", ())
    for key, part in section["properties"].items():
        meaning = part.get("description") or _referred(part, schema).get("description", "")
        default = "required" if key in required else _default(part)
        rows.append(f"| `{key}` | {_takes(part, schema)} | {default} | {_cell(str(meaning))} |")
    return rows


def _takes(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "unit" in part:
        return _cell(str(part["unit"]))
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return _cell(", ".join(f"`{name}`" for name in part["enum"]))
    if _by_type(part):
        return "name, or mapping"
    if "anyOf" in part:
        one = part["anyOf"][0]
        return f"{_takes(one, schema)}; one or a list"
    if "$ref" in part:
        return "mapping"
    if "minimum" in part and part["minimum"] > -(2**30):
        return f"whole number from {part['minimum']}"
    return _TYPES.get(str(part.get("type")), "any value")


def _default(part: Mapping[str, Any]) -> str:
    if "default" not in part:
        return ""
    match part["default"]:
        case bool(value):
            return "`true`" if value else "`false`"
        case list(values):
            return ", ".join(f"`{value}`" for value in values)
        case "" | dict():
            return ""
        case value:
            return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
