"""Which macros make a slice unsafe, and which nodes reach them. Pure.

Names are looked up as dbt 1.11 does (`dbt.context.macros`, `dispatch` in `dbt.context.providers`), and not by dbt's own
list of a macro's dependencies: that lacks what is dispatched, and names in strings.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from dbt_af_k8s.dbt.slices.jinja_words import Call, JinjaText, Reference, read_jinja
from dbt_af_k8s.dbt.slices.manifest_json import Entry, MacroEntry

#: Packages of macros that come with dbt, besides that of the adapter: some adapters build on these.
_DBT_PACKAGES = frozenset({"dbt", "dbt_postgres", "dbt_spark"})
#: The name by which Jinja knows all of them.
_DBT = "dbt"
#: Our own macros: only `run-operation` calls them, by their package's name. They look into `graph` for the node that
#: they are called for, which is in its own slice.
_MAINTENANCE = "dbt_af_k8s"
#: Words by which Jinja looks for relations in the warehouse, or moves those of others.
_LOOKS = frozenset(
    {
        *("get_relation", "get_or_create_relation", "load_relation", "load_cached_relation", "list_relations"),
        *("list_relations_without_caching", "drop_relation", "drop_relation_if_exists", "rename_relation"),
        *("cache_added", "cache_dropped", "cache_renamed"),
    }
)
#: dbt's macros that name the relations a node needs beside its own, or list those of a schema.
_NAMING = frozenset(
    {
        *("list_relations_without_caching", "get_relations", "make_temp_relation", "make_intermediate_relation"),
        *("make_backup_relation", "make_relation_with_suffix"),
    }
)


class MacroGraph:
    """The macros of a project, and which of them a text may call when dbt renders it for a node of a package."""

    def __init__(
        self,
        macros: Iterable[MacroEntry],
        *,
        root: str,
        adapter: str,
        search_orders: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """`search_orders` is `dispatch` of dbt_project.yml: namespace -> packages."""
        self.macros = {macro.unique_id: macro for macro in macros}
        self._root = root
        self._search_orders = search_orders or {}
        self._internal = tuple(sorted({*_DBT_PACKAGES, f"dbt_{adapter}"}))
        self._by_name: dict[tuple[str, str], str] = {}
        self._by_base: dict[tuple[str, str], list[str]] = {}
        for key, macro in sorted(self.macros.items()):
            self._by_name[macro.package_name, macro.name] = key
            if _base(macro.name) != macro.name:
                self._by_base.setdefault((macro.package_name, _base(macro.name)), []).append(key)
        self._packages = frozenset(macro.package_name for macro in self.macros.values())
        self._edges: dict[str, Mapping[str, frozenset[str]]] = {}

    def is_dbts(self, macro: MacroEntry) -> bool:
        """Whether it comes with dbt or with the adapter."""
        return macro.package_name in self._internal

    def stand_ins(self) -> Iterator[str]:
        """The project's macros that dbt, or a macro of dbt's, may call instead of one of dbt's own, or of ours."""
        dbts = {_base(macro.name) for macro in self.macros.values() if self._is_shipped(macro)}
        for key, macro in sorted(self.macros.items()):
            is_called_by_node = macro.name.startswith("materialization_")
            if not self._is_shipped(macro) and not is_called_by_node and _base(macro.name) in dbts:
                yield key

    def _is_shipped(self, macro: MacroEntry) -> bool:
        return self.is_dbts(macro) or macro.package_name == _MAINTENANCE

    def called_by(self, text: JinjaText, search: str) -> frozenset[str]:
        """The macros that a text may call when it is rendered for a node of the package `search`."""
        called: set[str] = set()
        for reference in text.references:
            called.update(self.named(reference, search))
            if reference.package is None and reference.name in self._packages:
                called.update(key for key, macro in self.macros.items() if macro.package_name == reference.name)
        for reference in text.dispatched:
            called.update(self._dispatched(reference, search))
        for reference in text.strings:
            called.update(self.named(reference, search))
            packages = sorted(self._packages) if reference.package is None else [reference.package]
            called.update(key for package in packages for key in self._by_base.get((package, reference.name), ()))
        for parts in text.lookups:
            visible = (search, self._root, *self._internal)
            called.update(
                key
                for key, macro in self.macros.items()
                if macro.package_name in visible and all(part in macro.name for part in parts)
            )
        return frozenset(called)

    def named(self, reference: Reference, search: str) -> Iterator[str]:
        """The macros that a name stands for: of the node's package, of the root project, or of dbt."""
        package = None if reference.package in ("context", "builtins") else reference.package
        if package is None:
            own = (self._by_name.get((name, reference.name)) for name in (search, self._root))
            key = next(filter(None, own), None)
            if key is not None:
                yield key
                return
        for name in self._internal if package in (None, _DBT) else (package or "",):
            if (name, reference.name) in self._by_name:
                yield self._by_name[name, reference.name]

    def _dispatched(self, reference: Reference, search: str) -> Iterator[str]:
        """The macros that `adapter.dispatch` may choose from, for any adapter."""
        if reference.package is None:
            packages: tuple[str, ...] = (search, self._root, *self._internal)
        else:
            packages = self._search_orders.get(reference.package, (self._root, reference.package))
            packages = (*packages, *(self._internal if _DBT in packages else ()))
        for package in packages:
            yield from self._by_base.get((package, reference.name), ())

    def edges(self, search: str) -> Mapping[str, frozenset[str]]:
        """For nodes of the package `search`: macro -> the macros that it may call."""
        if search not in self._edges:
            texts = {key: read_jinja(macro.macro_sql) for key, macro in self.macros.items()}
            self._edges[search] = {key: self.called_by(text, search) for key, text in texts.items()}
        return self._edges[search]

    def spread(self, first: Mapping[str, str], search: str) -> dict[str, str]:
        """Macro -> reason, of those in `first` and of all that lead to one of them."""
        callers: dict[str, list[str]] = {}
        for key, called in sorted(self.edges(search).items()):
            for one in called:
                callers.setdefault(one, []).append(key)
        reasons = {key: f"the macro {self.shown(key)} {first[key]}" for key in sorted(first)}
        waiting = sorted(first)
        origin = {key: key for key in waiting}
        for key in waiting:
            for caller in callers.get(key, ()):
                # dbt's own macros do what they do for the node alone; what they call of the project, see `stand_ins`.
                if caller not in reasons and not self.is_dbts(self.macros[caller]):
                    origin[caller] = origin[key]
                    source = self.shown(origin[key])
                    reasons[caller] = f"the macro {self.shown(caller)} uses {source}, which {first[origin[key]]}"
                    waiting.append(caller)
        return reasons

    def shown(self, key: str) -> str:
        """A macro as Jinja would call it."""
        macro = self.macros[key]
        return f"`{macro.package_name}.{macro.name}`"

    def of_node(self, entry: Entry) -> frozenset[str]:
        """The macros that running a node calls: in its texts, and those that dbt chooses by its configuration."""
        called = set[str]()
        for text in entry.texts:
            called |= self.called_by(read_jinja(text), entry.package_name)
        called.update(key for key in entry.depends_on.macros if key in self.macros)
        prefix = f"materialization_{entry.config.materialized}_"
        called.update(key for key, macro in self.macros.items() if macro.name.startswith(prefix))
        for name in entry.config.strategy_macros:
            package, _, bare = name.rpartition(".")
            called.update(self.named(Reference(bare, package or None), entry.package_name))
        return frozenset(called)


@dataclass(frozen=True, slots=True)
class Unsafe:
    """Which macros keep the nodes that reach them from a slice, for the nodes of one package."""

    #: Macro -> why.
    reasons: Mapping[str, str]
    #: Macro -> the `ref` and `source` with constant arguments that it, or what it calls, may call.
    refs: Mapping[str, frozenset[tuple[str, tuple[str, ...]]]]
    #: Macros that call a `ref` which their arguments name.
    passing: frozenset[str]
    #: Why no node may have a slice: an unsafe macro stands in for one of dbt's own.
    everywhere: str | None


class UnsafeMacros:
    """`Unsafe` by package, each made when it is asked for."""

    def __init__(self, graph: MacroGraph, *, has_graph: bool = False) -> None:
        """`has_graph`: what runs has the whole of Jinja's `graph`, so it may walk it."""
        self.graph = graph
        self.has_graph = has_graph
        self._made: dict[str, Unsafe] = {}

    def of_package(self, search: str) -> Unsafe:
        """For the nodes of one package."""
        if search not in self._made:
            self._made[search] = _unsafe(self.graph, search, has_graph=self.has_graph)
        return self._made[search]


def _unsafe(graph: MacroGraph, search: str, *, has_graph: bool) -> Unsafe:
    own = {key: read_jinja(m.macro_sql) for key, m in graph.macros.items() if m.package_name != _MAINTENANCE}
    theirs = {key: text for key, text in own.items() if not graph.is_dbts(graph.macros[key])}
    passing = frozenset(graph.spread({key: "" for key, t in theirs.items() if any(map(_passes, t.calls))}, search))
    first = {key: "walks `graph`" for key, text in own.items() if text.walks_graph and not has_graph}
    for key, text in theirs.items():
        reason = _why_unsafe(graph.macros[key].name, text) or unstable_call(text, search, graph, passing)
        if reason is not None:
            first.setdefault(key, reason)
    reasons = graph.spread(first, search)
    refs: dict[str, frozenset[tuple[str, tuple[str, ...]]]] = {}
    for key, text in theirs.items():
        literal = frozenset((call.function, call.arguments) for call in text.calls if call.arguments is not None)
        for caller in graph.spread({key: ""}, search) if literal else ():
            refs[caller] = refs.get(caller, frozenset()) | literal
    everywhere = next((reasons[key] for key in graph.stand_ins() if key in reasons), None)
    everywhere = None if everywhere is None else f"{everywhere}, and stands in for dbt's own"
    return Unsafe(reasons, refs, passing, everywhere)


def _passes(call: Call) -> bool:
    return call.is_passed_on and call.arguments is None


def _why_unsafe(name: str, text: JinjaText) -> str | None:
    if text.broken is not None:
        return f"is no Jinja that could be read: {text.broken}"
    if text.computed_config is not None:
        return f"calls `config()`, and of that {text.computed_config}"
    if name in ("ref", "source") and len({call.written for call in text.calls}) == 1:
        # It stands in for dbt's own and always calls it in the same way: what it is given, its caller says.
        return next((why_chosen(replace(call, condition=None)) for call in text.calls), None)
    return next(filter(None, map(why_chosen, text.calls)), None)


def why_chosen(call: Call) -> str | None:
    """Why which `ref` or `source` a call calls may differ from run to run, or None."""
    reason = call.depends_on or call.condition
    if call.arguments is not None or reason is None:
        return None
    return f"calls a `{call.function}()` that depends on {reason}"


def unstable_call(text: JinjaText, search: str, graph: MacroGraph, passing: frozenset[str]) -> str | None:
    """Whether a text names, by something that may change, what a macro is to `ref`."""
    for reference in sorted(text.given_unstable, key=str):
        for key in graph.called_by(JinjaText(references=frozenset({reference})), search):
            if key in passing:
                return f"names the `ref()` of `{reference}()` by something that may change"
    return None


class LookingMacros:
    """The macros that look for other relations than those of the node they work for, or name these otherwise.

    dbt's own macros look only for the node's relation and for what they name after it.
    """

    def __init__(self, graph: MacroGraph) -> None:
        self._graph = graph
        self._first = {
            key: "looks for relations"
            for key, macro in graph.macros.items()
            if not graph.is_dbts(macro)
            and macro.package_name != _MAINTENANCE
            and (_base(macro.name) in _NAMING or looks_around(macro.macro_sql))
        }
        self._made: dict[str, frozenset[str]] = {}

    def of_package(self, search: str) -> frozenset[str]:
        """For the nodes of one package."""
        if search not in self._made:
            self._made[search] = frozenset(self._graph.spread(self._first, search))
        return self._made[search]

    def is_everywhere(self, search: str) -> bool:
        """Whether one of them stands in for a macro of dbt's own."""
        return any(key in self.of_package(search) for key in self._graph.stand_ins())


def looks_around(text: str) -> bool:
    """Whether the Jinja of a text looks for relations."""
    return bool(read_jinja(text).words & _LOOKS)


def _base(name: str) -> str:
    """A macro's name without the prefix that dispatch adds: `default__current_time` is `current_time`."""
    return name.partition("__")[2] or name
