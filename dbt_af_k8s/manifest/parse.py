"""The bytes of a manifest.json -> `Manifest`. Pure: no disk, no clock."""

import hashlib
import re
from collections.abc import Iterable
from operator import itemgetter
from typing import TypeVar

from pydantic import ValidationError

from dbt_af_k8s.errors import Issue, ProjectError, error, quoted, warning
from dbt_af_k8s.manifest.dbt_json import JsonHead, JsonManifest, JsonMetadata
from dbt_af_k8s.manifest.entries import (
    exposure_of,
    group_owners_of,
    others_of,
    own_macros_of,
    project_name_of,
    selectors_of,
    source_of,
)
from dbt_af_k8s.manifest.parts import NodeReader, ReadManifest, read_parts
from dbt_af_k8s.manifest.problems import WRITE_AGAIN, field_problems, json_problem
from dbt_af_k8s.manifest.values import Exposure, Manifest, Node, Other, Source

Entry = TypeVar("Entry", Node, Source, Exposure)

#: Manifest schemas that this reader was written for: dbt 1.6, 1.7, 1.8 to 1.11, and dbt Fusion.
KNOWN_SCHEMAS = (10, 11, 12, 20)
_OLDEST = KNOWN_SCHEMAS[0]
_SCHEMA = re.compile(r"/dbt/(?P<artefact>[a-z-]+)/v(?P<version>\d{1,6})(?:\.json|/|$)")
#: dbt's other artefacts, by the name in their schema's address.
_ARTEFACT_FILES = {
    "run-results": "run_results.json",
    "catalog": "catalog.json",
    "sources": "sources.json",
    "semantic_manifest": "semantic_manifest.json",
}
#: Resource types that stand in `nodes`; any other lands in `others`, so that it is named and not planned.
_NODE_TYPES = frozenset({"model", "seed", "snapshot", "test", "analysis", "operation"})


def parse_manifest(data: bytes, *, file: str) -> Manifest:
    """Read the bytes of a manifest of schema v10, v11, v12 or v20 (a newer one with a warning in `issues`).

    `file` is how messages call it. Raises `ProjectError` with every problem found: no JSON, another artefact than a
    manifest, an older schema, fields of the wrong type, keys that are not the unique_id of their entry.
    """
    text = data.removeprefix(b"\xef\xbb\xbf")
    read = read_parts(text) or _read_at_once(text, file)
    version, issues = _judge_head(read.rest.metadata, has_nodes=read.nodes is not None, file=file)
    issues += _strange_keys(read, file)
    if version is None or any(issue.is_error for issue in issues):
        raise ProjectError(issues)
    return _manifest(data, read, version, tuple(issues))


def _read_at_once(text: bytes, file: str) -> ReadManifest:
    """The manifest as one document, which takes the most memory and tells everything that is wrong."""
    try:
        whole = JsonManifest.model_validate_json(text)
    except ValidationError as failed:
        raise ProjectError(_why_unreadable(text, failed, file)) from None
    reader = NodeReader()
    for unique_id, entry in (whole.nodes or {}).items():
        reader.add(unique_id, entry)
    return reader.manifest(whole, has_nodes=whole.nodes is not None)


def _why_unreadable(data: bytes, failed: ValidationError, file: str) -> list[Issue]:
    """All that is wrong with bytes that failed the slim model: what the file is comes before its fields."""
    first = failed.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return [json_problem(data, first["ctx"]["error"], file=file)]
    if not first["loc"]:
        return [_not_a_manifest("it is JSON, but no object", file)]
    try:
        head = JsonHead.model_validate_json(data)
    except ValidationError:
        return field_problems(failed, file=file)
    version, issues = _judge_head(head.metadata, has_nodes=True, file=file)
    return issues if version is None else [*issues, *field_problems(failed, file=file)]


def _judge_head(metadata: JsonMetadata | None, *, has_nodes: bool, file: str) -> tuple[int | None, list[Issue]]:
    """The schema's number and warnings about it; None and the reasons where this is no manifest for us."""
    if metadata is None or metadata.dbt_schema_version is None:
        return None, [_not_a_manifest("it has no `metadata.dbt_schema_version`", file)]
    schema = metadata.dbt_schema_version
    found = _SCHEMA.search(schema)
    if found is None:
        return None, [_not_a_manifest(f"its schema is {quoted(schema)}", file)]
    artefact, version = found["artefact"], int(found["version"])
    if artefact != "manifest":
        name = _ARTEFACT_FILES.get(artefact, f"{artefact}.json")
        return None, [_not_a_manifest(f"it is dbt's {name}", file)]
    key = "metadata.dbt_schema_version"
    if version < _OLDEST:
        old = error(
            "manifest-too-old",
            f"The manifest has schema v{version} (dbt {quoted(metadata.dbt_version or 'unknown')}); "
            f"the oldest that can be read is v{_OLDEST} (dbt 1.6).",
            "Write it with dbt 1.6 or newer.",
            file=file,
            key=key,
        )
        return None, [old]
    if not has_nodes:
        return None, [_not_a_manifest("it has no `nodes`", file)]
    if version in KNOWN_SCHEMAS:
        return version, []
    known = ", ".join(f"v{number}" for number in KNOWN_SCHEMAS)
    new = warning(
        "manifest-unknown-version",
        f"The manifest has schema v{version}, which is not one of those known ({known}). It is read as they are.",
        "Look whether a newer dbt_af_k8s knows it; until then compare the plan with what you expect.",
        file=file,
        key=key,
    )
    return version, [new]


def _not_a_manifest(because: str, file: str) -> Issue:
    return error(
        "manifest-wrong-file",
        f"This is not a dbt manifest: {because}.",
        "Name the manifest.json that dbt writes (by default in the project's target folder) with --manifest.",
        file=file,
    )


def _strange_keys(read: ReadManifest, file: str) -> list[Issue]:
    """Entries that lie under another key than their own unique_id: then edges would point to the wrong node."""
    found = [("nodes", key, own) for key, own in read.strange_nodes.items()]
    for part, entries in (("sources", read.rest.sources), ("exposures", read.rest.exposures)):
        found += [
            (part, key, key if entry.unique_id is None else entry.unique_id) for key, entry in (entries or {}).items()
        ]
    return [
        error(
            "manifest-id-mismatch",
            f"The entry lies under the key {quoted(key)} of `{part}`, but its own unique_id is {quoted(own)}.",
            WRITE_AGAIN,
            file=file,
            node=key,
            key="unique_id",
        )
        for part, key, own in found
        if own != key
    ]


def _manifest(data: bytes, found: ReadManifest, version: int, issues: tuple[Issue, ...]) -> Manifest:
    read = found.rest
    metadata = read.metadata or JsonMetadata()
    found_nodes = found.nodes or {}
    unplanned = [
        Other(key, key.split(".")[0], node.file)
        for key, node in found_nodes.items()
        if node.resource_type not in _NODE_TYPES
    ]
    nodes = _enabled(((k, node) for k, node in found_nodes.items() if node.resource_type in _NODE_TYPES), unplanned)
    sources = _enabled(((key, source_of(key, entry)) for key, entry in (read.sources or {}).items()), unplanned)
    exposures = _enabled(((key, exposure_of(key, entry)) for key, entry in (read.exposures or {}).items()), unplanned)
    return Manifest(
        sha256=hashlib.sha256(data).hexdigest(),
        schema_version=version,
        dbt_version=metadata.dbt_version or "",
        project_name=project_name_of(metadata, nodes),
        adapter_type=metadata.adapter_type or None,
        nodes=nodes,
        sources=sources,
        exposures=exposures,
        others=others_of(read, unplanned, taken=nodes.keys() | sources.keys() | exposures.keys()),
        group_owners=group_owners_of(read.groups or {}),
        own_macros=None if read.macros is None else own_macros_of(read.macros),
        selectors=selectors_of(read.selectors),
        issues=issues,
    )


def _enabled(entries: Iterable[tuple[str, Entry]], unplanned: list[Other]) -> dict[str, Entry]:
    """The entries that dbt runs, sorted by id; the others go to `unplanned`.

    The section alone does not tell: dbt leaves generic tests of disabled and of missing models among its enabled nodes.
    """
    kept: dict[str, Entry] = {}
    for key, entry in sorted(entries, key=itemgetter(0)):
        if entry.config.get("enabled") is False:
            unplanned.append(Other(key, key.split(".")[0], entry.file, disabled=True))
        else:
            kept[key] = entry
    return kept
