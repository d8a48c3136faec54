"""Kinds of values that a user writes about Kubernetes: each checks itself, and says what it takes."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, StrictBool, WithJsonSchema
from pydantic_core import PydanticCustomError

from dbt_af_k8s.config.wording import shown
from dbt_af_k8s.k8s.names import is_dns_label, is_dns_subdomain, is_label_key, is_label_value, safe_label_value
from dbt_af_k8s.k8s.quantities import QUANTITY_FORM, parse_quantity, quantity_fix

#: What the key of a label looks like.
LABEL_KEY_FIX = (
    "Write a name of at most 63 letters, digits, dashes, dots and underscores; "
    "before it may stand a domain and a slash."
)
_DNS_FIX = "Use lower-case letters, digits and dashes, with a letter or digit at both ends."


def _wrong(reason: str, fix: str) -> PydanticCustomError:
    return PydanticCustomError("kubernetes", "{reason}", {"reason": reason, "fix": fix})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "no text")
    return value


def _checked(is_right: Callable[[str], bool], what: str, fix: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        text = _text(value)
        if not is_right(text):
            raise _wrong(f"must be {what}, found {shown(text)}", fix)
        return text

    return check


def _quantity(value: Any) -> str:
    """A number is fine too: `cpu: 2`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong(f"must be {QUANTITY_FORM}, found {shown(value)}", f"Write {QUANTITY_FORM}.")
    text = str(value).strip()
    if parse_quantity(text) is None:
        raise _wrong(f"must be {QUANTITY_FORM}, found {shown(value)}", quantity_fix(text))
    return text


def _image(value: Any) -> str:
    text = _text(value).strip()
    if not text or any(c.isspace() for c in text):
        raise _wrong(f"must name an image, found {shown(value)}", "Write it as `registry/name:tag`, without spaces.")
    return text


def _resource_keys(value: Any) -> Any:
    """`ephemeral_storage` is how our other keys are spelt, `ephemeral-storage` how Kubernetes spells it."""
    if not isinstance(value, dict):
        return value
    return {"ephemeral-storage" if key == "ephemeral_storage" else key: amount for key, amount in value.items()}


def _retry(value: Any) -> bool | tuple[int, ...]:
    if isinstance(value, bool):
        return value
    codes = value if isinstance(value, list | tuple) else (value,)
    if all(isinstance(code, int) and not isinstance(code, bool) and 1 <= code <= 255 for code in codes):
        return tuple(sorted(set(codes)))
    reason = f"must be true, false or a list of exit codes from 1 to 255, found {shown(value)}"
    raise _wrong(reason, "Write `true`, or the exit codes for which another try helps, as `[75]`.")


def _word(value: Any) -> str:
    """A label's or annotation's value. Numbers and true or false become text, as nothing else can be meant."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return value
    raise PydanticCustomError("string_type", "no text")


def _label_value(value: Any) -> str:
    return safe_label_value(_word(value))


def _selector_value(value: Any) -> str:
    text = _word(value)
    if not is_label_value(text):
        fix = "A label's value has at most 63 letters, digits, dashes, dots and underscores."
        raise _wrong(f"can be on no node: {shown(text)}", fix)
    return text


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Flag = StrictBool
Image = Annotated[str, BeforeValidator(_image)]
DnsLabel = Annotated[str, BeforeValidator(_checked(is_dns_label, "a name of Kubernetes", _DNS_FIX))]
DnsName = Annotated[str, BeforeValidator(_checked(is_dns_subdomain, "a name of Kubernetes", _DNS_FIX))]
DnsNames = Annotated[tuple[DnsName, ...], BeforeValidator(_one_or_many)]
LabelKey = Annotated[
    str,
    BeforeValidator(
        _checked(
            is_label_key,
            "the key of a label",
            LABEL_KEY_FIX,
        )
    ),
]
LabelValue = Annotated[str, BeforeValidator(_label_value)]
SelectorValue = Annotated[str, BeforeValidator(_selector_value)]
Word = Annotated[str, BeforeValidator(_word)]
_QUANTITY_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "number"}], "unit": QUANTITY_FORM}
Quantity = Annotated[str, BeforeValidator(_quantity), WithJsonSchema(_QUANTITY_SCHEMA)]
#: Amounts by resource; the names are checked together with the other keys of mappings.
Resources = Annotated[dict[str, Quantity], BeforeValidator(_resource_keys)]
_RETRY_SCHEMA = {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "integer"}}]}
Retry = Annotated[bool | tuple[int, ...], PlainValidator(_retry), WithJsonSchema(_RETRY_SCHEMA)]
#: A part written as Kubernetes writes it; its inside is checked against the fields that Kubernetes has.
Raw = dict[str, Any]
RawList = tuple[Any, ...]
