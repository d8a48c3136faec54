"""The fields of a dbt manifest that planning needs, frozen. Source: dbt's manifest schema v10 to v12 and v20."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbt_af_k8s.errors import Issue

#: Resource types that become tasks.
RUNNABLE = ("model", "seed", "snapshot")


@dataclass(frozen=True, slots=True)
class Node:
    """One enabled entry of the manifest's `nodes`: model, seed, snapshot, test, analysis or operation."""

    unique_id: str
    resource_type: str
    name: str
    package: str
    #: The manifest's `path`: relative to the resource folder (`models/`, `seeds/`, ...) of its package.
    path: str
    #: The manifest's `original_file_path`: relative to the root of its package.
    file: str
    fqn: tuple[str, ...]
    language: str = "sql"
    #: The model version, as text, or None.
    version: str | None = None
    materialized: str = ""
    group: str | None = None
    tags: tuple[str, ...] = ()
    #: `config.meta` over the node's `meta`, as dbt merged it.
    meta: Mapping[str, Any] = field(default_factory=dict)
    #: Everything in `config`, `meta` included, as dbt wrote it.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: `depends_on.nodes`, in dbt's order, without repeats. May name sources.
    parents: tuple[str, ...] = ()
    relation_name: str | None = None
    #: Tests: the node that a generic test is attached to (`attached_node`).
    attached_node: str | None = None
    #: Where the node's YAML lies (`patch_path` without its `package://`), or None.
    patch_path: str | None = None
    #: Python models: the text of the file (`raw_code`); empty for SQL.
    script: str = ""
    #: Models: who may ref it (`private`, `protected`, `public`).
    access: str = "protected"
    #: The version, as text, that an unpinned ref of this versioned model means.
    latest_version: str | None = None
    #: Generic tests: the name of the test itself (`not_null`); None for singular tests.
    test_name: str | None = None

    @property
    def is_runnable(self) -> bool:
        """Whether dbt builds a relation for it that a task of ours must make (ephemeral models have none)."""
        return self.resource_type in RUNNABLE and not self.is_ephemeral and not self.is_of_other_project

    @property
    def is_ephemeral(self) -> bool:
        """Whether dbt inlines it into its children instead of building it."""
        return self.resource_type == "model" and self.materialized == "ephemeral" and not self.is_of_other_project

    @property
    def is_of_other_project(self) -> bool:
        """Whether another dbt project builds it: it has no file here, which is dbt's own sign (`is_external_node`)."""
        return self.resource_type in RUNNABLE and not self.path and not self.file

    @property
    def is_test(self) -> bool:
        """Whether it is a data test, generic or singular."""
        return self.resource_type == "test"

    @property
    def has_pre_hook(self) -> bool:
        """Whether the node has pre-hooks (dbt writes both spellings)."""
        return bool(self.config.get("pre-hook") or self.config.get("pre_hook"))

    @property
    def severity(self) -> str:
        """A test's `severity`, lower case: `error` or `warn`."""
        return str(self.config.get("severity", "error")).lower()

    @property
    def is_microbatch(self) -> bool:
        """Whether it is an incremental model of dbt's microbatch strategy."""
        return self.materialized == "incremental" and self.config.get("incremental_strategy") == "microbatch"


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of the manifest's `sources`: a table that dbt reads and does not build."""

    unique_id: str
    source_name: str
    name: str
    package: str
    path: str
    file: str
    fqn: tuple[str, ...]
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    #: dbt's `freshness`, or None: `{"warn_after": {...}, "error_after": {...}, "filter": ...}`.
    freshness: Mapping[str, Any] | None = None
    loaded_at_field: str | None = None
    loaded_at_query: str | None = None
    relation_name: str | None = None
    #: YAML of this project that patches a source of a package, or None.
    patch_path: str | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """One entry of the manifest's `exposures`: what reads a model outside dbt."""

    unique_id: str
    name: str
    package: str
    type: str
    file: str
    url: str | None = None
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    fqn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Other:
    """A manifest entry that we plan no task for, whatever its kind: it is named in `left_out`."""

    unique_id: str
    resource_type: str
    file: str = ""
    #: Whether dbt has it switched off: it stands under `disabled`, or its own `config.enabled` is false.
    disabled: bool = False
    #: The rest is for selections, which can start from such an entry or pass through it.
    name: str = ""
    package: str = ""
    fqn: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    group: str | None = None
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest. Every mapping is keyed and ordered by unique_id."""

    #: SHA-256 of the file's bytes, hex.
    sha256: str
    #: Number of the manifest schema: 10, 11, 12, 20.
    schema_version: int
    dbt_version: str
    project_name: str
    adapter_type: str | None
    nodes: Mapping[str, Node]
    sources: Mapping[str, Source] = field(default_factory=dict)
    exposures: Mapping[str, Exposure] = field(default_factory=dict)
    #: Unit tests, semantic models, metrics, saved queries, functions, disabled nodes.
    others: Mapping[str, Other] = field(default_factory=dict)
    #: Names of dbt groups and their owner's name or e-mail, by group name.
    group_owners: Mapping[str, str] = field(default_factory=dict)
    #: Names of the macros of our own dbt package, sorted; empty where the project does not have the package, None where
    #: the manifest tells of no macro at all.
    own_macros: tuple[str, ...] | None = None
    #: dbt's selectors.yml, rendered by dbt: name -> `{"definition": ..., "default": ...}`.
    selectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Warnings of the reader, such as a schema version newer than those it knows.
    issues: tuple[Issue, ...] = ()

    def entry(self, unique_id: str) -> Node | Source | Exposure | None:
        """The node, source or exposure of an id, or None."""
        return self.nodes.get(unique_id) or self.sources.get(unique_id) or self.exposures.get(unique_id)
