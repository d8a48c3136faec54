"""A project as dbt parsed it: what a start without parsing needs, and what clients may look at."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from dbt_af_k8s.dbt.selection import select_argument
from dbt_af_k8s.dbt.slices.make import UnsliceableError, make_slices
from dbt_af_k8s.dbt.values import DbtSelection
from dbt_af_k8s.manifest.parse import parse_manifest
from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.server.command import Command
from dbt_af_k8s.server.order import keeps_order
from dbt_af_k8s.server.run_as import read_left

#: Files that dbt reads when it parses.
_PARSED = (".sql", ".yml", ".yaml", ".py", ".csv", ".md")
#: Folders that dbt writes, or that belong to other tools.
_PASSED_OVER = ("target", "logs", "__pycache__", "node_modules", "venv")
_PLAIN_NAME = re.compile(r"\w+", re.ASCII)
#: Verbs that run from slices: what `DbtInvocation` calls them, and the kinds of node that they may name.
_SLICED: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "run": ("run", ("model",)),
        "seed": ("seed", ("seed",)),
        "snapshot": ("snapshot", ("snapshot",)),
        "test": ("test", ("test",)),
        "build": ("build", ("model", "seed", "snapshot", "test")),
        "source freshness": ("freshness", ("source",)),
    }
)
#: Those that run tests: without a word of their own they find tests of other nodes, too.
_TESTING = ("test", "build")
#: Options under which a slice gives what the whole project would: they select nothing and change nothing of the parse.
_SLICED_OPTIONS = frozenset(
    (
        "--cache-selected-only",
        "--debug",
        "--empty",
        "--event-time-end",
        "--event-time-start",
        "--exclude",
        "--fail-fast",
        "--full-refresh",
        "--indirect-selection",
        "--log-level",
        "--no-fail-fast",
        "--no-print",
        "--populate-cache",
        "--print",
        "--quiet",
        "--select",
        "--store-failures",
        "--target",
        "--threads",
        "--vars",
    )
)
#: Largest manifest that is read, in bytes.
_MOST_BYTES = 2 * 1024**3
#: Options that change what a parse says, so that a saved one does not count.
_PARSE_OPTIONS = frozenset(("--vars", "--warn-error", "--warn-error-options", "--target"))


@dataclass(frozen=True, slots=True)
class Prepared:
    """One parse of a project, for its own target and without vars."""

    manifest: Manifest
    #: dbt's own saved parse.
    parse: Path
    #: The slices, or why there are none.
    slices: Path | str
    #: State of the project's files when it was parsed.
    fingerprint: str
    #: `--select` arguments that name one node, by argument.
    terms: Mapping[str, DbtSelection]

    def sliced_nodes(self, command: Command) -> tuple[str, tuple[DbtSelection, ...]] | None:
        """The verb and the nodes of a command that can run from slices, or None.

        Nodes that the command both selects and excludes are among them: they tell in which order the others run.
        """
        selected, left_out = command.values("--select"), command.values("--exclude") or ()
        if command.verb not in _SLICED or not selected or not {name for name, _ in command.options} <= _SLICED_OPTIONS:
            return None
        if command.verb in _TESTING and command.values("--indirect-selection") != ("empty",):
            return None
        verb, kinds = _SLICED[command.verb]
        nodes = tuple(self.terms[term] for term in dict.fromkeys(selected) if term in self.terms)
        if len(nodes) != len(set(selected)) or any(node.resource_type not in kinds for node in nodes):
            return None
        if not set(left_out) <= set(selected) or not keeps_order(self.manifest, [node.unique_id for node in nodes]):
            return None
        return verb, nodes

    def fits(self, command: Command) -> bool:
        """Whether dbt would parse the same again for this command."""
        return command.verb != "parse" and not {name for name, _ in command.options} & _PARSE_OPTIONS


def read_prepared(folder: Path, kept: Path, project_dir: Path, fingerprint: str) -> Prepared:
    """What `dbt parse` left in its target `folder`, and the slices, which are made in the folder `kept`.

    Raises `ProjectError` and OSError where it cannot be read.
    """
    data = read_left(folder / "manifest.json", _MOST_BYTES)
    if data is None:
        raise OSError(f"{folder / 'manifest.json'} is no file that dbt wrote")
    manifest = parse_manifest(data, file="manifest.json")
    try:
        slices: Path | str = kept / make_slices(data, project_dir, kept).name
    except UnsliceableError as reason:
        slices = str(reason)
    return Prepared(manifest, folder / "partial_parse.msgpack", slices, fingerprint, _terms(manifest))


def _terms(manifest: Manifest) -> Mapping[str, DbtSelection]:
    """Each node's own `--select` argument; and its plain name where nothing else in the project has that word."""
    found: dict[str, DbtSelection] = {}
    twice: set[str] = set()
    words: dict[str, int] = {}
    for selection in _selections(manifest):
        term = select_argument(selection)
        twice.update({term} & found.keys())
        found[term] = selection
        for word in {part for name in selection.fqn for part in name.split(".")}:
            words[word] = words.get(word, 0) + 1
    for term in twice:
        del found[term]
    for selection in tuple(found.values()):
        name = selection.fqn[-1]
        if selection.resource_type != "source" and words.get(name) == 1 and _PLAIN_NAME.fullmatch(name):
            found[name] = selection
    return found


def _selections(manifest: Manifest) -> Iterator[DbtSelection]:
    for node in manifest.nodes.values():
        yield DbtSelection(node.unique_id, node.resource_type, node.package, node.fqn)
    for source in manifest.sources.values():
        names = (source.package, source.source_name, source.name)
        yield DbtSelection(source.unique_id, "source", source.package, names)


def fingerprint_of(project_dir: Path, profiles_dir: Path) -> str:
    """Names, sizes and times of all files that dbt may read of a project, as one hash."""
    digest = hashlib.sha256()
    for path in (profiles_dir / "profiles.yml", *_files(project_dir)):
        try:
            found = path.stat()
        except OSError:
            continue
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files(project_dir: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(project_dir):
        below[:] = sorted(name for name in below if name not in _PASSED_OVER and not name.startswith("."))
        for name in sorted(names):
            if name.endswith(_PARSED):
                yield Path(folder, name)
