"""Things that settings name: dotted paths are imported, what was made in Python is looked up."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import Any

from dbt_af_k8s.errors import UsageError

#: The extra of this library that brings a package.
_EXTRAS = {"airflow_mcd": "monte-carlo", "pycarlo": "monte-carlo", "tableauserverclient": "tableau"}


def find_by_name(name: str, made_in_python: Mapping[str, Callable[..., Any]]) -> Any:
    """The thing of that name.

    `made_in_python` has the things of a `Config` by key (`config.callables`). Raises `UsageError` with what is wrong in
    one sentence.
    """
    if name in made_in_python:
        return made_in_python[name]
    if "[" in name or name == "callbacks.dag.deadline.call":
        raise UsageError("it was made in Python, and this plan was read without the `Config` that holds it")
    parts = name.split(".")
    found: Any = _module(parts[0])
    for position, part in enumerate(parts[1:], start=1):
        path = ".".join(parts[:position])
        if not hasattr(found, part) and isinstance(found, ModuleType):
            _module(f"{path}.{part}", found)
        if not hasattr(found, part):
            raise _no_attribute(found, path, part)
        found = getattr(found, part)
    return found


def _module(path: str, parent: ModuleType | None = None) -> ModuleType | None:
    """Import a module. None where there is none of that name in `parent`."""
    try:
        return import_module(path)
    except ModuleNotFoundError as missing:
        if missing.name != path:
            raise UsageError(f"importing `{path}` failed: there is no module `{missing.name}`") from None
        if parent is not None:
            return None
        extra = _EXTRAS.get(path)
        hint = f'; install it with `pip install "dbt-af-k8s[{extra}]"`' if extra else ""
        raise UsageError(f"there is no module `{path}`{hint}") from None
    except Exception as reason:
        raise UsageError(f"importing `{path}` failed with {type(reason).__name__}: {reason}") from reason


def _no_attribute(found: Any, path: str, part: str) -> UsageError:
    close = get_close_matches(part, dir(found), 1)
    guess = f"; did you mean `{close[0]}`?" if close else ""
    return UsageError(f"`{path}` has no `{part}`{guess}")
