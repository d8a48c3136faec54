"""Make the slices of a project: one SQLite file, from which a task reads its part by one look-up.

Parts stand once each, compressed with a dictionary of their own, for they are small and alike; a slice is a list of
numbers of parts, and a negative number is a stub. So the file grows with the project, not with the number of its edges,
and nothing of it is held in memory while it is made but what the cut needs.
"""

import hashlib
import itertools
import json
import os
import sqlite3
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import msgspec

from dbt_af_k8s import __version__
from dbt_af_k8s.dbt.slices import cut
from dbt_af_k8s.dbt.slices.evidence import Gathering
from dbt_af_k8s.dbt.slices.manifest_json import (
    Document,
    Entry,
    Known,
    is_of_other_project,
    read_document,
    read_entry,
    read_known,
    read_macro,
)
from dbt_af_k8s.dbt.slices.safety import Finding
from dbt_af_k8s.dbt.slices.values import FORMAT, KNOWN_DBT, FileMark, SliceHeader, SliceSummary, minor_version
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
CREATE TABLE part (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE recheck (id INTEGER PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE mark (id INTEGER PRIMARY KEY, path TEXT, size INTEGER, mtime_ns INTEGER, sha256 BLOB, jinja_sha256 TEXT);
CREATE TABLE slice (unique_id TEXT PRIMARY KEY, parts TEXT, files TEXT, looks INTEGER, because TEXT) WITHOUT ROWID;
"""


#: A row of the table `slice`: node, parts, files, whether it may look for other relations, why it has no slice.
Row = tuple[str, str | None, str | None, int | None, str | None]


class UnsliceableError(DbtAfK8sError):
    """No slices can be made of this manifest; the text says why."""


def make_slices(data: bytes, project_dir: Path, folder: Path) -> SliceSummary:
    """Write the store of the manifest with these bytes into `folder`, whole or not at all.

    Raises `UnsliceableError` for a manifest of which no slices can be made, and OSError where the folder cannot be
    written to.
    """
    try:
        return _Maker(data, project_dir).write(folder)
    except sqlite3.OperationalError as reason:  # a full disk, say
        raise OSError(f"{folder}: {reason}") from None
    except (msgspec.MsgspecError, KeyError, sqlite3.Error) as reason:
        raise UnsliceableError(f"the manifest is not as dbt {', '.join(KNOWN_DBT)} writes it: {reason}") from None


class _Maker:
    def __init__(self, data: bytes, project_dir: Path) -> None:
        self._document = _judged(read_document(data))
        self._groups = (self._document.nodes, self._document.sources, self._document.functions)
        about = self._document.metadata
        self._entries: dict[str, Known] = {}
        #: What is not as dbt writes it, with the reason: it costs itself and its children.
        self._odd: dict[str, str] = {}
        for group in self._groups:
            for unique_id, raw in group.items():
                try:
                    read_entry(raw)
                    self._entries[unique_id] = read_known(raw)
                except msgspec.ValidationError as reason:
                    self._odd[unique_id] = f"it is not as dbt {', '.join(KNOWN_DBT)} writes it: {reason}"
        #: Models of other dbt projects, which no task of this one runs.
        self._foreign = frozenset(key for key, raw in self._document.nodes.items() if self._is_foreign(key, raw))
        self._numbers = {unique_id: number for number, unique_id in enumerate(sorted(self._entries), 1)}
        self._marks: dict[FileMark, int] = {}
        self._operations = sorted(key for key, entry in self._entries.items() if entry.resource_type == "operation")
        self._gathering = Gathering(
            self._entries,
            self._read,
            itertools.starmap(read_macro, self._document.macros.items()),
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

    def _is_foreign(self, unique_id: str, raw: msgspec.Raw) -> bool:
        entry = self._entries.get(unique_id)
        return (entry is None or not entry.original_file_path) and is_of_other_project(raw)

    def _read(self, unique_id: str) -> Entry:
        return read_entry(next(group[unique_id] for group in self._groups if unique_id in group))

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

    def _fill(self, path: Path, rows: list[Row]) -> None:
        dictionary = b"".join(cut.full(raw) for raw in self._samples())[-_DICTIONARY:]
        about = {"header": json.dumps({"format": FORMAT, **asdict(self._header)}).encode(), "dictionary": dictionary}
        about["stub"] = json.dumps({"lacks": cut.STUB_LACKS, "rest": cut.STUB_REST}).encode()
        with sqlite3.connect(path) as store:
            store.executescript(_SCHEMA)
            store.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            store.execute("INSERT INTO about VALUES ('shared', ?)", (zlib.compress(self._shared(), _LEVEL),))
            store.executemany("INSERT INTO part VALUES (?, ?)", self._parts(dictionary))
            marks = (
                (n, mark.path, mark.size, mark.mtime_ns, bytes.fromhex(mark.sha256), mark.jinja_sha256)
                for mark, n in self._marks.items()
            )
            store.executemany("INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?)", marks)
            store.executemany("INSERT INTO recheck VALUES (?, ?)", self._rechecks())
            store.executemany("INSERT INTO slice VALUES (?, ?, ?, ?, ?)", rows)
        store.close()

    def _samples(self) -> Iterator[msgspec.Raw]:
        """A few entries from all over the project, to make the dictionary of."""
        for group in (self._document.sources, self._document.nodes):
            keys = sorted(group.keys() & self._entries.keys())
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
                "whole_graph": self._gathering.hook_walks_graph(),
                "parts": self._part_numbers(parts),
            }
        )

    def _parts(self, dictionary: bytes) -> Iterator[tuple[int, bytes]]:
        for group in self._groups:
            for key, raw in group.items():
                if key in self._numbers:
                    yield self._numbers[key], _squeezed(cut.full(raw), dictionary)

    def _rechecks(self) -> Iterator[tuple[int, str]]:
        for key, values in self._gathering.rechecks().items():
            yield self._numbers[key], json.dumps([asdict(value) for value in values])

    def _part_numbers(self, parts: Mapping[str, bool]) -> list[int]:
        return [self._numbers[key] if is_full else -self._numbers[key] for key, is_full in parts.items()]

    def _mark_numbers(self, marks: Iterable[FileMark]) -> list[int]:
        return [self._marks.setdefault(mark, len(self._marks) + 1) for mark in marks]

    def _rows(self, findings: Mapping[str, Finding]) -> Iterator[Row]:
        looking = self._gathering.looks_around()
        for unique_id, reason in sorted(self._odd.items()):
            if unique_id.partition(".")[0] in _RUN_KINDS and unique_id not in self._foreign:
                yield unique_id, None, None, None, reason
        for unique_id in sorted(self._entries):
            entry = self._entries[unique_id]
            if entry.resource_type not in _RUN_KINDS or entry.is_ephemeral or unique_id in self._foreign:
                continue
            try:
                parts = cut.parts_of([unique_id], self._entries.get)
            except KeyError as unknown:
                why = self._odd.get(unknown.args[0], "it is no node, source or function")
                yield unique_id, None, None, None, f"it reads {unknown.args[0]}, and of that {why}"
                continue
            because = _why_refused(unique_id, parts, findings)
            if because is None:
                marks = self._gathering.marks_of(parts)
                looks = any(key in looking for key, is_full in parts.items() if is_full)
                numbers = _listed(self._part_numbers(parts)), _listed(self._mark_numbers(marks))
                yield unique_id, *numbers, int(looks), None
            else:
                yield unique_id, None, None, None, because


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


def _listed(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


def _squeezed(data: bytes, dictionary: bytes) -> bytes:
    squeeze = zlib.compressobj(_LEVEL, zdict=dictionary)
    return squeeze.compress(data) + squeeze.flush()
