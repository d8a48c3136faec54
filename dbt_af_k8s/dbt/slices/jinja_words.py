"""What dbt's Jinja says, without rendering it: names, calls of `config`, `ref` and `source`, what they depend on. Pure.

Where the text alone does not tell, the answer is the careful one: a node too many runs without a slice, which costs
time and nothing else.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import nodes

from dbt_af_k8s.dbt.slices.jinja_parser import BrokenJinjaError, make_parser

_WORD = re.compile(r"[A-Za-z_]\w*")
_NAME = re.compile(r"(?:([A-Za-z_]\w*)\.)?([A-Za-z_]\w*)")
#: Functions of dbt's Jinja that give the same for the same arguments, wherever and whenever.
_PURE = frozenset(
    {
        *("range", "dict", "namespace", "return", "log", "print", "exceptions", "local_md5", "zip", "zip_strict"),
        *("set", "set_strict", "fromjson", "tojson", "fromyaml", "toyaml", "True", "False", "None"),
    }
)
#: Names of dbt's own that give another thing from time to time.
_UNSTABLE = frozenset(
    {
        *("var", "env_var", "target", "run_query", "statement", "execute", "load_result", "run_started_at", "modules"),
        *("flags", "invocation_args_dict", "invocation_id", "adapter", "model", "graph", "context", "config", "this"),
    }
)
#: What gives relations. No config() is made of one, but none of them changes which `ref` a macro calls.
_RELATIONS = frozenset({"ref", "source", "this"})
#: dbt's keys of `graph`.
_GRAPH_KEYS = frozenset(
    {"nodes", "sources", "exposures", "functions", "groups", "metrics", "semantic_models", "saved_queries"}
)
_RANDOM_FILTERS = frozenset({"random", "shuffle"})
#: Methods that change what they are called on.
_CHANGING = frozenset(
    {"append", "extend", "update", "insert", "pop", "remove", "setdefault", "clear", "add", "reverse"}
)
_CONDITIONAL = nodes.If | nodes.For | nodes.CondExpr | nodes.CallBlock | nodes.FilterBlock
#: Texts that are alike (generic tests, hooks) are read once.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that may stand for a macro: `star` or, of a package, `dbt_utils.star`."""

    name: str
    package: str | None = None

    def __str__(self) -> str:
        """As it is written."""
        return self.name if self.package is None else f"{self.package}.{self.name}"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `ref` or `source`."""

    function: str
    #: Its arguments as texts, where all of them are literals; else None.
    arguments: tuple[str, ...] | None
    #: What makes the arguments differ from time to time; None where nothing does.
    depends_on: str | None
    #: The same for whether it is called at all.
    condition: str | None = None
    #: Whether the arguments are those of the macro that it stands in.
    is_passed_on: bool = False
    #: The call as a tree, to be compared.
    written: str = ""


@dataclass(frozen=True, slots=True)
class JinjaText:
    """All that one text says."""

    #: Names that it looks up outside of itself: no parameters of a macro, nothing that it sets.
    references: frozenset[Reference] = frozenset()
    #: Macros that a constant `adapter.dispatch` names.
    dispatched: frozenset[Reference] = frozenset()
    #: Constant texts that are names: a macro's name may stand in one.
    strings: frozenset[Reference] = frozenset()
    #: The constant parts of keys that are looked up in `context` and are not constant as a whole.
    lookups: tuple[tuple[str, ...], ...] = ()
    #: Every word of its Jinja.
    words: frozenset[str] = frozenset()
    calls: tuple[Call, ...] = ()
    #: Why what its `config()` says may be another thing next time, or None.
    computed_config: str | None = None
    #: The keys of `config()` that are computed; None where more than their values is.
    computed_keys: tuple[str, ...] | None = ()
    #: The first name that it looks up, as it is used: `var('x')`.
    first_use: str | None = None
    #: What is called with arguments that may differ from time to time.
    given_unstable: frozenset[Reference] = frozenset()
    #: Why it is no Jinja, or None.
    broken: str | None = None

    @property
    def walks_graph(self) -> bool:
        """Whether it may look at `graph`, which holds all nodes of a project."""
        if any("graph" in (part.name, part.package) for part in self.references):
            return True
        uses_context = any("context" in (part.name, part.package) for part in self.references)
        return uses_context and (Reference("graph") in self.strings or any(not any(parts) for parts in self.lookups))


_EMPTY = JinjaText()


def read_jinja(text: str) -> JinjaText:
    """Read a text that dbt would render."""
    return _read(text) if "{" in text else _EMPTY


@lru_cache(maxsize=_REMEMBERED)
def _read(text: str) -> JinjaText:
    try:
        tree, outside = make_parser()(text)
    except BrokenJinjaError as failed:
        return JinjaText(words=frozenset(_WORD.findall(text)), broken=str(failed))
    return _Reader(tree, outside).read()


class _Reader:
    """One walk over a tree."""

    def __init__(self, tree: nodes.Template, outside: frozenset[str]) -> None:
        self._tree = tree
        self._outside = outside
        self._bound: dict[str, list[nodes.Node]] = {}
        self._parameters: set[str] = set()
        self._conditions: dict[int, tuple[nodes.Node, ...]] = {}
        self._all: list[nodes.Node] = []
        self._called: set[int] = set()
        self._stability: dict[str, str | None] = {}
        self._walk()

    def read(self) -> JinjaText:
        references, dispatched, strings, words = set[Reference](), set[Reference](), set[Reference](), set[str]()
        lookups, calls, config, given = (
            list[tuple[str, ...]](),
            list[Call](),
            list[tuple[str, str | None]](),
            set[Reference](),
        )
        named: set[int] = set()  # names that only stand before a dot, texts that say what they are
        for node in self._all:
            if isinstance(node, nodes.Getattr | nodes.Getitem):
                base, member = node.node, _member(node)
                if isinstance(base, nodes.Name) and base.name in self._outside:
                    if id(node) in named:
                        named.add(id(base))
                    elif member is not None:
                        named.add(id(base))
                        references.add(Reference(member, base.name))
                    elif base.name == "context":
                        lookups.append(tuple(_texts(node)))
                words.update(() if member is None else (member,))
            elif isinstance(node, nodes.Call):
                self._read_call(node, named, dispatched, lookups, calls, config, given)
        for node in self._all:
            if isinstance(node, nodes.Name):
                words.add(node.name)
                if node.ctx == "load" and node.name in self._outside and id(node) not in named:
                    references.add(Reference(node.name))
            elif isinstance(node, nodes.Const) and isinstance(node.value, str):
                words.update(_WORD.findall(node.value))
                if "{{" in node.value or "{%" in node.value:
                    inner = read_jinja(node.value)
                    references |= inner.references
                    dispatched |= inner.dispatched
                    strings |= inner.strings
                    lookups += inner.lookups
                elif id(node) not in named and (name := _NAME.fullmatch(node.value)) is not None:
                    strings.add(Reference(name[2], name[1]))
        return JinjaText(
            frozenset(references),
            frozenset(dispatched),
            frozenset(strings),
            tuple(lookups),
            frozenset(words),
            tuple(calls),
            next((reason for reason, _ in config), None),
            None if any(key is None for _, key in config) else tuple(sorted({key or "" for _, key in config})),
            self._first_use(),
            frozenset(given),
        )

    def _read_call(
        self,
        call: nodes.Call,
        named: set[int],
        dispatched: set[Reference],
        lookups: list[tuple[str, ...]],
        calls: list[Call],
        config: list[tuple[str, str | None]],
        given: set[Reference],
    ) -> None:
        callee = self._callee(call)
        if callee is None:
            return
        if callee == Reference("dispatch", "adapter"):
            texts = [*call.args, *(keyword.value for keyword in call.kwargs)]
            if texts and all(isinstance(value, nodes.Const) and isinstance(value.value, str) for value in texts):
                named.update(map(id, texts))
                dispatched.add(_dispatch_of(call))
        elif callee == Reference("setdefault", "graph"):
            # A cache of somebody's in dbt's dictionary, unless it is one of dbt's own keys.
            if call.args and isinstance(call.args[0], nodes.Const) and call.args[0].value not in _GRAPH_KEYS:
                named.add(id(call.node))
        elif callee == Reference("get", "context"):
            lookups.append(tuple(_texts(call)))
        elif callee == Reference("config"):
            config += self._computed_config(call)
        elif callee.name in ("ref", "source") and callee.package in (None, "builtins"):
            arguments = _literals(call)
            unstable = next(filter(None, map(self._why_unstable, _given(call))), None)
            condition = self._condition_of(call)
            passed = arguments is None and any(self._names_parameters(value) for value in _given(call))
            calls.append(Call(callee.name, arguments, unstable, condition, passed, repr((call.args, call.kwargs))))
        elif any(map(self._why_unstable, _given(call))):
            given.add(callee)

    def _first_use(self) -> str | None:
        uses = (
            _described(node, above)
            for node, above in _with_parents(self._tree)
            if isinstance(node, nodes.Name) and node.ctx == "load" and node.name in self._outside
        )
        return next(uses, None)

    def _computed_config(self, call: nodes.Call) -> Iterator[tuple[str, str | None]]:
        """Each reason, with the key whose value alone it concerns."""
        condition = self._condition_of(call)
        if condition is not None:
            yield f"`config()` stands in a condition on {condition}", None
        for keyword in call.kwargs:
            reason = self._why_unstable(keyword.value, parameters=True)
            if reason is not None:
                yield f"{reason} in `config({keyword.key}=)`", keyword.key
        for value in (*call.args, call.dyn_args, call.dyn_kwargs):
            reason = None if value is None else self._why_unstable(value, parameters=True)
            if reason is not None:
                yield f"{reason} in `config()`", None

    def _condition_of(self, node: nodes.Node) -> str | None:
        for condition in self._conditions[id(node)]:
            if isinstance(condition, nodes.CallBlock | nodes.FilterBlock):
                return "what calls it"
            expression = condition.iter if isinstance(condition, nodes.For) else condition.test  # type: ignore[attr-defined]
            reason = self._why_unstable(expression)
            if reason is not None:
                return reason
        return None

    def _why_unstable(self, expression: nodes.Node, *, parameters: bool = False) -> str | None:
        """The first thing in an expression that may be another one next time; `parameters`: those count, too."""
        for node, parent in _with_parents(expression):
            if isinstance(node, nodes.Filter) and node.name in _RANDOM_FILTERS:
                return f"`{node.name}`"
            if not isinstance(node, nodes.Name) or node.ctx != "load":
                continue
            if node.name in self._outside:
                if node.name not in _PURE and (parameters or node.name not in _RELATIONS):
                    # What is set in one branch alone is looked up outside in the others, where nothing has its name.
                    bound = self._why_unstable_name(node.name) if node.name in self._bound else None
                    if bound or node.name not in self._bound or node.name in _UNSTABLE:
                        return bound or _described(node, parent)
            elif node.name in self._bound:
                reason = self._why_unstable_name(node.name)
                if reason is not None:
                    return reason
            if parameters and node.name in self._parameters and node.name not in self._outside:
                return f"the parameter `{node.name}`"
        return None

    def _why_unstable_name(self, name: str) -> str | None:
        if name not in self._stability:
            self._stability[name] = None
            reasons = (self._why_unstable(value) or self._condition_of(value) for value in self._bound[name])
            self._stability[name] = next(filter(None, reasons), None)
        return self._stability[name]

    def _names_parameters(self, expression: nodes.Node) -> bool:
        names = [node.name for node, _ in _with_parents(expression) if isinstance(node, nodes.Name)]
        return any(name not in self._outside and (name in self._parameters or name in self._bound) for name in names)

    def _callee(self, call: nodes.Call) -> Reference | None:
        function = call.node
        if isinstance(function, nodes.Name):
            return Reference(function.name) if function.name in self._outside else None
        if not isinstance(function, nodes.Getattr) or not isinstance(function.node, nodes.Name):
            return None
        return Reference(function.attr, function.node.name) if function.node.name in self._outside else None

    def _walk(self) -> None:
        """Note every node, the conditions that it stands under, and what names are bound to."""
        waiting: list[tuple[nodes.Node, tuple[nodes.Node, ...]]] = [(self._tree, ())]
        while waiting:
            node, conditions = waiting.pop()
            self._all.append(node)
            self._conditions[id(node)] = conditions
            self._bind(node)
            below = (*conditions, node) if isinstance(node, _CONDITIONAL) else conditions
            waiting.extend((child, below) for child in reversed(list(node.iter_child_nodes())))

    def _bind(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Assign | nodes.For):
            value = node.node if isinstance(node, nodes.Assign) else node.iter
            for target in (
                node.target.find_all(nodes.Name) if not isinstance(node.target, nodes.Name) else [node.target]
            ):
                self._bound.setdefault(target.name, []).append(value)
            if isinstance(node.target, nodes.NSRef):
                self._bound.setdefault(node.target.name, []).append(value)
        elif isinstance(node, nodes.AssignBlock) and isinstance(node.target, nodes.Name):
            self._bound.setdefault(node.target.name, []).extend(node.body)
        elif isinstance(node, nodes.Macro | nodes.CallBlock):
            self._parameters.update(argument.name for argument in node.args)
            self._parameters.update(("kwargs", "varargs"))
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr in _CHANGING:
            changed = node.node.node
            while isinstance(changed, nodes.Getattr | nodes.Getitem | nodes.Call):
                changed = changed.node
            if isinstance(changed, nodes.Name):
                self._bound.setdefault(changed.name, []).extend([node, *_given(node)])


def _given(call: nodes.Call) -> Iterator[nodes.Node]:
    yield from call.args
    yield from (keyword.value for keyword in call.kwargs)
    yield from (value for value in (call.dyn_args, call.dyn_kwargs) if value is not None)


def _with_parents(expression: nodes.Node) -> Iterator[tuple[nodes.Node, tuple[nodes.Node, ...]]]:
    """Every node of an expression in the order of the text, with those above it, the nearest last."""
    waiting: list[tuple[nodes.Node, tuple[nodes.Node, ...]]] = [(expression, ())]
    while waiting:
        node, above = waiting.pop()
        yield node, above
        waiting.extend((child, (*above, node)) for child in reversed(list(node.iter_child_nodes())))


def _described(name: nodes.Name, above: tuple[nodes.Node, ...]) -> str:
    """A name as it is used: `var('x')`, `target.name`, `dbt_utils.star()`."""
    text, last = name.name, name
    for node in reversed(above):
        if isinstance(node, nodes.Getattr) and node.node is last:
            text, last = f"{text}.{node.attr}", node  # type: ignore[assignment]
        elif isinstance(node, nodes.Call) and node.node is last:
            first = node.args[0].value if node.args and isinstance(node.args[0], nodes.Const) else ""
            return f"`{text}({first!r})`" if isinstance(first, str) and first else f"`{text}()`"
        else:
            break
    return f"`{text}`"


def _member(node: nodes.Getattr | nodes.Getitem) -> str | None:
    if isinstance(node, nodes.Getattr):
        return node.attr
    key = node.arg
    return key.value if isinstance(key, nodes.Const) and isinstance(key.value, str) else None


def _texts(node: nodes.Node) -> Iterator[str]:
    return (const.value for const in node.find_all(nodes.Const) if isinstance(const.value, str))


def _dispatch_of(call: nodes.Call) -> Reference:
    values = [value.value for value in call.args if isinstance(value, nodes.Const)]
    keywords: Mapping[str, str] = {key.key: key.value.value for key in call.kwargs}  # type: ignore[attr-defined]
    name = values[0] if values else keywords.get("macro_name", "")
    return Reference(name, values[1] if len(values) > 1 else keywords.get("macro_namespace"))


def _literals(call: nodes.Call) -> tuple[str, ...] | None:
    values = list(_given(call))
    if not values or call.dyn_args is not None or call.dyn_kwargs is not None:
        return None
    if any(keyword.key not in ("v", "version") for keyword in call.kwargs):
        return None
    if not all(isinstance(value, nodes.Const) and isinstance(value.value, str | int | float) for value in values):
        return None
    return tuple(str(value.value) for value in values)  # type: ignore[attr-defined]
