"""What pydantic found wrong, in the words of the user: key, what was expected, what was found, the closest name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dbt_af_k8s.config.wording import choose_from, listed, quoted, shown

_WANTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "mapping_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
#: Types of errors that say the value has another shape altogether, not a wrong content.
SHAPE_ERRORS = frozenset(_WANTED)
_LEAST = {"greater_than_equal": "ge", "greater_than": "gt"}
_MOST = {"less_than_equal": "le", "less_than": "lt"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One error of pydantic, told: `kind` is `unknown`, `missing` or `wrong`."""

    #: The path of keys and list positions.
    path: tuple[str | int, ...]
    kind: str
    message: str
    fix: str
    #: Whether the value has another shape than wanted (a text for a mapping), not a wrong content.
    is_shape: bool = False

    @property
    def key(self) -> str:
        """The dotted key: `tasks[0].when.kind`."""
        return dotted(self.path)


def dotted(path: Iterable[str | int]) -> str:
    """A path of keys and positions as one key: `tasks[0].when.kind`."""
    key = ""
    for part in path:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            shown_part = part if part.isprintable() and len(part) <= 80 and part else quoted(part)
            key += f".{shown_part}" if key else shown_part
    return key


def findings(failed: ValidationError, model: type[BaseModel]) -> list[Finding]:
    """Every error of a validation against `model`, in the order of the fields."""
    schema = model.model_json_schema()
    return [_finding(found, schema) for found in failed.errors(include_url=False)]


def _finding(found: ErrorDetails, schema: Mapping[str, Any]) -> Finding:
    path, kind = _without_types(found["loc"], schema), found["type"]
    value, context = found["input"], found.get("ctx", {})
    if path and path[-1] == "[key]":  # a key of a free mapping; pydantic gives its repr before
        if isinstance(value, str) and value and "reason" in context:  # the key's own kind says what it takes
            message = f"A key of `{dotted(path[:-2])}` {context['reason']}."
            return Finding((*path[:-2], value), "wrong", message, str(context.get("fix", "Correct the key.")))
        return _strange_key(path[:-2], value)
    if kind == "invalid_key":
        return _strange_key(path[:-1], value if path[-1:] == ("[key]",) else path[-1])
    name = f"`{dotted(path)}`"
    match kind:
        case "extra_forbidden":
            known = _known_keys(schema, found["loc"][:-1])
            fix = choose_from(str(path[-1]), known) if known else "Remove it: this section takes no key yet."
            return Finding(path, "unknown", f"The key {quoted(str(path[-1]))} is not known.", fix)
        case "missing":
            return Finding(path, "missing", f"The key {name} is missing.", "Give it a value.")
        case "union_tag_not_found":
            return Finding(
                (*path, "type"), "missing", f"The key `{dotted((*path, 'type'))}` is missing.", "Give it a value."
            )
        case "union_tag_invalid":
            written = value.get("type") if isinstance(value, Mapping) else value
            names = _expected({"expected": context["expected_tags"]})
            fix = choose_from(written, names) if isinstance(written, str) else f"Use one of {listed(names)}."
            name = f"`{dotted((*path, 'type'))}`"
            return Finding((*path, "type"), "wrong", f"{name} knows nothing like {shown(written)}.", fix)
        case "literal_error":
            names = _expected(context)
            fix = choose_from(value, names) if isinstance(value, str) else f"Use one of {listed(names)}."
            return Finding(path, "wrong", f"{name} knows nothing like {shown(value)}.", fix)
        case "string_pattern_mismatch":
            message = f"{name} must be like {context['pattern']}, found {shown(value)}."
            return Finding(path, "wrong", message, "Use the letters that this pattern allows.")
        case "string_too_short" | "too_short":
            return Finding(path, "wrong", f"{name} is empty.", "Give it a value, or remove the key.")
        case _ if kind in _LEAST:
            least = context[_LEAST[kind]]
            message = f"{name} must be at least {least}, found {shown(value)}."
            return Finding(path, "wrong", message, f"Use {least} or more.")
        case _ if kind in _MOST:
            most = context[_MOST[kind]]
            return Finding(
                path, "wrong", f"{name} must be at most {most}, found {shown(value)}.", f"Use {most} or less."
            )
        case _ if kind in _WANTED:
            wanted = _WANTED[kind]
            keys = _known_keys(schema, found["loc"]) if wanted == "a mapping" else []
            fix = f"Write {wanted}{f' with {listed(keys)}' if keys else ''}."
            return Finding(path, "wrong", f"{name} must be {wanted}, found {shown(value)}.", fix, True)
    reason = str(context.get("reason", found["msg"]))
    return Finding(path, "wrong", f"{name} {reason}.", str(context.get("fix", "Correct the value.")))


def _strange_key(path: tuple[str | int, ...], key: Any) -> Finding:
    """A key that is not text, or empty."""
    place = f"of `{dotted(path)}`" if path else "at the top"
    if key == "":
        return Finding((*path, ""), "wrong", f"A key {place} is empty.", "Give it a name.")
    fix = "Put it in quotes: YAML reads on, off, yes, no, dates and numbers as something else than text."
    return Finding((*path, str(key)), "wrong", f"A key {place} must be text, found {shown(key)}.", fix)


def _expected(context: Mapping[str, Any]) -> list[str]:
    """The values of a Literal, out of pydantic's own words `'a', 'b' or 'c'`."""
    told = str(context.get("expected", "")).replace(" or ", ", ")
    return [name.strip().strip("'") for name in told.split(",")]


def _known_keys(schema: Mapping[str, Any], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the mapping at `path`, as pydantic gives it, knows, in the order of the reference."""
    here = schema
    for part in path:
        here = _step(here, part, schema)
    return ["type"] if _types(here) else list(here.get("properties", {}))


def _without_types(path: tuple[str | int, ...], schema: Mapping[str, Any]) -> tuple[str | int, ...]:
    """A path without what pydantic puts into it where the keys of a mapping depend on its `type`: that type."""
    here, kept = schema, []
    for part in path:
        if part not in _types(here):
            kept.append(part)
        here = _step(here, part, schema)
    return tuple(kept)


def _types(here: Mapping[str, Any]) -> Mapping[str | int, str]:
    """The references to the mappings that can stand here, by their `type`; empty where there is no choice."""
    found: Mapping[str | int, str] = here.get("discriminator", {}).get("mapping", {})
    return found


def _step(here: Mapping[str, Any], part: str | int, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands at a key or position below `here`."""
    if part in _types(here):
        return _resolved({"$ref": _types(here)[part]}, schema)
    if isinstance(part, int):
        return _resolved(here.get("items", {}), schema)
    return _resolved(here.get("properties", {}).get(part) or here.get("additionalProperties") or {}, schema)


def _resolved(step: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, and of several branches (a value or null) take the one that holds something."""
    if not isinstance(step, Mapping):
        return {}
    for branch in (step, *step.get("anyOf", ())):
        if "$ref" in branch:
            found: Mapping[str, Any] = root["$defs"][str(branch["$ref"]).rsplit("/", 1)[-1]]
            return found
        if not {"properties", "additionalProperties", "items", "discriminator"}.isdisjoint(branch):
            held: Mapping[str, Any] = branch
            return held
    return step
