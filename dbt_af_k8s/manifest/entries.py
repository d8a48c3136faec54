"""Entries of the slim JSON shape -> the frozen values. Here the differences between dbt versions end."""

import hashlib
from collections.abc import Iterable, Mapping, Set
from typing import Any

from dbt_af_k8s.manifest.dbt_json import (
    JsonDependsOn,
    JsonExposure,
    JsonGroup,
    JsonManifest,
    JsonMetadata,
    JsonNode,
    JsonOther,
    JsonSource,
)
from dbt_af_k8s.manifest.values import Exposure, Node, Other, Source
from dbt_af_k8s.names import DBT_PACKAGE


def node_of(unique_id: str, entry: JsonNode) -> Node:
    """One entry of `nodes`."""
    kind, package, name = _identity(unique_id, entry.resource_type, entry.package_name, entry.name)
    config = entry.config or {}
    file = posix(entry.original_file_path)
    fqn = tuple(entry.fqn or (package, name))
    version = None if entry.version is None else str(entry.version)
    return Node(
        unique_id=unique_id,
        resource_type=kind,
        name=name,
        package=package,
        path=_path_below_resource_folder(posix(entry.path), file, kind, fqn, version),
        file=file,
        fqn=fqn,
        language=entry.language or "sql",
        version=version,
        materialized=_text(config.get("materialized")) or "",
        group=entry.group or _text(config.get("group")),
        tags=tuple(entry.tags or ()),
        meta=_meta(entry.meta, config),
        config=config,
        parents=_parents(entry.depends_on),
        relation_name=entry.relation_name,
        attached_node=entry.attached_node,
        patch_path=_without_package(entry.patch_path),
        script=_text(entry.raw_code) or "",
        access=_text(entry.access) or "protected",
        latest_version=None if entry.latest_version is None else str(entry.latest_version),
        test_name=_text(entry.test_metadata.get("name")) if isinstance(entry.test_metadata, dict) else None,
    )


def source_of(unique_id: str, entry: JsonSource) -> Source:
    """One entry of `sources`. Freshness may stand beside the config or, from dbt 1.9 on, in it."""
    _, package, name = _identity(unique_id, entry.resource_type, entry.package_name, entry.name)
    config = entry.config or {}
    in_config = config.get("freshness")
    return Source(
        unique_id=unique_id,
        source_name=entry.source_name or _piece(unique_id, 2),
        name=name,
        package=package,
        path=posix(entry.path),
        file=posix(entry.original_file_path),
        fqn=tuple(entry.fqn or (package, name)),
        tags=tuple(entry.tags or ()),
        meta=_meta(entry.meta, config),
        config=config,
        freshness=entry.freshness or (in_config if isinstance(in_config, dict) and in_config else None),
        loaded_at_field=entry.loaded_at_field or _text(config.get("loaded_at_field")),
        loaded_at_query=entry.loaded_at_query or _text(config.get("loaded_at_query")),
        relation_name=entry.relation_name,
        patch_path=_without_package(entry.patch_path),
    )


def exposure_of(unique_id: str, entry: JsonExposure) -> Exposure:
    """One entry of `exposures`."""
    _, package, name = _identity(unique_id, entry.resource_type, entry.package_name, entry.name)
    config = entry.config or {}
    return Exposure(
        unique_id=unique_id,
        name=name,
        package=package,
        type=entry.type or "",
        file=posix(entry.original_file_path),
        url=entry.url,
        tags=tuple(entry.tags or ()),
        meta=_meta(entry.meta, config),
        config=config,
        parents=_parents(entry.depends_on),
        fqn=tuple(entry.fqn or (package, name)),
    )


def others_of(read: JsonManifest, unplanned: Iterable[Other], *, taken: Set[str]) -> dict[str, Other]:
    """Everything that gets no task. `unplanned` are those that stand among what dbt runs.

    An id that is `taken` by an enabled node stays out: dbt may have a disabled twin of it in another file.
    """
    found = {other.unique_id: other for other in unplanned}
    parts: tuple[tuple[str, Mapping[str, JsonOther] | None], ...] = (
        ("unit_test", read.unit_tests),
        ("metric", read.metrics),
        ("semantic_model", read.semantic_models),
        ("saved_query", read.saved_queries),
        ("function", read.functions),
    )
    for kind, entries in parts:
        for key, entry in (entries or {}).items():
            found[key] = _other(key, entry, kind, disabled=False)
    for key, twins in (read.disabled or {}).items():
        if key not in found and twins:
            found[key] = _other(key, twins[0], _piece(key, 0), disabled=True)
    return {key: found[key] for key in sorted(found) if key not in taken}


def _other(key: str, entry: JsonOther, kind: str, *, disabled: bool) -> Other:
    _, package, name = _identity(key, kind, _text(entry.package_name), _text(entry.name))
    config = entry.config if isinstance(entry.config, dict) else {}
    depends_on = entry.depends_on if isinstance(entry.depends_on, dict) else {}
    return Other(
        unique_id=key,
        resource_type=_text(entry.resource_type) or kind,
        file=posix(_text(entry.original_file_path)),
        disabled=disabled or config.get("enabled") is False,
        name=name,
        package=package,
        fqn=_texts(entry.fqn) or (package, name),
        # Unit tests have their tags in the config alone.
        tags=_texts(config.get("tags") if kind == "unit_test" else entry.tags),
        group=_text(config.get("group")),
        parents=_texts(depends_on.get("nodes")),
    )


def selectors_of(selectors: Any) -> dict[str, Mapping[str, Any]]:
    """Dbt's selectors.yml as the manifest has it, by name; what is no selector is left out."""
    if not isinstance(selectors, dict):
        return {}
    return {key: entry for key, entry in sorted(selectors.items()) if isinstance(entry, dict) and "definition" in entry}


def group_owners_of(groups: Mapping[str, JsonGroup]) -> dict[str, str]:
    """Owner's name, else e-mail, by the group's name. Groups without either are left out."""
    owners: dict[str, str] = {}
    for unique_id, group in sorted(groups.items()):
        name = group.name or _identity(unique_id, None, None, None)[2]
        owner = group.owner
        told = None if owner is None else _first_text(owner.name) or _first_text(owner.email)
        if told:
            owners.setdefault(name, told)
    return owners


def own_macros_of(unique_ids: Iterable[str]) -> tuple[str, ...]:
    """The macros of our own dbt package, by the unique_ids of all: `macro.dbt_af_k8s.ttl`."""
    begin = f"macro.{DBT_PACKAGE}."
    return tuple(sorted(key.removeprefix(begin) for key in unique_ids if key.startswith(begin)))


def project_name_of(metadata: JsonMetadata, nodes: Mapping[str, Node]) -> str:
    """The root project's name: as written, else the package whose MD5 is `project_id`, else the only package."""
    if metadata.project_name:
        return metadata.project_name
    packages = sorted({node.package for node in nodes.values()})
    for package in packages:
        # dbt's own way to hide the name (dbt.config.project.Project.hashed_name); no secrecy is meant here.
        if hashlib.md5(package.encode(), usedforsecurity=False).hexdigest() == metadata.project_id:
            return package
    return packages[0] if len(packages) == 1 else ""


def posix(path: str | None) -> str:
    """A path with forward slashes: dbt on Windows writes backslashes."""
    return (path or "").replace("\\", "/")


def _identity(unique_id: str, kind: str | None, package: str | None, name: str | None) -> tuple[str, str, str]:
    """Resource type, package and name: as written, else as the unique_id `type.package.name` has them."""
    if kind and package and name:
        return kind, package, name
    pieces = unique_id.split(".", 2)
    return kind or pieces[0], package or _piece(unique_id, 1), name or pieces[-1]


def _piece(unique_id: str, number: int) -> str:
    pieces = unique_id.split(".")
    return pieces[number] if number < len(pieces) else ""


def _path_below_resource_folder(path: str, file: str, kind: str, fqn: tuple[str, ...], version: str | None) -> str:
    """The path below `models/`, `seeds/`, ...: dbt-core writes that; dbt Fusion writes the whole path in both fields.

    Where both are the same, a model's or seed's folders are those of its fqn (package, folders, name, version);
    for the others the first folder is taken as the resource folder.
    """
    if path != file or "/" not in path:
        return path
    *folders, name = path.split("/")
    if kind in ("model", "seed"):
        below = list(fqn[1 : -2 if version is not None and fqn[-1] == f"v{version}" else -1])
        if not below or folders[-len(below) :] == below:
            return "/".join([*below, name])
    return "/".join([*folders[1:], name])


def _parents(depends_on: JsonDependsOn | None) -> tuple[str, ...]:
    if depends_on is None or not depends_on.nodes:
        return ()
    return tuple(dict.fromkeys(depends_on.nodes))


def _meta(beside: dict[str, Any] | None, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """`config.meta` over the entry's own `meta`: versions differ in which of the two they fill."""
    inside = config.get("meta")
    if not isinstance(inside, dict) or not inside:
        return beside or {}
    return {**beside, **inside} if beside else inside


def _without_package(patch_path: str | None) -> str | None:
    if not patch_path:
        return None
    return posix(patch_path.split("://", 1)[-1])


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str))
    return (value,) if isinstance(value, str) else ()


def _first_text(value: Any) -> str | None:
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, str) and item), None)
    return _text(value)
