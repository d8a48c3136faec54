"""Which macros make a slice unsafe, and what reaches them. Pure.

Calls are followed by words, not by dbt's own list of a macro's dependencies: that lacks what is dispatched, and names
in strings. A word too many costs a slice, a word too few would cost a wrong result.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from dbt_af_k8s.dbt.slices.jinja_words import calls, computed_config, expression_words, words
from dbt_af_k8s.dbt.slices.manifest_json import Entry, MacroEntry

#: The word that gives Jinja the whole manifest.
GRAPH = "graph"
#: Packages of macros that come with dbt, besides that of the adapter: some adapters build on these.
_DBT_PACKAGES = frozenset({"dbt", "dbt_postgres", "dbt_spark"})
#: Our own macros: only `run-operation` calls them, by their package's name. They look into `graph` for the node that
#: they are called for, which is in its own slice.
_MAINTENANCE = "dbt_af_k8s"
#: Words by which Jinja looks for relations in the warehouse, or moves those of others.
_LOOKS = frozenset(
    {
        "get_relation",
        "get_or_create_relation",
        "load_relation",
        "load_cached_relation",
        "list_relations",
        "list_relations_without_caching",
        "drop_relation",
        "drop_relation_if_exists",
        "rename_relation",
        "cache_added",
        "cache_dropped",
        "cache_renamed",
    }
)
#: dbt's macros that name the relations a node needs beside its own, or list those of a schema.
_NAMING = frozenset(
    {
        "list_relations_without_caching",
        "get_relations",
        "make_temp_relation",
        "make_intermediate_relation",
        "make_backup_relation",
        "make_relation_with_suffix",
    }
)
#: Words whose value may differ between the parse and a task.
UNSTABLE = frozenset(
    {
        "var",
        "env_var",
        "target",
        "run_query",
        "statement",
        "load_result",
        "execute",
        "run_started_at",
        "modules",
        "flags",
        "invocation_args_dict",
        "invocation_id",
        "adapter",
    }
)


@dataclass(frozen=True, slots=True)
class UnsafeMacros:
    """Names of macros -> why a node that reaches one of them runs without a slice."""

    names: Mapping[str, str]
    #: Why no node at all may have a slice: an unsafe macro stands in for one of dbt's own.
    everywhere: str | None
    #: Of materializations: `materialization_history_default` and the like, by name.
    materializations: Mapping[str, str] = field(default_factory=dict)

    def reached_by(self, entry: Entry) -> str | None:
        """Why this node, its hooks or its materialization are unsafe, or None."""
        texts = entry.texts
        named = {unique_id.rsplit(".", 1)[-1] for unique_id in entry.depends_on.macros}
        for text in texts:
            named |= words(text)
        found = min((name for name in map(_base, named) if name in self.names), default=None)
        if found is not None:
            return self.names[found]
        prefix = f"materialization_{entry.config.materialized}_"
        return next((why for name, why in self.materializations.items() if name.startswith(prefix)), None)


def unsafe_macros(macros: Iterable[MacroEntry], adapter_type: str) -> UnsafeMacros:
    """Find the unsafe macros of a project. dbt's own ones count only where the project calls them by name."""
    return _find(macros, adapter_type, _unsafe, _walks)


def looking_macros(macros: Iterable[MacroEntry], adapter_type: str) -> UnsafeMacros:
    """Find the macros that look for other relations than those of the node they work for, or name these otherwise.

    dbt's own macros look only for the node's relation and for what they name after it.
    """
    return _find(macros, adapter_type, _looks, lambda _: None)


def looks_around(text: str) -> bool:
    """Whether the Jinja of a text looks for relations."""
    return bool(words(text) & _LOOKS)


def _find(
    macros: Iterable[MacroEntry],
    adapter_type: str,
    why: Callable[[MacroEntry], str | None],
    why_of_dbts: Callable[[MacroEntry], str | None],
) -> UnsafeMacros:
    own: dict[str, list[MacroEntry]] = {}
    dbts: set[str] = set()
    names: dict[str, str] = {}
    for macro in macros:
        if macro.package_name == _MAINTENANCE:
            # As with dbt's own, a project may let a macro of its own stand in for one of these.
            dbts.add(_base(macro.name))
        elif _is_dbts_own(macro, adapter_type):
            dbts.add(_base(macro.name))
            found = why_of_dbts(macro)
            if found is not None:
                names.setdefault(_base(macro.name), found)
        else:
            own.setdefault(_base(macro.name), []).append(macro)
    for name in sorted(own):
        reason = next((found for macro in own[name] if (found := why(macro)) is not None), None)
        if reason is not None:
            names[name] = reason
    _spread(own, names)
    unsafe_own = sorted(name for name in own if name in names)
    stands_in = next((name for name in unsafe_own if name in dbts), None)
    return UnsafeMacros(
        names=names,
        everywhere=None if stands_in is None else f"{names[stands_in]}, and stands in for dbt's own",
        materializations={name: names[name] for name in unsafe_own if name.startswith("materialization_")},
    )


def unstable_refs(text: str) -> bool:
    """Whether which `ref` or `source` is called may differ between the parse and a task."""
    return any(True for _ in calls(text)) and bool(expression_words(text) & UNSTABLE)


def _walks(macro: MacroEntry) -> str | None:
    return f"the macro `{macro.name}` walks `graph`" if GRAPH in words(macro.macro_sql) else None


def _looks(macro: MacroEntry) -> str | None:
    if _base(macro.name) in _NAMING or looks_around(macro.macro_sql):
        return f"the macro `{macro.name}` looks for relations"
    return None


def _unsafe(macro: MacroEntry) -> str | None:
    walks = _walks(macro)
    if walks is not None:
        return walks
    if computed_config(macro.macro_sql) is not None:
        return f"the macro `{macro.name}` calls config()"
    if unstable_refs(macro.macro_sql):
        return f"the macro `{macro.name}` may choose another ref() in each run"
    return None


def _spread(own: Mapping[str, list[MacroEntry]], names: dict[str, str]) -> None:
    """Whoever names an unsafe macro is unsafe, too."""
    said = {name: frozenset(map(_base, frozenset().union(*(words(m.macro_sql) for m in own[name])))) for name in own}
    grows = True
    while grows:
        grows = False
        for name in sorted(said):
            if name in names:
                continue
            found = min((word for word in said[name] if word in names and word != name), default=None)
            if found is not None:
                names[name] = f"the macro `{name}` uses another one: {names[found]}"
                grows = True


def _base(name: str) -> str:
    """A macro's name without the prefix that dispatch adds: `default__current_time` is `current_time`."""
    return name.partition("__")[2] or name


def _is_dbts_own(macro: MacroEntry, adapter_type: str) -> bool:
    return macro.package_name in _DBT_PACKAGES or macro.package_name == f"dbt_{adapter_type}"
