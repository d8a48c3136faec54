"""The values of slices: what a store says about itself, and how a task starts from one. Pure."""

from dataclasses import dataclass

#: Goes up when older stores cannot be read any more.
FORMAT = 3
#: Verbs of `DbtInvocation` that run from a slice; they name their nodes and read nothing else of the project.
SLICED_VERBS = frozenset({"run", "seed", "snapshot", "test", "build", "freshness", "run-operation"})
#: Minor versions of dbt whose `Manifest.from_dict` takes our cut. Others read the same JSON in other ways.
KNOWN_DBT = ("1.11",)


@dataclass(frozen=True, slots=True)
class FileMark:
    """A file of the project as it was when the slices were made."""

    #: Relative to the project where it lies inside, else absolute.
    path: str
    size: int
    mtime_ns: int
    #: Of the content, hex.
    sha256: str
    #: Of its Jinja alone, where nothing else of it counts.
    jinja_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Recheck:
    """A value of a node's `config` that is computed, so that it is rendered again before the node runs.

    Where what it comes to is what the manifest says, the configuration is the same: either this value counts, or one
    that cannot change goes before it. That holds for keys whose last value counts, see `ADDING_KEYS`.
    """

    #: `sql`: the call of `config()`; `yaml`: `text` of the entry in a YAML file; `project`: `path` in dbt_project.yml.
    kind: str
    #: Where it is within `config`.
    keys: tuple[str, ...]
    text: str = ""
    #: Of a project file: the package, the section, and where it is in that.
    path: tuple[str, ...] = ()


#: Keys of `config` whose values dbt adds up, so that one value does not tell the sum.
ADDING_KEYS = frozenset(
    {
        *("tags", "meta", "packages", "pre-hook", "post-hook", "pre_hook", "post_hook", "grants", "docs", "quoting"),
        *("column_types", "persist_docs", "contract", "unique_key", "group", "access", "freshness", "event_time"),
    }
)


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """What a store was made from. A task uses it only where all of this still fits."""

    #: Version of this library.
    made_by: str
    #: As dbt writes it: `1.11.16`.
    dbt_version: str
    adapter_type: str
    project_name: str
    manifest_sha256: str
    #: Files that every node depends on: project files and macros.
    files: tuple[FileMark, ...]


@dataclass(frozen=True, slots=True)
class SliceSummary:
    """A store on disk, for a person."""

    #: File name in the folder of the compiled plan; it names the content.
    name: str
    #: Nodes that run from a slice, and those that do not.
    sliced: int
    refused: int
    #: (reason, number of nodes), the most frequent first.
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SliceStart:
    """How to start dbt from a slice instead of from the project."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoSlice:
    """Why a task runs dbt on the whole project."""

    because: str


def minor_version(version: str) -> str:
    """`1.11` of `1.11.16`."""
    return ".".join(version.split(".")[:2])
