"""dbt's `path:` method without a disk: the files and folders of the project are those that its manifest names.

dbt looks for the pattern in the root project's folder (`Path.glob`), then for the nodes of these files and folders, by
the path inside their own package: a package's `models/staging` is found where the root project has that folder, too.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from dbt_af_k8s.graph.select_spec import bad_selection


def existing_paths(files: Iterable[str]) -> frozenset[str]:
    """The files and all folders above them, up to `.`, the project itself."""
    existing = {"."}
    for file in files:
        existing.update(with_folders_above(file))
    return frozenset(existing)


def with_folders_above(file: str) -> tuple[str, ...]:
    """A file and the folders that it lies in, nearest first; the last is `.`."""
    path = PurePosixPath(file)
    return (str(path), *map(str, path.parents))


def matching_paths(pattern: str, existing: Iterable[str]) -> frozenset[str]:
    """Those of the paths that the pattern finds. Raises `BadSelectionError` where dbt refuses the pattern."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if pattern.startswith("/") or not parts:
        fix = "Write it as seen from the project's folder, for example `path:models/staging`."
        raise bad_selection(f"path:{pattern}", "it is no path below the project", fix)
    if any("**" in part and part != "**" for part in parts):
        fix = "Write `**` alone between two slashes: `path:models/**/stg_*.sql`."
        raise bad_selection(f"path:{pattern}", "`**` stands for whole folders", fix)
    # A trailing `**` or `/` names folders alone, as it does for Python's glob (`**` up to 3.12).
    folders = {above for path in existing for above in with_folders_above(path)[1:]} | {"."}
    candidates = folders if parts[-1] == "**" or pattern.endswith("/") else frozenset(existing)
    if not any(_is_pattern(part) for part in parts):
        return frozenset({"/".join(parts)} & candidates)
    return frozenset(path for path in candidates if _matches(() if path == "." else tuple(path.split("/")), parts))


def _matches(path: tuple[str, ...], pattern: list[str]) -> bool:
    """Whether the parts of a path match those of a pattern, `**` standing for any number of folders, also none."""
    reached = _after_stars({0}, pattern)
    for part in path:
        following: set[int] = set()
        for position in reached:
            if position == len(pattern):
                continue
            wanted = pattern[position]
            if wanted == "**":
                if part != "..":
                    following.add(position)
            elif fnmatchcase(part, wanted) if _is_pattern(wanted) and part != ".." else part == wanted:
                following.add(position + 1)
        reached = _after_stars(following, pattern)
    return len(pattern) in reached


def _after_stars(positions: set[int], pattern: list[str]) -> set[int]:
    """The positions, and those behind each `**` that begins there, since it may stand for nothing."""
    wide = set(positions)
    for position in sorted(positions):
        while position < len(pattern) and pattern[position] == "**":
            position += 1
            wide.add(position)
    return wide


def _is_pattern(part: str) -> bool:
    return re.search(r"[*?[]", part) is not None
