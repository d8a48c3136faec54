"""Rules of the house about modules: size, names, state, swallowed errors."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import pytest

MOST_LINES = 400
FORBIDDEN_NAMES = ("utils", "util", "common", "base", "helpers", "helper", "factory", "misc", "tools", "lib")
MUTABLE_CALLS = ("list", "dict", "set", "defaultdict", "OrderedDict", "Counter", "deque", "bytearray")
CHANGES = ("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update")


def mutable_state(tree: ast.Module) -> Iterator[str]:
    """Module-level containers that are not constants, and `global` statements.

    A constant has a name in capitals, and nothing in its module changes it.
    """
    changed = set(_changed(tree))
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name), *_], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if _is_mutable(value) and name != "__all__" and (not name.isupper() or name in changed):
                yield f"line {statement.lineno}: {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"line {node.lineno}: global {', '.join(node.names)}"


def _changed(tree: ast.Module) -> Iterator[str]:
    """Names that something is put into or taken out of."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in CHANGES:
                yield name
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in MUTABLE_CALLS
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def swallowed(tree: ast.Module) -> Iterator[str]:
    """Handlers that take every error there is and do nothing with it."""
    for node in ast.walk(tree):
        match node:
            case ast.ExceptHandler(type=None | ast.Name(id="Exception" | "BaseException"), body=body) if all(
                isinstance(step, ast.Pass | ast.Continue) for step in body
            ):
                yield f"line {node.lineno}"


def test_no_module_is_long(sources: Mapping[str, str]) -> None:
    assert {path: len(text.splitlines()) for path, text in sources.items() if text.count("\n") > MOST_LINES} == {}


def test_names_say_what_is_inside(sources: Mapping[str, str]) -> None:
    assert [path for path in sources if {part.strip("_") for part in _parts(path)} & set(FORBIDDEN_NAMES)] == []


def test_no_module_holds_state(trees: Mapping[str, ast.Module]) -> None:
    assert [f"{path}, {place}" for path, tree in trees.items() for place in mutable_state(tree)] == []


def test_no_error_is_swallowed(trees: Mapping[str, ast.Module]) -> None:
    assert [f"{path}, {place}" for path, tree in trees.items() for place in swallowed(tree)] == []


def test_every_module_says_what_it_is_for(trees: Mapping[str, ast.Module]) -> None:
    assert [path for path, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


@pytest.mark.parametrize(
    "code",
    [
        "cache = {}",
        "seen: set[str] = set()",
        "CACHE = {}\ndef f():\n    CACHE['a'] = 1",
        "CACHE = []\ndef f():\n    CACHE.append(1)",
        "def f():\n    global x\n    x = 1",
    ],
)
def test_state_is_found(code: str) -> None:
    assert list(mutable_state(ast.parse(code)))


@pytest.mark.parametrize("code", ["KINDS = ('a', 'b')", "TABLE = {'a': 1}\nprint(TABLE['a'])", "__all__ = ['a']"])
def test_constants_are_no_state(code: str) -> None:
    assert not list(mutable_state(ast.parse(code)))


@pytest.mark.parametrize("catch", ["except:", "except Exception:", "except BaseException as error:"])
def test_a_swallowed_error_is_found(catch: str) -> None:
    assert list(swallowed(ast.parse(f"try:\n    f()\n{catch}\n    pass")))


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).with_suffix("").parts
