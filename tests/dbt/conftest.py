"""Small dbt projects on DuckDB, written to a temporary folder."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from dbt_af_k8s.dbt.values import DbtProject, DbtSelection

DBT_PROJECT = """
name: shop
version: "1.0"
profile: shop
on-run-end: ["{{ 'select * from nowhere' if var('hook', '') == 'fails' else 'select 1' }}"]
models:
  +materialized: table
"""

PROFILES = """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: "shop.duckdb", threads: 2}
    unset: {type: duckdb, path: "{{ env_var('SHOP_NOT_SET_ANYWHERE') }}"}
    unreachable: {type: postgres, host: 127.0.0.1, port: 1, user: u, password: p, dbname: d, schema: s, threads: 1}
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def worker_environment() -> dict[str, str]:
    """The environment of the tests, without what a developer's shell may tell dbt."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "SHOP_"))}


def selections(manifest: dict) -> dict[str, DbtSelection]:
    return {
        unique_id: DbtSelection(unique_id, node["resource_type"], node["package_name"], tuple(node["fqn"]))
        for unique_id, node in sorted(manifest["nodes"].items())
    }


def parse(folder: Path, dbt: Path) -> dict:
    """The manifest of a project, by dbt itself."""
    command = [str(dbt), "--quiet", "parse", "--no-send-anonymous-usage-stats"]
    subprocess.run(command, cwd=folder, env=worker_environment(), check=True, timeout=300)
    return json.loads((folder / "target" / "manifest.json").read_bytes())


class Project:
    """A project on disk, and the dbt that parses it."""

    def __init__(self, folder: Path, files: dict[str, str], dbt: Path) -> None:
        self.folder = write(folder, {"dbt_project.yml": DBT_PROJECT, "profiles.yml": PROFILES, **files})
        self.value = DbtProject(project_dir=self.folder)
        self.environment = worker_environment()
        self.dbt = dbt

    def parse(self) -> dict:
        return parse(self.folder, self.dbt)


@pytest.fixture(scope="session")
def make_project(tmp_path_factory, programs):
    """Write a project: `make_project({"models/a.sql": "select 1 as id"})`."""

    def make(files: dict[str, str]) -> Project:
        return Project(tmp_path_factory.mktemp("project") / "shop", files, programs / "dbt")

    return make


@pytest.fixture(scope="session")
def selections_of():
    return selections
