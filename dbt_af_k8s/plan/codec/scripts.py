"""Scripts and their targets as JSON and back, field by field as their types say: they have some sixty fields."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from dbt_af_k8s.plan.codec.fields import Fields, PlanFormatError

Value = TypeVar("Value")
_WORDS = {str: "a text", int: "a whole number", bool: "true or false"}


def script_to_dict(value: Any) -> dict[str, Any]:
    """A frozen dataclass of plain values; fields that have their default are left out.

    Raises `PlanFormatError` where a value is none of JSON.
    """
    found = {}
    for each in fields(value):
        held = getattr(value, each.name)
        if held != _default(each):
            found[each.name] = _written(held)
    return found


def read_script(made: type[Value], data: Fields) -> Value:
    """The value that `script_to_dict` wrote. Raises `PlanFormatError`; keys that are not known are passed over."""
    hints = get_type_hints(made)
    given = {}
    for each in fields(made):  # type: ignore[arg-type]
        if each.name in data.data:
            given[each.name] = _read(hints[each.name], data.data[each.name], data, each.name)
        elif each.default is MISSING and each.default_factory is MISSING:
            data.value(each.name)
    return made(**given)


def _default(each: Field[Any]) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default


def _written(value: Any) -> Any:
    """Depth is that of a pod, which has an end."""
    if is_dataclass(value):
        return script_to_dict(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise PlanFormatError(f"JSON cannot hold {value!r} unchanged; use texts as keys.")
        return {key: _written(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise PlanFormatError(f"JSON has no word for {value!r}.")


def _read(hint: Any, value: Any, data: Fields, key: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        (inner,) = (each for each in arguments if each is not NoneType)
        return None if value is None else _read(inner, value, data, key)
    if origin is tuple:
        if not isinstance(value, list):
            raise data.wrong(key, "a list")
        hints = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(hints) != len(value):
            raise data.wrong(key, f"a list of {len(hints)}")
        return tuple(_read(each, item, data, key) for each, item in zip(hints, value, strict=True))
    if origin is Mapping or is_dataclass(hint):
        if not isinstance(value, dict):
            raise data.wrong(key, "an object")
        if origin is Mapping:
            return value if arguments[1] is Any else {k: _read(arguments[1], v, data, key) for k, v in value.items()}
        return read_script(hint, Fields(value, data.place(key)))
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise data.wrong(key, _WORDS[hint])
    return value
