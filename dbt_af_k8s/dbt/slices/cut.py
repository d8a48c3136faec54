"""The rules of the cut: what of a manifest dbt needs to run one node. Pure.

Found by running every kind of node of dbt 1.11 both ways. A node stands in full; what it reads stands as a stub, which
has a name and a relation and nothing to run; an ephemeral parent is written into the node, so it stands in full with
its own parents. Macros are never cut, for their names may be computed at run time.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from dbt_af_k8s.dbt.slices.manifest_json import Known

#: An entry's fields, each still as the bytes of the manifest.
Fields = dict[str, msgspec.Raw]

#: What an earlier `dbt compile` or `run` left in the manifest. With it dbt would take the node for compiled, and drop
#: the CTEs of its ephemeral parents.
_COMPILED_STATE = (
    "compiled",
    "compiled_code",
    "compiled_path",
    "extra_ctes",
    "extra_ctes_injected",
    "build_path",
)
#: What a stub lacks of its entry (the driver cuts it): what would run, and what takes long to load. All else may be
#: read by a macro that names relations: tags, meta, description, group, version.
STUB_LACKS = ("raw_code", "columns", "depends_on", "refs", "sources", "metrics", "functions", "unrendered_config")
#: What dbt reads of a macro when it runs; its documentation is left out.
_MACRO_FIELDS = (
    "name",
    "resource_type",
    "package_name",
    "path",
    "original_file_path",
    "unique_id",
    "macro_sql",
    "depends_on",
    "supported_languages",
)
#: What else a stub has: nothing to run, and no parents.
STUB_REST: Mapping[str, Any] = {"raw_code": "", "depends_on": {"macros": [], "nodes": []}}


def full(raw: msgspec.Raw) -> bytes:
    """An entry with all that dbt knows of it, but what an earlier run left."""
    fields = _fields(raw)
    return msgspec.json.encode({name: fields[name] for name in fields if name not in _COMPILED_STATE})


def macro(raw: msgspec.Raw) -> bytes:
    """A macro as dbt runs it."""
    fields = _fields(raw)
    return msgspec.json.encode({name: fields[name] for name in _MACRO_FIELDS if name in fields})


def parts_of(roots: Iterable[str], find: Callable[[str], Known | None]) -> Mapping[str, bool]:
    """The entries that running `roots` needs: unique_id -> whether in full. Sorted by unique_id.

    `find` gives an entry by unique_id. Raises `KeyError` with the unique_id of a parent that it does not know.
    """
    parts: dict[str, bool] = {}
    waiting = list(roots)
    for root in waiting:
        parts[root] = True
    while waiting:
        unique_id = waiting.pop()
        entry = find(unique_id)
        if entry is None:
            raise KeyError(unique_id)
        if not parts[unique_id]:
            continue
        for parent in entry.depends_on.nodes:
            known = find(parent)
            if known is None:
                raise KeyError(parent)
            wanted = known.is_ephemeral or known.resource_type in _WHOLE_PARENTS
            if parts.get(parent) is None or (wanted and not parts[parent]):
                parts[parent] = wanted
                waiting.append(parent)
    return dict(sorted(parts.items()))


#: Parents that are small, and that dbt reads more of than their relation.
_WHOLE_PARENTS = frozenset({"source", "function"})


def _fields(raw: msgspec.Raw) -> Fields:
    return msgspec.json.decode(raw, type=Fields)
