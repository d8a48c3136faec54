"""Files, clock, environment, chance and other processes are touched only in the rooms that are there for it."""

import ast
from collections.abc import Iterator, Mapping

import pytest

#: What may touch the world. All else is pure; `plan/project` reads by the two readers, `pods/context` and
#: `pods/supervise` run in the pod.
EFFECTFUL = (
    *("manifest/read.py", "config/read.py", "config/read_templates.py", "plan/store.py"),
    *("pods/context.py", "pods/supervise.py"),
    *("dbt/", "airflow/", "cluster/", "server/", "cli/"),
)

#: Standard modules whose import alone says that a module wants the world.
WORLD = (
    "asyncio",
    "fcntl",
    "glob",
    "http",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
)
#: Below them, and only reads and writes text.
PURE = ("urllib.parse",)
CALLS = ("open", "print", "input", "exec", "eval")
METHODS = (
    "now",
    "utcnow",
    "today",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "iterdir",
    "rglob",
    "is_file",
    "is_dir",
    "exists",
    "mkdir",
    "unlink",
    "touch",
    "home",
    "cwd",
    "expanduser",
)


def effects(tree: ast.Module) -> Iterator[str]:
    """Every place of a module that touches the world: `line 3: import os`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if alias.name.partition(".")[0] in WORLD:
                        yield f"line {node.lineno}: import {alias.name}"
            case ast.ImportFrom(module=str(module), level=0) if (
                module.partition(".")[0] in WORLD and module not in PURE
            ):
                yield f"line {node.lineno}: from {module}"
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield f"line {node.lineno}: {name}()"
            case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
                yield f"line {node.lineno}: .{name}()"


def test_only_the_rooms_at_the_edge_touch_the_world(trees: Mapping[str, ast.Module]) -> None:
    found = [
        f"{path}, {effect}"
        for path, tree in trees.items()
        if not path.startswith(EFFECTFUL)
        for effect in effects(tree)
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "import os.path",
        "from subprocess import run",
        "open('x')",
        "Path('x').read_text()",
        "datetime.now()",
        "def f():\n    import time",
    ],
)
def test_each_kind_of_effect_is_found(code: str) -> None:
    assert list(effects(ast.parse(code)))


def test_the_edge_is_where_it_is_said_to_be(trees: Mapping[str, ast.Module]) -> None:
    unused = [
        place
        for place in EFFECTFUL
        if not any(path.startswith(place) and list(effects(tree)) for path, tree in trees.items())
    ]
    assert unused == []
