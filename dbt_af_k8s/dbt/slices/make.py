"""Make the slices of a project: one SQLite file, from which a task reads its part by one look-up.

Parts stand once each, in full or as a stub, compressed with a dictionary of their own, for they are small and alike; a
slice is a list of parts. So the file grows with the project, not with the number of its edges, and nothing of it is
held in memory while it is made but what the rules need.
"""

import hashlib
import json
import os
import sqlite3
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import msgspec

from dbt_af_k8s import __version__
from dbt_af_k8s.dbt.slices import cut
from dbt_af_k8s.dbt.slices.evidence import Gathering
from dbt_af_k8s.dbt.slices.manifest_json import Document, Entry, read_document, read_entry, read_macro
from dbt_af_k8s.dbt.slices.safety import Finding
from dbt_af_k8s.dbt.slices.values import FORMAT, KNOWN_DBT, SliceHeader, SliceSummary, minor_version
from dbt_af_k8s.errors import DbtAfK8sError

#: Ending of a store's file name.
ENDING = ".slices"
#: Kinds of nodes that a task may run.
_RUN_KINDS = frozenset({"model", "seed", "snapshot", "test", "source"})
#: zlib's level.
_LEVEL = 6
#: Bytes of the shared dictionary of zlib, which looks back 32 KiB.
_DICTIONARY = 32 * 1024
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE about (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE part (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE slice (unique_id TEXT PRIMARY KEY, parts TEXT, files TEXT, because TEXT) WITHOUT ROWID;
"""


class UnsliceableError(DbtAfK8sError):
    """No slices can be made of this manifest; the text says why."""


def make_slices(data: bytes, project_dir: Path, folder: Path) -> SliceSummary:
    """Write the store of the manifest with these bytes into `folder`, whole or not at all.

    Raises `UnsliceableError` for a manifest of which no slices can be made, and OSError where the folder cannot be
    written to.
    """
    try:
        return _Maker(data, project_dir).write(folder)
    except (msgspec.MsgspecError, KeyError, sqlite3.Error) as reason:
        raise UnsliceableError(f"the manifest is not as dbt {', '.join(KNOWN_DBT)} writes it: {reason}") from None


class _Maker:
    def __init__(self, data: bytes, project_dir: Path) -> None:
        self._document = _judged(read_document(data))
        about = self._document.metadata
        self._entries: dict[str, Entry] = {}
        for group in (self._document.nodes, self._document.sources, self._document.functions):
            for unique_id, raw in group.items():
                self._entries[unique_id] = read_entry(raw)
        self._operations = sorted(key for key, entry in self._entries.items() if entry.resource_type == "operation")
        self._gathering = Gathering(
            self._entries,
            map(read_macro, self._document.macros.values()),
            project_dir,
            name=about.project_name or "",
            adapter=about.adapter_type or "",
        )
        self._header = SliceHeader(
            made_by=__version__,
            dbt_version=about.dbt_version,
            adapter_type=about.adapter_type or "",
            project_name=about.project_name or "",
            manifest_sha256=hashlib.sha256(data).hexdigest(),
            files=self._gathering.shared_marks(),
        )

    def write(self, folder: Path) -> SliceSummary:
        rows = list(self._rows(self._gathering.findings()))
        counts = Counter(because for *_, because in rows if because is not None)
        sliced = len(rows) - counts.total()
        digest = hashlib.sha256(json.dumps([FORMAT, asdict(self._header)]).encode())
        for row in rows:
            digest.update(json.dumps(row).encode())
        summary = SliceSummary(
            f"{digest.hexdigest()[:16]}{ENDING}",
            sliced,
            counts.total(),
            tuple(sorted(counts.items(), key=lambda it: (-it[1], it))),
        )
        handle, name = tempfile.mkstemp(dir=folder, prefix=".writing-")
        os.close(handle)
        try:
            self._fill(Path(name), rows)
            Path(name).chmod(0o644)
            Path(name).replace(folder / summary.name)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return summary

    def _fill(self, path: Path, rows: list[tuple[str, str | None, str | None, str | None]]) -> None:
        dictionary = b"".join(cut.full(raw) for raw in self._samples())[-_DICTIONARY:]
        about = {"header": json.dumps({"format": FORMAT, **asdict(self._header)}).encode(), "dictionary": dictionary}
        with sqlite3.connect(path) as store:
            store.executescript(_SCHEMA)
            store.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            store.execute("INSERT INTO about VALUES ('shared', ?)", (zlib.compress(self._shared(), _LEVEL),))
            store.executemany("INSERT INTO part VALUES (?, ?)", self._parts(dictionary))
            store.executemany("INSERT INTO slice VALUES (?, ?, ?, ?)", rows)
        store.close()

    def _samples(self) -> Iterator[msgspec.Raw]:
        """A few entries from all over the project, to make the dictionary of."""
        for group in (self._document.sources, self._document.nodes):
            keys = sorted(group)
            for key in keys[:: max(1, len(keys) // 24)]:
                yield group[key]

    def _shared(self) -> bytes:
        """What every slice needs: macros, groups, project hooks with what they read."""
        document, about = self._document, self._document.metadata
        macros = {key: msgspec.Raw(cut.macro(raw)) for key, raw in sorted(document.macros.items())}
        metadata = {
            "project_name": about.project_name,
            "project_id": about.project_id,
            "adapter_type": about.adapter_type,
        }
        parts = cut.parts_of(self._operations, self._entries.get)
        return msgspec.json.encode(
            {
                "metadata": metadata | ({} if about.quoting is None else {"quoting": about.quoting}),
                "macros": macros,
                "groups": document.groups,
                "parts": [_part_name(key, is_full) for key, is_full in parts.items()],
            }
        )

    def _parts(self, dictionary: bytes) -> Iterator[tuple[str, bytes]]:
        document = self._document
        for group in (document.nodes, document.sources, document.functions):
            for key, raw in group.items():
                yield _part_name(key, is_full=True), _squeezed(cut.full(raw), dictionary)
        for key, raw in document.nodes.items():
            if self._entries[key].resource_type in ("model", "seed", "snapshot"):
                yield _part_name(key, is_full=False), _squeezed(cut.stub(raw), dictionary)

    def _rows(self, findings: Mapping[str, Finding]) -> Iterator[tuple[str, str | None, str | None, str | None]]:
        for unique_id in sorted(self._entries):
            entry = self._entries[unique_id]
            if entry.resource_type not in _RUN_KINDS or entry.is_ephemeral:
                continue
            try:
                parts = cut.parts_of([unique_id], self._entries.get)
            except KeyError as unknown:
                yield unique_id, None, None, f"it reads {unknown.args[0]}, which is no node, source or function"
                continue
            because = _why_refused(unique_id, parts, findings)
            if because is None:
                marks = self._gathering.marks_of(key for key, is_full in parts.items() if is_full)
                names = [_part_name(key, is_full) for key, is_full in parts.items()]
                yield unique_id, json.dumps(names), json.dumps([asdict(mark) for mark in marks]), None
            else:
                yield unique_id, None, None, because


def _judged(document: Document) -> Document:
    version = document.metadata.dbt_version
    if minor_version(version) not in KNOWN_DBT:
        raise UnsliceableError(
            f"the manifest was made by dbt {version or 'unknown'}, slices are known to work with {KNOWN_DBT[0]}"
        )
    return document


def _why_refused(unique_id: str, parts: Mapping[str, bool], findings: Mapping[str, Finding]) -> str | None:
    own = findings.get(unique_id)
    if own is not None:
        return own.because
    for key, is_full in parts.items():
        finding = findings.get(key)
        if finding is not None and (is_full or finding.spoils_stub):
            return f"it reads {key}, and of that {finding.because}"
    return None


def _part_name(unique_id: str, is_full: bool) -> str:
    return unique_id if is_full else f"stub {unique_id}"


def _squeezed(data: bytes, dictionary: bytes) -> bytes:
    squeeze = zlib.compressobj(_LEVEL, zdict=dictionary)
    return squeeze.compress(data) + squeeze.flush()
