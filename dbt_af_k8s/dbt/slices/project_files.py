"""The files of a dbt project that slices depend on: where they lie, what they hold, whether they have changed."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from dbt_af_k8s.dbt.slices.jinja_parser import jinja_signature
from dbt_af_k8s.dbt.slices.values import FileMark

#: Files of a project folder from which dbt knows what belongs to it.
_PROJECT_FILES = ("dbt_project.yml", "packages.yml", "dependencies.yml", "package-lock.yml")
#: dbt's default of `packages-install-path`.
_INSTALL_PATH = "dbt_packages"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ProjectFiles:
    """A project's files, each read at most once."""

    def __init__(self, project_dir: Path, project_name: str) -> None:
        #: The project's folder.
        self.root = project_dir
        self._name = project_name
        document = self.yaml(project_dir / "dbt_project.yml")
        self._project: dict[str, Any] = document if isinstance(document, dict) else {}
        install = self._project.get("packages-install-path")
        self._packages = project_dir / (install if isinstance(install, str) and "{" not in install else _INSTALL_PATH)
        self._marks: dict[Path, FileMark | None] = {}
        self._jinja_marks: dict[Path, FileMark | None] = {}
        self._last: tuple[Path, str | None] | None = None
        lock = self.yaml(project_dir / "package-lock.yml")
        listed = lock.get("packages") if isinstance(lock, dict) else None
        # What dbt has downloaded changes only with the lock file, which is marked itself.
        self._downloads = frozenset(
            str(entry.get("name"))
            for entry in (listed if isinstance(listed, list) else ())
            if isinstance(entry, dict) and "local" not in entry
        )

    def project_paths(self, packages: Iterable[str]) -> tuple[Path, ...]:
        """The files that configure the project and its packages, as far as they exist."""
        paths = [self.root / name for name in _PROJECT_FILES]
        paths += [self.path(package, "dbt_project.yml") for package in packages if package != self._name]
        return tuple(path for path in paths if path.is_file())

    def path(self, package: str, relative: str) -> Path:
        """Where a file of a package lies."""
        return (self.root if package == self._name else self._packages / package) / relative

    def search_orders(self, packages: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """`dispatch` of dbt_project.yml: namespace -> packages. What is computed there may be any package."""
        orders: dict[str, tuple[str, ...]] = {}
        listed = self._project.get("dispatch")
        for entry in listed if isinstance(listed, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("search_order"), list):
                order = tuple(map(str, entry["search_order"]))
                orders[str(entry.get("macro_namespace"))] = tuple(packages) if "{" in "".join(order) else order
        return orders

    def is_edited(self, package: str) -> bool:
        """Whether the files of a package may change without its being installed anew: the project's, or local ones."""
        if package == self._name:
            return True
        folder = self._packages / package
        return folder.is_dir() and (folder.is_symlink() or package not in self._downloads)

    def text(self, path: Path) -> str | None:
        """The text of a file, its mark noted; None where it cannot be read."""
        if self._last is not None and self._last[0] == path:
            return self._last[1]
        try:
            found, data = path.stat(), path.read_bytes()
        except OSError:
            self._marks[path] = None
            return None
        name = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        self._marks[path] = FileMark(name, found.st_size, found.st_mtime_ns, hashlib.sha256(data).hexdigest())
        text = _decoded(data)
        self._last = (path, text)
        return text

    def mark(self, path: Path) -> FileMark | None:
        """The mark of a file; None where it cannot be read."""
        if path not in self._marks:
            self.text(path)
        return self._marks[path]

    def jinja_mark(self, path: Path) -> FileMark | None:
        """The mark of a file of which only the Jinja counts: its SQL may change; None where it cannot be read."""
        if path not in self._jinja_marks:
            mark, text = self.mark(path), self.text(path)
            if mark is not None and text is not None and path.suffix == ".sql":
                mark = replace(mark, jinja_sha256=jinja_signature(text))
            self._jinja_marks[path] = mark
        return self._jinja_marks[path]

    @staticmethod
    def yaml(path: Path) -> Any:
        """A file's YAML; None where it cannot be read. What is wrong with it is dbt's to tell."""
        try:
            return yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506  a safe one
        except (OSError, yaml.YAMLError, UnicodeDecodeError):
            return None


def is_unchanged(mark: FileMark, project_dir: Path) -> bool:
    """Whether a file is as its mark says: by size and time, else by content, for copies have other times."""
    path = project_dir / mark.path
    try:
        found = path.stat()
        if (found.st_size, found.st_mtime_ns) == (mark.size, mark.mtime_ns):
            return True
        if found.st_size != mark.size and mark.jinja_sha256 is None:
            return False
        data = path.read_bytes()
    except OSError:
        return False
    if hashlib.sha256(data).hexdigest() == mark.sha256:
        return True
    return mark.jinja_sha256 is not None and jinja_signature(_decoded(data)) == mark.jinja_sha256


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")
