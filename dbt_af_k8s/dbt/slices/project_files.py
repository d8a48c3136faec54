"""The files of a dbt project that slices depend on: where they lie, what they hold, whether they have changed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from dbt_af_k8s.dbt.slices.values import FileMark

#: Files of a project folder from which dbt knows what belongs to it.
_PROJECT_FILES = ("dbt_project.yml", "packages.yml", "dependencies.yml", "package-lock.yml")
#: dbt's default of `packages-install-path`.
_INSTALL_PATH = "dbt_packages"


class ProjectFiles:
    """A project's files, each read at most once."""

    def __init__(self, project_dir: Path, project_name: str) -> None:
        self._root = project_dir
        self._name = project_name
        document = self.yaml(project_dir / "dbt_project.yml")
        install = document.get("packages-install-path") if isinstance(document, dict) else None
        self._packages = project_dir / (install if isinstance(install, str) and "{" not in install else _INSTALL_PATH)
        self._marks: dict[Path, FileMark | None] = {}
        self._last: tuple[Path, str | None] | None = None

    def project_paths(self, packages: Iterable[str]) -> tuple[Path, ...]:
        """The files that configure the project and its packages, as far as they exist."""
        paths = [self._root / name for name in _PROJECT_FILES]
        paths += [self.path(package, "dbt_project.yml") for package in packages if package != self._name]
        return tuple(path for path in paths if path.is_file())

    def path(self, package: str, relative: str) -> Path:
        """Where a file of a package lies."""
        return (self._root if package == self._name else self._packages / package) / relative

    def text(self, path: Path) -> str | None:
        """The text of a file, its mark noted; None where it cannot be read."""
        if self._last is not None and self._last[0] == path:
            return self._last[1]
        try:
            found, data = path.stat(), path.read_bytes()
        except OSError:
            self._marks[path] = None
            return None
        name = path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else str(path)
        self._marks[path] = FileMark(name, found.st_size, found.st_mtime_ns, hashlib.sha256(data).hexdigest())
        text = data.decode("utf-8", "replace").replace("\r\n", "\n")
        self._last = (path, text)
        return text

    def mark(self, path: Path) -> FileMark | None:
        """The mark of a file; None where it cannot be read."""
        if path not in self._marks:
            self.text(path)
        return self._marks[path]

    @staticmethod
    def yaml(path: Path) -> Any:
        """A file's YAML; None where it cannot be read. What is wrong with it is dbt's to tell."""
        try:
            return yaml.safe_load(path.read_bytes())
        except (OSError, yaml.YAMLError, UnicodeDecodeError):
            return None


def is_unchanged(mark: FileMark, project_dir: Path) -> bool:
    """Whether a file is as its mark says: by size and time, else by content, for copies have other times."""
    path = project_dir / mark.path
    try:
        found = path.stat()
        if (found.st_size, found.st_mtime_ns) == (mark.size, mark.mtime_ns):
            return True
        return found.st_size == mark.size and hashlib.sha256(path.read_bytes()).hexdigest() == mark.sha256
    except OSError:
        return False
