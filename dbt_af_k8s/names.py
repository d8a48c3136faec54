"""Ids and their rules: which text Airflow takes as an id, and how two things never get the same one.

Airflow allows ids of 250 characters of letters, digits, underscores, dashes and dots
(`airflow.sdk.definitions._internal.node.validate_key`); ids of task groups may have no dots.
"""

import hashlib
import re
from collections.abc import Iterable

#: Longest id that Airflow takes, in characters.
MAX_ID_LENGTH = 250
#: Name of our own dbt package, the one with the maintenance macros.
DBT_PACKAGE = "dbt_af_k8s"
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")


def short_hash(text: str, length: int = 8) -> str:
    """The first `length` hex digits of the SHA-256 of the text: the same on every machine and in every run."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def legal_id(text: str) -> str:
    """Turn a name into an id: dots become `__`; what Airflow refuses becomes `_`, told apart by a hash of the name.

    Names that dbt users write (letters, digits, underscores) come back unchanged.
    """
    dotless = text.replace(".", "__")
    cleaned = _ILLEGAL.sub("_", dotless)
    if cleaned != dotless or not cleaned:
        cleaned = f"{cleaned.strip('_') or 'x'}_{short_hash(text)}"
    return shortened(cleaned, text)


def shortened(identifier: str, full_name: str) -> str:
    """Cut an id that is too long, and end it in a hash of the full name so that it stays its own."""
    if len(identifier) <= MAX_ID_LENGTH:
        return identifier
    mark = f"_{short_hash(full_name)}"
    return identifier[: MAX_ID_LENGTH - len(mark)] + mark


def node_name(name: str, version: str | None) -> str:
    """The name of a node with its version, as dbt prints it: `orders.v2`."""
    return f"{name}.v{version}" if version is not None else name


class IdBook:
    """Hands out ids, each once. Who asks first gets the plain id; who comes later gets one with a hash of its owner."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._taken

    def taken(self) -> frozenset[str]:
        """All ids handed out or taken so far."""
        return frozenset(self._taken)

    def claim(self, wanted: str, owner: str) -> str:
        """Give `wanted` (made legal in length), or the same with a short hash of `owner` where it is taken."""
        plain = shortened(wanted, owner)
        if plain in self._taken:
            mark = f"_{short_hash(owner)}"
            plain = plain[: MAX_ID_LENGTH - len(mark)] + mark
        while plain in self._taken:
            mark = f"_{short_hash(plain + owner)}"
            plain = plain[: MAX_ID_LENGTH - len(mark)] + mark
        self._taken.add(plain)
        return plain
