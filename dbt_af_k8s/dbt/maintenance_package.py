"""The dbt package with the maintenance macros: where it lies, and how it gets into a dbt project.

dbt loads every folder below the project's `packages-install-path`, whether `packages.yml` names it or not; nothing is
downloaded, and `dbt deps` is not needed when a task runs. `dbt deps` empties that folder first, so install after it,
or name the package's own folder (`package_path()`) in `packages.yml` as a `local` package.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.names import DBT_PACKAGE

#: What we wrote into a project: path in the package -> SHA-256 of its bytes, so that an update knows our files again.
_RECORD = ".dbt_af_k8s.json"
#: dbt's default of `packages-install-path` (`DEFAULT_PACKAGES_INSTALL_PATH` in dbt 1.11).
_INSTALL_PATH = "dbt_packages"
_MODE = 0o644


def package_path() -> Path:
    """The folder of the dbt package in this installation, for a `local:` line of `packages.yml`."""
    return Path(__file__).resolve().parent / "package"


def install_package(project_dir: Path) -> Path:
    """Copy the dbt package to where the project's dbt finds it, or bring an older copy up to date; the folder.

    Each file is written whole or not at all. UsageError where there is no dbt project, or where the folder holds
    anything that did not come from here or was changed since; then nothing is written.
    """
    folder = project_dir / _install_path(project_dir) / DBT_PACKAGE
    if folder.is_symlink() and folder.resolve() == package_path():
        return folder  # `dbt deps` made this link from a `local:` line
    ours = _files(package_path())
    old = _record(folder)
    _refuse_foreign(folder, ours, old)
    for name, content in ours.items():
        _write(folder / name, content)
    for name in _files(folder).keys() - ours.keys() - {_RECORD}:  # of an older version: all others were refused
        (folder / name).unlink()
    hashes = {name: _sha256(content) for name, content in ours.items()}
    _write(folder / _RECORD, (json.dumps(hashes, indent=2, sort_keys=True) + "\n").encode())
    return folder


def is_package_current(project_dir: Path) -> bool:
    """Whether a project has our dbt package as this version has it: the same files, and no others.

    UsageError where it cannot be read where dbt looks for packages.
    """
    folder = project_dir / _install_path(project_dir) / DBT_PACKAGE
    try:
        there = _files(folder)
    except OSError as failed:
        raise UsageError(f"{folder} cannot be read: {(failed.strerror or str(failed)).lower()}.") from None
    there.pop(_RECORD, None)
    return there == _files(package_path())


def _install_path(project_dir: Path) -> str:
    file = project_dir / "dbt_project.yml"
    try:
        project: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as failed:
        raise UsageError(f"{file} cannot be read: {failed.strerror}. Name the folder of a dbt project.") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise UsageError(f"{file} is no YAML. Correct it; `dbt parse` tells where it is wrong.") from None
    path = project.get("packages-install-path", _INSTALL_PATH) if isinstance(project, Mapping) else _INSTALL_PATH
    if not isinstance(path, str) or "{{" in path:
        raise UsageError(
            f"{file} has a packages-install-path that only dbt can read. Name the package in packages.yml."
        )
    return path


def _files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path in it, in order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _record(folder: Path) -> dict[str, str]:
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(name): str(digest) for name, digest in record.items()} if isinstance(record, dict) else {}


def _refuse_foreign(folder: Path, ours: Mapping[str, bytes], old: Mapping[str, str]) -> None:
    """Stop where something in the folder is not as we left it."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is there already and does not come from here. Remove it, or leave it as it is.")
    foreign = sorted(
        name
        for name, content in (_files(folder) if folder.is_dir() else {}).items()
        if name != _RECORD and _sha256(content) not in (old.get(name), _sha256(ours.get(name, b"\0")))
    )
    if foreign:
        named = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
        raise UsageError(f"{folder} holds files that are not ours, or changed: {named}. Move them away and try again.")


def _write(path: Path, content: bytes) -> None:
    """Write a file whole: a reader sees the old one or the new one."""
    if path.is_file() and path.read_bytes() == content:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(_MODE)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as reason:
        raise UsageError(f"{path} cannot be written: {(reason.strerror or str(reason)).lower()}.") from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
