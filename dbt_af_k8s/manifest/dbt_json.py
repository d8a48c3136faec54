"""The slim shape of manifest.json: only the fields that we use, all of them optional, everything else ignored.

dbt leaves fields out, writes null for others, and adds some with every version, so nothing here is required but
that the file is a JSON object. Whether it is a manifest at all is judged in `parse`.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class JsonMetadata(_Lenient):
    """`metadata`: what wrote the file."""

    dbt_schema_version: str | None = None
    dbt_version: str | None = None
    project_name: str | None = None
    #: MD5 of the project's name; the older versions have this and no name.
    project_id: str | None = None
    adapter_type: str | None = None


class JsonDependsOn(_Lenient):
    """`depends_on` of a node: unique_ids, sources included."""

    nodes: list[str] | None = None


class JsonEntry(_Lenient):
    """What nodes, sources and exposures have in common."""

    unique_id: str | None = None
    resource_type: str | None = None
    name: str | None = None
    package_name: str | None = None
    path: str | None = None
    original_file_path: str | None = None
    fqn: list[str] | None = None
    tags: list[str] | None = None
    meta: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    relation_name: str | None = None


class JsonNode(JsonEntry):
    """One entry of `nodes`."""

    language: str | None = None
    version: str | int | float | None = None
    group: str | None = None
    depends_on: JsonDependsOn | None = None
    attached_node: str | None = None
    patch_path: str | None = None
    #: Any type, as nothing but selections reads them.
    access: Any = None
    latest_version: Any = None
    test_metadata: Any = None
    #: The text of the node's file. Kept of Python only: the SQL of a large project is half of its manifest.
    raw_code: Any = None

    @model_validator(mode="after")
    def _drop_sql(self) -> "JsonNode":
        if self.language != "python":
            self.raw_code = None
        return self


class JsonSource(JsonEntry):
    """One entry of `sources`."""

    source_name: str | None = None
    freshness: dict[str, Any] | None = None
    loaded_at_field: str | None = None
    loaded_at_query: str | None = None
    patch_path: str | None = None


class JsonExposure(JsonEntry):
    """One entry of `exposures`."""

    type: str | None = None
    url: str | None = None
    depends_on: JsonDependsOn | None = None


class JsonOther(_Lenient):
    """An entry that we only name: unit tests, metrics, disabled nodes and the like. Any type, so that none can fail."""

    unique_id: Any = None
    resource_type: Any = None
    original_file_path: Any = None
    name: Any = None
    package_name: Any = None
    fqn: Any = None
    tags: Any = None
    config: Any = None
    depends_on: Any = None


class JsonOwner(_Lenient):
    """The owner of a group or an exposure."""

    name: Any = None
    email: Any = None


class JsonGroup(_Lenient):
    """One entry of `groups`."""

    name: str | None = None
    owner: JsonOwner | None = None


class JsonMacro(_Lenient):
    """One entry of `macros`: that it is there is all that counts, and the SQL of hundreds of macros is dropped."""


class JsonManifest(_Lenient):
    """The whole file."""

    metadata: JsonMetadata | None = None
    nodes: dict[str, JsonNode] | None = None
    sources: dict[str, JsonSource] | None = None
    exposures: dict[str, JsonExposure] | None = None
    groups: dict[str, JsonGroup] | None = None
    macros: dict[str, JsonMacro | None] | None = None
    unit_tests: dict[str, JsonOther] | None = None
    metrics: dict[str, JsonOther] | None = None
    semantic_models: dict[str, JsonOther] | None = None
    saved_queries: dict[str, JsonOther] | None = None
    functions: dict[str, JsonOther] | None = None
    selectors: Any = None
    disabled: dict[str, list[JsonOther] | None] | None = None


class JsonHead(_Lenient):
    """Only `metadata`, to tell what a file that failed the full reading is."""

    metadata: JsonMetadata | None = None
