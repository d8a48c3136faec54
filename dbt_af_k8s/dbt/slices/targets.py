"""The slices of a plan: those of the project's manifest, and those of each target that has a manifest of its own.

Names of relations are fixed when dbt parses, for one target. So where the tasks of a plan run on several targets, each
may have a manifest of its own in a folder beside the slices; `dbt-af-k8s compile --parse` lets dbt write them.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dbt_af_k8s.dbt.slices.make import UnsliceableError, make_slices
from dbt_af_k8s.dbt.slices.values import SliceSummary

_FOLDER = "targets"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class TargetSlices:
    """The slices for one target of the profile, or why it has none of its own."""

    target: str
    summary: SliceSummary | None
    because: str | None = None


@dataclass(frozen=True, slots=True)
class PlanSlices:
    """All slices of a plan."""

    #: Of the project's own manifest, or None and why.
    main: SliceSummary | None
    because: str | None
    #: One for each target of the plan, sorted; none at all where no target has a manifest of its own.
    targets: tuple[TargetSlices, ...] = ()


def target_manifest(folder: Path, target: str) -> Path:
    """Where the manifest of a target lies, beside the slices in `folder`."""
    plain = target if _PLAIN.fullmatch(target) else hashlib.sha256(target.encode()).hexdigest()[:16]
    return folder / _FOLDER / plain / "manifest.json"


def make_plan_slices(manifest: Path, project_dir: Path, folder: Path, targets: Mapping[str, str | None]) -> PlanSlices:
    """Write the stores of a plan into `folder`. Raises OSError where that cannot be read or written.

    `targets` are those of the plan, each with the reason for which dbt could not parse for it now, or None.
    """
    main, because = _made(manifest, project_dir, folder)
    if not any(targets.values()) and not any(target_manifest(folder, target).is_file() for target in targets):
        return PlanSlices(main, because)
    origin = _origin(manifest)
    own = []
    for target in sorted(targets):
        file = target_manifest(folder, target)
        why = targets[target] or _why_unfit(file, origin)
        own.append(TargetSlices(target, *((None, why) if why else _made(file, project_dir, folder))))
    return PlanSlices(main, because, tuple(own))


class _Checksum(msgspec.Struct, frozen=True):
    checksum: str = ""


class _Node(msgspec.Struct):
    checksum: _Checksum = msgspec.field(default_factory=_Checksum)


class _Metadata(msgspec.Struct):
    generated_at: str = ""


class _Origin(msgspec.Struct):
    """When a manifest was made, and of which files."""

    metadata: _Metadata
    nodes: dict[str, _Node]


def _origin(manifest: Path) -> _Origin | None:
    try:
        return msgspec.json.decode(manifest.read_bytes(), type=_Origin)
    except msgspec.MsgspecError:
        return None


def _why_unfit(file: Path, planned: _Origin | None) -> str | None:
    """Why the manifest of a target does not fit the one that the plan was made from, or None."""
    if not file.is_file():
        return "it has no manifest of its own: `dbt-af-k8s compile --parse` makes one"
    own = _origin(file)
    if own is None or planned is None:
        return "its manifest cannot be read"
    if own.metadata.generated_at < planned.metadata.generated_at:
        return "its manifest is older than the one of the plan: `dbt-af-k8s compile --parse` makes a new one"
    if any(key in own.nodes and own.nodes[key].checksum != node.checksum for key, node in planned.nodes.items()):
        return "the project has changed since the manifest of the plan was made: run `dbt parse`, then compile again"
    return None


def _made(manifest: Path, project_dir: Path, folder: Path) -> tuple[SliceSummary | None, str | None]:
    try:
        return make_slices(manifest.read_bytes(), project_dir, folder), None
    except UnsliceableError as reason:
        return None, str(reason)
