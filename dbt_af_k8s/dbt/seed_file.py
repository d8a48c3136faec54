"""The file of a seed on the machine that runs dbt, and its checksum."""

import hashlib
from pathlib import Path
from typing import Any

import yaml

from dbt_af_k8s.dbt.values import DbtProject, DbtSelection

#: Where dbt looks for seeds (`seed-paths`) and for packages (`packages-install-path`) where a project does not say.
_SEED_PATHS = ("seeds",)
_PACKAGES = "dbt_packages"


def seed_checksum(seed: DbtSelection, project: DbtProject) -> str | None:
    """SHA-256 of the seed's CSV as it lies there now, in hex; None where it cannot be found or read.

    Not the checksum of the manifest: that one may be older than the file, and from 1 MiB on dbt takes the path instead.
    """
    try:
        path = _seed_file(seed, project.project_dir)
        if path is None:
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None


def _seed_file(seed: DbtSelection, root: Path) -> Path | None:
    """An fqn is the package, the folders below a seed path, and the file's name without its ending."""
    if len(seed.fqn) < 2:
        return None
    written = _project_file(root)
    if written.get("name") != seed.package:
        root = root / _text(written.get("packages-install-path"), _PACKAGES) / seed.package
        written = _project_file(root)
    for folder in _paths(written.get("seed-paths")):
        path = root.joinpath(folder, *seed.fqn[1:-1], f"{seed.fqn[-1]}.csv")
        if path.is_file():
            return path
    return None


def _project_file(root: Path) -> dict[str, Any]:
    try:
        written = yaml.safe_load((root / "dbt_project.yml").read_bytes())
    except (OSError, yaml.YAMLError):
        return {}
    return written if isinstance(written, dict) else {}


def _paths(written: object) -> tuple[str, ...]:
    if isinstance(written, list) and all(isinstance(path, str) for path in written):
        return tuple(written)
    return _SEED_PATHS


def _text(written: object, default: str) -> str:
    return written if isinstance(written, str) else default
