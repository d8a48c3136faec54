"""The form of a compiled plan: an index, and each DAG's bytes. Pure.

The index says what the plan was made from (files by size, time and content, environment variables by content, the
request, our version) and what each DAG's file must hold. Nothing secret is in it: values of variables stand as hashes,
and only those that planning itself reads.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from dbt_af_k8s.plan.values import PLAN_VERSION, DagPlan

#: Goes up when older files cannot be read any more.
FORMAT = 2
#: zlib's level: higher ones take three times as long for a few percent.
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file as it was. `size` is -1 where there was none."""

    #: Relative to the project where it lies inside, else absolute.
    path: str
    size: int
    mtime_ns: int
    #: Of the content, hex; empty where there was no file.
    sha256: str


@dataclass(frozen=True, slots=True)
class DagFile:
    """Where one DAG's bytes are, and what they must be."""

    dag_id: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Index:
    """What a compiled plan was made from, and its DAGs."""

    #: Version of this library.
    made_by: str
    request: str
    files: tuple[FileStamp, ...]
    #: Names of environment variables -> SHA-256 of the value, or None where it was not set.
    env: Mapping[str, str | None]
    dags: tuple[DagFile, ...]
    #: File name of the slices that tasks start from; None where none could be made.
    slices: str | None = None
    #: The same for targets with a manifest of their own, by target.
    target_slices: Mapping[str, str] = field(default_factory=dict)
    #: Seconds for which this plan stands in while the manifest cannot be read.
    stands_in_for: int = 0

    @property
    def stores(self) -> frozenset[str]:
        """The names of all files of slices."""
        return frozenset((*self.target_slices.values(), *((self.slices,) if self.slices else ())))

    def dag(self, dag_id: str) -> DagFile | None:
        """The file of one DAG, or None."""
        return next((entry for entry in self.dags if entry.dag_id == dag_id), None)


def why_stale(
    index: Index,
    *,
    made_by: str,
    request: str,
    env: Mapping[str, str],
    is_unchanged: Callable[[FileStamp], bool],
) -> str | None:
    """The first reason for which the compiled plan does not fit any more, or None."""
    if index.made_by != made_by:
        return f"it was made by version {index.made_by}, this is {made_by}"
    if index.request != request:
        return "it was made for other options"
    for name in sorted(index.env):
        if text_hash(env.get(name)) != index.env[name]:
            return f"the environment variable {name} has changed"
    for stamp in index.files:
        if not is_unchanged(stamp):
            return f"{stamp.path} has changed"
    return None


def text_hash(text: str | None) -> str | None:
    """SHA-256 of a text, hex; None stays None."""
    return None if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def pack_dag(dag: DagPlan) -> bytes:
    """A DAG's bytes: its values as they are, compressed.

    Not the plan's JSON, which is made for other tools to read: these files are read by the version that wrote them
    (the index says which one), and that at every parse.
    """
    return zlib.compress(msgspec.msgpack.encode(dag, order="deterministic"), _LEVEL)


def unpack_dag(data: bytes, entry: DagFile) -> DagPlan | None:
    """The DAG of these bytes, or None where they are not what the index says."""
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        return None
    try:
        return msgspec.msgpack.decode(zlib.decompress(data), type=DagPlan)
    except (zlib.error, msgspec.MsgspecError):
        return None


def dag_file(dag_id: str, data: bytes) -> DagFile:
    """The entry of a DAG. Files are named by their content, so that an index in use keeps its own ones."""
    digest = hashlib.sha256(data).hexdigest()
    return DagFile(dag_id, f"{dag_id[:200]}-{digest[:12]}.json.z", digest)


def index_to_text(index: Index) -> str:
    """The index as JSON."""
    return json.dumps({"format": FORMAT, "plan": PLAN_VERSION, **asdict(index)}, indent=1, sort_keys=True)


def index_from_text(text: str) -> Index | None:
    """The index of this text, or None where it is none of ours, of another form, or broken."""
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or (data.pop("format"), data.pop("plan")) != (FORMAT, PLAN_VERSION):
            return None
        return Index(
            made_by=data["made_by"],
            request=data["request"],
            files=tuple(FileStamp(**entry) for entry in data["files"]),
            env=dict(data["env"]),
            dags=tuple(DagFile(**entry) for entry in data["dags"]),
            slices=None if data.get("slices") is None else _file_name(data["slices"]),
            target_slices={target: _file_name(name) for target, name in dict(data.get("target_slices") or {}).items()},
            stands_in_for=int(data.get("stands_in_for", 0)),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _file_name(name: Any) -> str:
    """The name of a file in the folder. Raises ValueError for anything else."""
    if not isinstance(name, str) or not name or "/" in name or "\0" in name:
        raise ValueError("no name of a file")
    return name


class RecordingEnvironment(Mapping[str, str]):
    """An environment that remembers which variables were asked for."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self._asked.add(name)
        return self._env[name]

    def __contains__(self, name: Any) -> bool:
        """A look at whether a variable is set: planning only warns by it, so it is not remembered."""
        return name in self._env

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)

    def asked(self) -> Mapping[str, str | None]:
        """Each variable that was read, with the hash of its value; sorted by name."""
        return {name: text_hash(self._env.get(name)) for name in sorted(self._asked)}
