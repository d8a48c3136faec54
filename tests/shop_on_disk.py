"""A small project on disk with a manifest written by hand, and the command line run in this process."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from dbt_af_k8s.cli.main import app

PROFILES = """\
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: shop.duckdb}
    prod: {type: duckdb, path: prod.duckdb}
"""


@dataclass
class Shop:
    """A dbt project whose manifest holds the models that a test asks for."""

    root: Path
    nodes: dict[str, Any] = field(default_factory=dict)

    def model(self, name: str, *refs: str, folder: str = "sales", **meta: Any) -> "Shop":
        """Add a model that refs others by name; `meta` are its node settings."""
        key = f"model.shop.{name}"
        self.nodes[key] = {
            "unique_id": key,
            "resource_type": "model",
            "name": name,
            "package_name": "shop",
            "path": f"{folder}/{name}.sql",
            "original_file_path": f"models/{folder}/{name}.sql",
            "fqn": ["shop", folder, name],
            "config": {"enabled": True, "materialized": "table", "meta": meta},
            "meta": meta,
            "depends_on": {"macros": [], "nodes": [f"model.shop.{ref}" for ref in refs]},
        }
        return self

    def test(self, name: str, model: str) -> "Shop":
        """Add a test of a model."""
        key = f"test.shop.{name}"
        self.nodes[key] = {
            "unique_id": key,
            "resource_type": "test",
            "name": name,
            "package_name": "shop",
            "path": f"{name}.sql",
            "original_file_path": "models/sales/_sales.yml",
            "fqn": ["shop", "sales", name],
            "config": {"enabled": True, "severity": "ERROR"},
            "depends_on": {"macros": [], "nodes": [f"model.shop.{model}"]},
            "attached_node": f"model.shop.{model}",
        }
        return self

    def settings(self, text: str) -> "Shop":
        """Write dbt_af_k8s.yml."""
        (self.root / "dbt_af_k8s.yml").write_text(text)
        return self

    def write(self) -> "Shop":
        """Write the files of the project."""
        (self.root / "target").mkdir(parents=True, exist_ok=True)
        (self.root / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\nprofile: shop\n")
        (self.root / "profiles.yml").write_text(PROFILES)
        metadata = {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.16",
            "project_name": "shop",
            "adapter_type": "duckdb",
        }
        manifest = {"metadata": metadata, "nodes": self.nodes, "sources": {}, "exposures": {}, "disabled": {}}
        (self.root / "target" / "manifest.json").write_text(json.dumps(manifest))
        return self

    def run(self, *argv: str) -> Result:
        """Run a command on this project."""
        return run(*argv, "--project-dir", str(self.root))

    def json(self, *argv: str) -> Any:
        """Run a command for machines; its whole stdout is one JSON value, and it says nothing else."""
        result = self.run(*argv, "--format", "json")
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return json.loads(result.stdout)


def run(*argv: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, list(argv))
