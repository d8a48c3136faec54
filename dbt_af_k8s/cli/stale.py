"""Whether the manifest is older than the files that dbt makes it from. Only `check` asks: it walks over the project."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dbt_af_k8s.errors import Issue, warning

#: What dbt reads in a project's folders.
_ENDINGS = (".sql", ".py", ".yml", ".yaml", ".csv", ".md")
#: So many files are named.
_NAMED = 3


def stale_manifest(project_dir: Path, manifest: Path, files: Iterable[str]) -> tuple[Issue, ...]:
    """One warning where files of the project are newer than the manifest.

    `files` are those that the manifest knows, relative to the project: their top folders are walked, so that a new
    file is seen as well.
    """
    try:
        made = manifest.stat().st_mtime
    except OSError:
        return ()
    newer = sorted(path for path in _sources(project_dir, files) if _changed(project_dir / path) > made)
    if not newer:
        return ()
    named = ", ".join(newer[:_NAMED]) + (f" and {len(newer) - _NAMED} more" if len(newer) > _NAMED else "")
    message = f"The manifest is older than {named}: what is planned may not be what the project says now."
    return (warning("stale-manifest", message, "Run `dbt parse`.", file=_name(manifest, project_dir)),)


def _sources(project_dir: Path, files: Iterable[str]) -> Iterator[str]:
    yield "dbt_project.yml"
    for folder in sorted({file.split("/", 1)[0] for file in files if "/" in file}):
        for place, folders, names in os.walk(project_dir / folder):
            folders.sort()
            for name in sorted(names):
                if name.endswith(_ENDINGS):
                    yield (Path(place) / name).relative_to(project_dir).as_posix()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _name(path: Path, project_dir: Path) -> str:
    return path.relative_to(project_dir).as_posix() if path.is_relative_to(project_dir) else str(path)
