"""What pydantic found wrong, in the words of the user: key, what was expected, what was found, the closest name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dbt_af_k8s.config.wording import choose_from, quoted, shown

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
    return [_finding(found, model) for found in failed.errors(include_url=False)]


def _finding(found: ErrorDetails, model: type[BaseModel]) -> Finding:
    path, kind = found["loc"], found["type"]
    value, context = found["input"], found.get("ctx", {})
    if path and path[-1] == "[key]":  # a key of a free mapping
        path = path[:-1]
        return Finding(path, "wrong", "The key must be text and not empty.", "Give the key a name.")
    match kind:
        case "extra_forbidden":
            known = known_keys(model, path[:-1])
            fix = choose_from(str(path[-1]), known) if known else "Remove it: this section takes no key yet."
            return Finding(path, "unknown", f"The key {quoted(str(path[-1]))} is not known.", fix)
        case "invalid_key":
            message = f"A key must be text, found {shown(path[-1])}."
            fix = "Put the key in quotes (YAML reads on, off, yes, no, dates and numbers as something else than text)."
            return Finding(tuple(str(part) for part in path), "wrong", message, fix)
        case "missing":
            return Finding(path, "missing", f"The key `{path[-1]}` is missing.", f"Give `{path[-1]}` a value.")
        case "literal_error":
            names = _expected(context)
            fix = choose_from(value, names) if isinstance(value, str) else f"Use one of {', '.join(names)}."
            return Finding(path, "wrong", f"{shown(value).capitalize()} is not one of the values known.", fix)
        case "string_too_short" | "too_short":
            return Finding(path, "wrong", "It is empty.", "Give it a value, or remove the key.")
        case _ if kind in _LEAST:
            least = context[_LEAST[kind]]
            return Finding(
                path, "wrong", f"It must be at least {least}, found {shown(value)}.", f"Use {least} or more."
            )
        case _ if kind in _MOST:
            most = context[_MOST[kind]]
            return Finding(path, "wrong", f"It must be at most {most}, found {shown(value)}.", f"Use {most} or less.")
        case _ if kind in _WANTED:
            wanted = _WANTED[kind]
            return Finding(path, "wrong", f"It must be {wanted}, found {shown(value)}.", f"Write {wanted}.", True)
    reason = str(context.get("reason", found["msg"]))
    return Finding(path, "wrong", f"It {reason}.", "Correct the value.")


def _expected(context: Mapping[str, Any]) -> list[str]:
    """The values of a Literal, out of pydantic's own words `'a', 'b' or 'c'`."""
    told = str(context.get("expected", "")).replace(" or ", ", ")
    return [name.strip().strip("'") for name in told.split(",")]


def known_keys(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the mapping at `path` knows, in the order of the reference."""
    root = model.model_json_schema()
    here: Mapping[str, Any] = root
    for part in path:
        if isinstance(part, int):
            step = here.get("items", {})
        else:
            step = here.get("properties", {}).get(part) or here.get("additionalProperties") or {}
        here = _resolved(step, root)
    return list(here.get("properties", {}))


def _resolved(step: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, and of several branches (a value or null) take the one that holds something."""
    if not isinstance(step, Mapping):
        return {}
    for branch in (step, *step.get("anyOf", ())):
        if "$ref" in branch:
            found: Mapping[str, Any] = root["$defs"][str(branch["$ref"]).rsplit("/", 1)[-1]]
            return found
        if not {"properties", "additionalProperties", "items"}.isdisjoint(branch):
            held: Mapping[str, Any] = branch
            return held
    return step
