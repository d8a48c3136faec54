"""A small manifest in dbt's shape, to be changed by each test."""

import json
from typing import Any

import pytest


class ManifestJson:
    """Builds the JSON of a manifest; `bytes()` is what dbt would have written."""

    def __init__(self, version: int = 12) -> None:
        self.data: dict[str, Any] = {
            "metadata": {
                "dbt_schema_version": f"https://schemas.getdbt.com/dbt/manifest/v{version}.json",
                "dbt_version": "1.11.16",
                "project_name": "shop",
                "adapter_type": "duckdb",
            },
            "nodes": {},
            "sources": {},
            "exposures": {},
            "disabled": {},
        }

    def node(self, unique_id: str, **fields: Any) -> "ManifestJson":
        """Add an entry of `nodes` with what dbt always writes, and the given fields."""
        kind, package, name = unique_id.split(".", 2)
        folder = {"model": "models", "seed": "seeds", "snapshot": "snapshots", "test": "tests"}.get(kind, kind)
        self.data["nodes"][unique_id] = {
            "unique_id": unique_id,
            "resource_type": kind,
            "name": name,
            "package_name": package,
            "path": f"sales/{name}.sql",
            "original_file_path": f"{folder}/sales/{name}.sql",
            "fqn": [package, "sales", name],
            "config": {"enabled": True, "materialized": "table", "meta": {}},
            "depends_on": {"macros": [], "nodes": []},
            **fields,
        }
        return self

    def bytes(self) -> bytes:
        """The file's bytes."""
        return json.dumps(self.data).encode()


@pytest.fixture
def manifest_json() -> ManifestJson:
    """An empty manifest of schema v12."""
    return ManifestJson()


@pytest.fixture
def manifest_of_schema() -> type[ManifestJson]:
    """An empty manifest of the schema asked for."""
    return ManifestJson
