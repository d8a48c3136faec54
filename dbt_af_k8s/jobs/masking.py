"""A Job as it may be shown in a log: what sounds secret is masked, wherever else it stands too."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.k8s.secret_names import sounds_secret

#: What stands in a secret's place; Airflow writes the same.
MASK = "***"
#: Shorter texts are not looked for elsewhere: masking every `1` would leave nothing to read.
_SHORTEST = 4
_OPTION = re.compile(r"(?P<option>--?(?P<name>[A-Za-z][\w.-]*))(=(?P<value>.+))?", re.DOTALL)
_LOGIN = re.compile(r"(?<=://)[^/\s:@]*:(?P<value>[^/\s@]+)(?=@)")


def secrets_in(value: Any) -> tuple[str, ...]:
    """Every text in an object that sounds secret, sorted, longest first.

    The values of keys, variables and options with such names, and passwords in addresses.
    """
    found = {text for text in _secrets(value) if len(text) >= _SHORTEST}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def _secrets(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        held = stack.pop()
        if isinstance(held, Mapping):
            name = held.get("name")
            if isinstance(name, str) and sounds_secret(name) and isinstance(held.get("value"), str):
                yield held["value"]
            for key, below in held.items():
                if isinstance(below, str) and sounds_secret(str(key)):
                    yield below
            stack.extend(held.values())
        elif isinstance(held, list | tuple):
            yield from _options(held)
            stack.extend(held)
        elif isinstance(held, str):
            yield from (found["value"] for found in _LOGIN.finditer(held))


def _options(words: list[Any] | tuple[Any, ...]) -> Iterator[str]:
    """`--password=x` and `--password`, `x`."""
    for word, after in zip(words, (*words[1:], None), strict=True):
        option = _OPTION.fullmatch(word) if isinstance(word, str) else None
        if option is not None and sounds_secret(option["name"]):
            if option["value"] is not None:
                yield option["value"]
            elif isinstance(after, str):
                yield after


def masked(value: Any, secrets: tuple[str, ...]) -> Any:
    """The same object with the secrets masked in every text, keys included. Objects of manifests are not deep."""
    if isinstance(value, Mapping):
        return {masked(key, secrets): masked(below, secrets) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, secrets) for item in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
    return value
