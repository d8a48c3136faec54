"""The store as a task reads it: what it was made from, and whether a node has a slice. One look-up each, read-only."""

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dbt_af_k8s.dbt.slices.values import FORMAT, FileMark, NoSlice, SliceHeader


@dataclass(frozen=True, slots=True)
class FoundSlices:
    """The slices of a task's nodes."""

    header: SliceHeader
    #: The files that they depend on, the shared ones first.
    files: tuple[FileMark, ...]


def find_slices(store: Path, unique_ids: Sequence[str]) -> FoundSlices | NoSlice:
    """Look up the slices of these nodes; where one has none, the reason.

    The folder may be read-only: SQLite is told that nobody writes.
    """
    if not store.is_file():
        return NoSlice(f"there is no file {store}")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro&immutable=1", uri=True)) as opened:
            header = _header(opened)
            if header is None:
                return NoSlice(f"{store.name} has the form of another version of dbt_af_k8s")
            marks = list(header.files)
            for unique_id in unique_ids:
                row = opened.execute("SELECT files, because FROM slice WHERE unique_id = ?", (unique_id,)).fetchone()
                if row is None:
                    return NoSlice(f"{unique_id} is not in the manifest that the slices were made from")
                files, because = row
                if because is not None:
                    return NoSlice(f"{unique_id} has none: {because}")
                marks += (_mark(opened, number) for number in files.split())
    except (sqlite3.Error, ValueError, TypeError, KeyError) as reason:
        return NoSlice(f"{store.name} cannot be read: {reason}")
    return FoundSlices(header, tuple(dict.fromkeys(marks)))


def slices_of_manifest(folder: Path, manifest_sha256: str) -> Path | None:
    """The store that was made from this manifest, in a compiled plan of the manifest's folder; None where none is."""
    for store in sorted(folder.glob("dbt_af_k8s/plan/*/*.slices")):
        with contextlib.suppress(sqlite3.Error, ValueError, TypeError, KeyError):
            header = _open_header(store)
            if header is not None and header.manifest_sha256 == manifest_sha256:
                return store
    return None


def _open_header(store: Path) -> SliceHeader | None:
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro&immutable=1", uri=True)) as opened:
        return _header(opened)


def _mark(opened: sqlite3.Connection, number: str) -> FileMark:
    row = opened.execute(
        "SELECT path, size, mtime_ns, lower(hex(sha256)), jinja_sha256 FROM mark WHERE id = ?", (number,)
    ).fetchone()
    return FileMark(*row)


def _header(opened: sqlite3.Connection) -> SliceHeader | None:
    (data,) = opened.execute("SELECT data FROM about WHERE name = 'header'").fetchone()
    read: dict[str, Any] = json.loads(data)
    if read.pop("format", None) != FORMAT:
        return None
    files = tuple(FileMark(**mark) for mark in read.pop("files"))
    return SliceHeader(files=files, **read)
