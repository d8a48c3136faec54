"""Whether the manifest is older than the files that dbt makes it from. Only `check` asks: it walks over the project."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dbt_af_k8s.errors import Issue, warning

#: What dbt reads in a project's folders.
_ENDINGS = (".sql", ".py", ".yml", ".yaml", ".csv", ".md")
#: Folders that dbt itself makes.
_MADE = ("target", "dbt_packages", "logs")
#: So many files are named.
_NAMED = 3


def stale_manifest(project_dir: Path, manifest: Path, folders: Iterable[str]) -> tuple[Issue, ...]:
    """One warning where files of the project are newer than the manifest.

    `folders` are those that dbt reads resources from, relative to the project; they alone are walked.
    """
    try:
        made = manifest.stat().st_mtime
    except OSError:
        return ()
    newer = sorted(path for path in _sources(project_dir, folders) if _changed(project_dir / path) > made)
    if not newer:
        return ()
    named = ", ".join(newer[:_NAMED]) + (f" and {len(newer) - _NAMED} more" if len(newer) > _NAMED else "")
    message = f"The manifest is older than {named}: what is planned may not be what the project says now."
    return (warning("stale-manifest", message, "Run `dbt parse`.", file=_name(manifest, project_dir)),)


def _sources(project_dir: Path, folders: Iterable[str]) -> Iterator[str]:
    yield "dbt_project.yml"
    for folder in sorted(folders):
        for parent, below, names in os.walk(project_dir / folder):
            below[:] = sorted(name for name in below if _is_read(Path(parent) / name))
            for name in sorted(names):
                if name.endswith(_ENDINGS):
                    yield os.path.relpath(Path(parent) / name, project_dir)


def _is_read(folder: Path) -> bool:
    """Whether a folder may hold resources of the project: not what tools put beside them, where a path is `.`."""
    return not folder.name.startswith(".") and folder.name not in _MADE and not (folder / "pyvenv.cfg").exists()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _name(path: Path, project_dir: Path) -> str:
    return path.relative_to(project_dir).as_posix() if path.is_relative_to(project_dir) else str(path)
