"""The codes of all problems, read from the source, so that the reference has whatever the code can say, and no more."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Calls that make a problem, and its severity. The code is the first argument. A call with the keywords `code` and
#: `is_error` makes one, too.
_MAKERS = {"error": "error", "warning": "warning", "ScheduleError": "error"}
_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(slots=True)
class FoundCodes:
    """Codes with the severities that they can have, and places where only running the code would tell."""

    severities: dict[str, set[str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def find_codes(package: Path) -> FoundCodes:
    """Read every module of the package."""
    found = FoundCodes()
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        _Finder(tree, path.relative_to(package).as_posix(), found).visit(tree)
    return found


class _Finder(ast.NodeVisitor):
    """Walks one module; knows what the function at hand assigns to names, and the module's constants."""

    def __init__(self, tree: ast.Module, file: str, found: FoundCodes) -> None:
        self._file = file
        self._found = found
        self._constants = _constants(tree.body)
        self._returned = _returned(tree.body)
        self._assigned: dict[str, list[ast.expr]] = {}
        #: Whether the function at hand is a maker itself: the codes stand where it is called.
        self._handed_on = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = self._assigned, self._handed_on
        self._assigned = _assigned(node)
        self._handed_on = {"code", "is_error"} <= {each.arg for each in node.args.kwonlyargs}
        self.generic_visit(node)
        self._assigned, self._handed_on = outer

    def visit_Call(self, node: ast.Call) -> None:
        severities, code = self._severities(node.func), node.args[0] if node.args else None
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if {"code", "is_error"} <= set(keywords):
            severities, code = _by_flag(keywords["is_error"]), keywords["code"]
        # An attribute (`fault.code`) passes on a code that was named where the fault was made.
        is_named_elsewhere = isinstance(code, ast.Attribute) or (self._handed_on and isinstance(code, ast.Name))
        if severities and code is not None and not is_named_elsewhere:
            codes = [text for text in self._texts(code) if _CODE.fullmatch(text)]
            for code in codes:
                self._found.severities.setdefault(code, set()).update(severities)
            if not codes:
                self._found.unread.append(f"{self._file}:{node.lineno}")
        self.generic_visit(node)

    def _severities(self, called: ast.expr) -> set[str]:
        """What a call makes; empty where it makes no problem. A function may call its maker by a name of its own."""
        if not isinstance(called, ast.Name):
            return set()
        given = [name for value in self._assigned.get(called.id, []) for name in _either(value)]
        names = {called.id} | {value.id for value in given if isinstance(value, ast.Name)}
        return {_MAKERS[name] for name in names if name in _MAKERS}

    def _texts(self, value: ast.expr) -> list[str]:
        """The texts that an expression can be."""
        match value:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.IfExp(body=yes, orelse=no):
                return [*self._texts(yes), *self._texts(no)]
            case ast.Subscript(value=ast.Name(id=name)):
                return self._constants.get(name, [])
            case ast.Call(func=ast.Name(id=name)):
                return self._returned.get(name, [])
            case ast.Name(id=name) if name in self._assigned:
                return [text for given in self._assigned[name] for text in self._texts(given)]
            case ast.Name(id=name):
                return self._constants.get(name, [])
            case _:
                return []


def _by_flag(is_error: ast.expr) -> set[str]:
    """The severities that the keyword `is_error` leaves open."""
    match is_error:
        case ast.Constant(value=bool(value)):
            return {"error" if value else "warning"}
    return {"error", "warning"}


def _either(value: ast.expr) -> list[ast.expr]:
    """What an expression can be: both sides of an `if`."""
    return [*_either(value.body), *_either(value.orelse)] if isinstance(value, ast.IfExp) else [value]


def _returned(body: Sequence[ast.stmt]) -> dict[str, list[str]]:
    """The texts that the functions of a module return, by the function's name."""
    return {
        function.name: [
            node.value.value
            for node in ast.walk(function)
            if isinstance(node, ast.Return)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ]
        for function in body
        if isinstance(function, ast.FunctionDef)
    }


def _assigned(function: ast.FunctionDef) -> dict[str, list[ast.expr]]:
    """What a function assigns to each plain name, alone or in a pair."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.setdefault(name, []).append(value)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for each, value in zip(names, values, strict=False):
                    if isinstance(each, ast.Name):
                        found.setdefault(each.id, []).append(value)
    return found


def _constants(body: Sequence[ast.stmt]) -> dict[str, list[str]]:
    """The texts in the constants of a module: a text, or the values of a mapping."""
    found: dict[str, list[str]] = {}
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                found[name] = [text]
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(values=values)):
                found[name] = [str(value.value) for value in values if isinstance(value, ast.Constant)]
    return found
