"""dbt's manifest.json, read so that its bulk stays undecoded bytes. Pure.

A manifest of 5,000 models takes five times its size when all of it becomes Python objects. Here each entry stays a
view into the file's bytes until it is looked at, one after the other.
"""

from collections.abc import Iterator
from typing import Any

import msgspec


class Metadata(msgspec.Struct, frozen=True):
    """`metadata` of a manifest."""

    dbt_schema_version: str = ""
    dbt_version: str = ""
    project_name: str | None = None
    project_id: str | None = None
    adapter_type: str | None = None
    quoting: dict[str, Any] | None = None


class Document(msgspec.Struct, frozen=True):
    """A manifest: its entries as bytes."""

    metadata: Metadata
    nodes: dict[str, msgspec.Raw]
    sources: dict[str, msgspec.Raw]
    macros: dict[str, msgspec.Raw] = {}
    groups: msgspec.Raw = msgspec.Raw(b"{}")
    functions: dict[str, msgspec.Raw] = {}


class Hook(msgspec.Struct, frozen=True):
    """One `pre-hook` or `post-hook`."""

    sql: str = ""


class Materialized(msgspec.Struct, frozen=True, gc=False):
    """`config` of a node, as far as the cut looks at it."""

    materialized: str | None = None


class NodeConfig(Materialized, frozen=True):
    """`config` of a node, as far as the rules look at it."""

    pre_hook: list[Hook] = msgspec.field(default_factory=list, name="pre-hook")
    post_hook: list[Hook] = msgspec.field(default_factory=list, name="post-hook")
    incremental_strategy: str | None = None
    #: Of a snapshot.
    strategy: str | None = None

    @property
    def strategy_macros(self) -> tuple[str, ...]:
        """The macros that dbt looks up by these names; one of a package has its name before a dot."""
        package, dot, bare = (self.strategy or "").rpartition(".")
        names = ((self.incremental_strategy, f"get_incremental_{self.incremental_strategy}_sql"),)
        return tuple(
            name for given, name in (*names, (self.strategy, f"{package}{dot}snapshot_{bare}_strategy")) if given
        )


class Parents(msgspec.Struct, frozen=True):
    """`depends_on` of a node, as far as the cut looks at it."""

    nodes: list[str] = msgspec.field(default_factory=list)


class DependsOn(Parents, frozen=True):
    """`depends_on` of a node."""

    #: dbt writes null for what it could not find.
    macros: list[str | None] = msgspec.field(default_factory=list)


class Ref(msgspec.Struct, frozen=True):
    """One entry of a node's `refs`."""

    name: str
    package: str | None = None
    version: str | float | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A node or source, as far as the cut looks at it: what is held of all of them at once."""

    unique_id: str
    resource_type: str
    package_name: str
    original_file_path: str
    patch_path: str | None = None
    config: Materialized = msgspec.field(default_factory=Materialized)
    depends_on: Parents = msgspec.field(default_factory=Parents)

    @property
    def is_ephemeral(self) -> bool:
        """Whether it has no relation and is written into its children."""
        return self.resource_type == "model" and self.config.materialized == "ephemeral"


class Place(msgspec.Struct, frozen=True):
    """Where a node is written; nowhere here, if another dbt project builds it."""

    resource_type: str
    path: str | None = None
    original_file_path: str | None = None


class TestMetadata(msgspec.Struct, frozen=True):
    """Of a generic test, what it is called with."""

    name: str = ""
    kwargs: dict[str, Any] = {}


class Entry(Known, frozen=True, kw_only=True):
    """A node or source, as far as the rules look at it: read when its turn comes, and let go."""

    name: str
    fqn: list[str] = msgspec.field(default_factory=list)
    raw_code: str = ""
    language: str | None = None
    config: NodeConfig = msgspec.field(default_factory=NodeConfig)
    depends_on: DependsOn = msgspec.field(default_factory=DependsOn)
    refs: list[Ref] = msgspec.field(default_factory=list)
    sources: list[list[str]] = msgspec.field(default_factory=list)
    #: Of a source; the query of its freshness is rendered when it runs.
    source_name: str | None = None
    loaded_at_query: str | None = None
    #: Of a generic test: `models.orders`, the entry of the YAML file that it was written in.
    file_key_name: str | None = None

    test_metadata: TestMetadata | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that dbt renders when it runs the node: code, hooks, freshness query, arguments of a test."""
        hooks = (*self.config.pre_hook, *self.config.post_hook)
        arguments = () if self.test_metadata is None else _texts_in(self.test_metadata.kwargs)
        return (self.raw_code, self.loaded_at_query or "", *(hook.sql for hook in hooks), *arguments)


class MacroEntry(msgspec.Struct, frozen=True):
    """A macro, as far as the rules look at it."""

    unique_id: str
    name: str
    package_name: str
    original_file_path: str
    macro_sql: str


def _texts_in(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        below = waiting.pop()
        if isinstance(below, str):
            yield below
        elif isinstance(below, dict | list):
            waiting.extend(below.values() if isinstance(below, dict) else below)


def read_document(data: bytes) -> Document:
    """The manifest of these bytes. Raises `ValueError` for what is none, or one that dbt 1.7 or older wrote."""
    return msgspec.json.decode(data, type=Document)


def read_known(raw: msgspec.Raw) -> Known:
    """One node, source or function. Raises `ValueError` where a field is not what dbt writes."""
    return msgspec.json.decode(raw, type=Known)


def is_of_other_project(raw: msgspec.Raw) -> bool:
    """Whether another dbt project builds a node: it has no file here, which is dbt's own sign (`is_external_node`)."""
    try:
        place = msgspec.json.decode(raw, type=Place)
    except msgspec.ValidationError:
        return False
    return place.resource_type in ("model", "seed", "snapshot") and not place.path and not place.original_file_path


def read_entry(raw: msgspec.Raw) -> Entry:
    """One node, source or function. Raises `ValueError` where a field is not what dbt writes."""
    return msgspec.json.decode(raw, type=Entry)


def read_macro(unique_id: str, raw: msgspec.Raw) -> MacroEntry:
    """One macro; where a field is not what dbt writes, it has a text that no rule can read."""
    try:
        return msgspec.json.decode(raw, type=MacroEntry)
    except msgspec.ValidationError:
        _, package, name = (*unique_id.split(".", 2), "", "")[:3]
        return MacroEntry(unique_id, name, package, "", "{{")
