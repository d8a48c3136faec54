"""One node as dbt's `--select` finds it, and nothing else.

dbt's `fqn` method matches more than it says (`dbt/graph/selector_methods.py`, 1.11): the leaf name in every package,
the names of folders from the left, and `orders.v2` also for a model `v2` in a folder `orders`. A pattern is compared
with the whole of the name instead. So the name is written as a pattern that only it matches: its last letter as a
class of one letter, `order[s]`.
"""

import re

from dbt_af_k8s.dbt.values import DbtSelection

#: What splits a `--select` argument (spaces, commas) or cannot stand in a class of one letter.
_UNWRITABLE = frozenset(" ,!\t\r\n\v\f")
_SPECIAL = frozenset("*?[")
#: dbt ends the unique_id of a generic test with ten letters of a hash.
_TEST_HASH = re.compile(r"[0-9a-f]{10}")


def select_argument(node: DbtSelection) -> str:
    """The `--select` argument that names this node alone.

    All criteria must hold: the whole name, its last part, the package and the kind; for a node that shares all of
    these with another one, also its parents. A source is named by package, source and table.
    """
    if node.resource_type == "source":
        return _by_source(node)
    names = _by_fqn(node) if node.fqn else (_by_name(node),)
    criteria = [f"fqn:{name}" for name in names]
    criteria += [f"package:{_only(node.package)}", f"resource_type:{node.resource_type}"]
    criteria += [f"{_parent(unique_id)}+1" for unique_id in node.parents]
    return ",".join(criteria)


def _by_source(node: DbtSelection) -> str:
    """The criterion of dbt's `source` method, which cuts at dots and compares each name with a shell-style pattern."""
    names = node.fqn or tuple(node.unique_id.split(".", 3)[1:])
    return f"source:{'.'.join(_without_dots(name) for name in names)}"


def _without_dots(name: str) -> str:
    return "".join("?" if letter in _UNWRITABLE or letter in ".+@" else _literal(letter) for letter in name)


def _literal(letter: str) -> str:
    return f"[{letter}]" if letter in _SPECIAL else letter


def _by_fqn(node: DbtSelection) -> tuple[str, ...]:
    leaf = _leaf(node)
    whole = _only(".".join(node.fqn))
    return (whole, leaf) if leaf else (whole,)


def _by_name(node: DbtSelection) -> str:
    """The name in a unique_id, without the hash at the end of a generic test's."""
    name = node.unique_id.split(".", 2)[2]
    if node.resource_type == "test" and _TEST_HASH.fullmatch(name.rpartition(".")[2]):
        name = name.rpartition(".")[0]
    return name if "." in name else _only(name)


def _leaf(node: DbtSelection) -> str | None:
    """The last part of the name, which tells `b` in the folder `a` from a file `a.b.sql`.

    Not for versions, whose last part is `v2`; nor for a name with dots that is no plain text, which dbt can find by no
    pattern.
    """
    leaf = node.fqn[-1]
    if node.unique_id.endswith(f".{'.'.join(node.fqn[-2:])}") and node.unique_id.count(".") > 2 + leaf.count("."):
        return None
    if "." not in leaf:
        return _only(leaf)
    return None if (_UNWRITABLE | _SPECIAL | {"+"}).intersection(leaf) else leaf


def _parent(unique_id: str) -> str:
    """A criterion that finds the parent; it may find more, since the children are narrowed by the other criteria."""
    resource_type, _, rest = unique_id.partition(".")
    if resource_type == "source":
        return f"source:{rest}"
    _, _, name = rest.partition(".")
    return f"fqn:{name}" if "." in name else f"fqn:{_only(name)}"


def _only(text: str) -> str:
    """A shell-style pattern that matches this text; letters that cannot be written stand as `?`."""
    letters = ["?" if letter in _UNWRITABLE else _literal(letter) for letter in text]
    if letters[-1] == text[-1]:
        letters[-1] = "?" if text[-1] == "." else f"[{text[-1]}]"
    return "".join(letters)
