"""manifest.json read part by part: what is not yet a value of ours stays bytes of the file. Pure.

Read at once, a manifest of 5,000 models takes four times its size before the first node is a value. Here one node after
the other is read and let go, and configurations that are written alike, as most of a project's are, are one value.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import ValidationError

from dbt_af_k8s.manifest.dbt_json import JsonManifest, JsonNode
from dbt_af_k8s.manifest.entries import node_of
from dbt_af_k8s.manifest.values import Node

_MACRO = msgspec.Raw(b"{}")
_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class ReadManifest:
    """A manifest whose nodes are values already."""

    #: All but `nodes`; of macros their names only.
    rest: JsonManifest
    #: None where the file has no `nodes`. In the order of the file.
    nodes: Mapping[str, Node] | None
    #: Keys of `nodes` -> the entry's own unique_id, where it is another one.
    strange_nodes: Mapping[str, str]


def read_parts(text: bytes) -> ReadManifest | None:
    """The manifest of these bytes; None where anything is not as it should be: reading it at once tells what."""
    try:
        parts = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        macros = msgspec.json.decode(parts.pop("macros", _NULL), type=dict[str, msgspec.Raw] | None)
        nodes = msgspec.json.decode(parts.pop("nodes", _NULL), type=dict[str, msgspec.Raw] | None)
        few = {name: raw for name, raw in parts.items() if name in JsonManifest.model_fields}
        if macros is not None:
            few["macros"] = msgspec.Raw(msgspec.json.encode(dict.fromkeys(macros, _MACRO)))
        rest = JsonManifest.model_validate_json(msgspec.json.encode(few))
        reader = NodeReader()
        for unique_id, raw in (nodes or {}).items():
            reader.add(unique_id, JsonNode.model_validate_json(bytes(raw)), raw)
    except (msgspec.MsgspecError, ValidationError, UnicodeDecodeError, RecursionError):
        return None
    return reader.manifest(rest, has_nodes=nodes is not None)


_NULL = msgspec.Raw(b"null")


class NodeReader:
    """Makes nodes of their entries, one after the other."""

    def __init__(self) -> None:
        """No node yet."""
        self._nodes: dict[str, Node] = {}
        self._strange: dict[str, str] = {}
        self._configs: dict[bytes, dict[str, Any] | None] = {}

    def add(self, unique_id: str, entry: JsonNode, raw: msgspec.Raw | None = None) -> None:
        """One entry of `nodes`, and its bytes where they are at hand."""
        if raw is not None:
            written = msgspec.json.decode(raw, type=_Configured).config
            key = hashlib.blake2b(written, digest_size=_KEY_BYTES, usedforsecurity=False).digest()
            entry.config = self._configs.setdefault(key, entry.config)
        self._nodes[unique_id] = node_of(unique_id, entry)
        if entry.unique_id is not None and entry.unique_id != unique_id:
            self._strange[unique_id] = entry.unique_id

    def manifest(self, rest: JsonManifest, *, has_nodes: bool) -> ReadManifest:
        """All nodes read so far, beside the rest of the file."""
        return ReadManifest(rest, self._nodes if has_nodes else None, self._strange)


class _Configured(msgspec.Struct):
    config: msgspec.Raw = _NULL
