"""What comes from a form, a configuration file or an API is data: it holds no Jinja, in no key and no value.

dbt renders the text of a variable when a model reads it (`Var.get_rendered_var`, dbt 1.11), with all that a model can
do: read the environment, run queries. So whoever may fill in a form could do so, too.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.problems import dotted

#: How Jinja's expressions, statements and comments begin, as dbt's environment has them.
JINJA_MARKS = ("{{", "{%", "{#")
#: So many places of one value are told.
_MOST_TOLD = 10

Path = tuple[str | int, ...]


def jinja_mark(text: str) -> str | None:
    """The first mark of Jinja in a text, or None."""
    found = [(text.find(mark), mark) for mark in JINJA_MARKS if mark in text]
    return min(found)[1] if found else None


def jinja_places(value: Any) -> Iterator[tuple[Path, str]]:
    """Where a value of JSON or YAML holds Jinja, at any depth and in keys, too: path and mark, in the value's order.

    What stands in it several times (YAML's anchors) is looked at once, so a small text cannot take long.
    """
    waiting: list[tuple[Path, Any]] = [((), value)]
    seen: dict[int, Any] = {}
    while waiting:
        path, inside = waiting.pop()
        if isinstance(inside, Mapping | list | tuple | set | frozenset):
            if id(inside) in seen:
                continue
            seen[id(inside)] = inside
        if isinstance(inside, Mapping):
            below: list[tuple[Path, Any]] = []
            for key, each in inside.items():
                mark = jinja_mark(_text(key))
                if mark is not None:
                    yield (*path, _text(key)), mark
                below.append(((*path, _text(key)), each))
            waiting.extend(reversed(below))
        elif isinstance(inside, list | tuple):
            waiting.extend(((*path, number), inside[number]) for number in reversed(range(len(inside))))
        elif isinstance(inside, set | frozenset):
            waiting.append((path, sorted(map(_text, inside))))
        else:
            mark = jinja_mark(_text(inside))
            if mark is not None:
                yield path, mark


def jinja_problems(name: str, value: Any) -> tuple[str, ...]:
    """A sentence for each place where the value called `name` holds Jinja, the first ones of many."""
    problems: list[str] = []
    for path, mark in jinja_places(value):
        if len(problems) == _MOST_TOLD:
            problems.append(f"{name}: there is more Jinja in it.")
            break
        where = f" in `{dotted(path)}`" if path else ""
        problems.append(f"{name} has Jinja (`{mark}`){where}: dbt would run it, so only plain text is taken.")
    return tuple(dict.fromkeys(problems))


def _text(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return value.decode("latin-1")
    return value if isinstance(value, str) else str(value)
