"""Things that settings name: dotted paths are imported, what was made in Python is looked up."""

import hashlib
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.request import PlanRequest

#: The extra of this library that brings a package.
_EXTRAS = {"airflow_mcd": "monte-carlo", "pycarlo": "monte-carlo", "tableauserverclient": "tableau"}


def made_in_python(request: PlanRequest) -> Mapping[str, Callable[..., Any]]:
    """The things to call of settings that were made in Python, by the names that the plan has for them."""
    if request.config is None or isinstance(request.config, Path):
        return {}
    # A `Config` is here, so what it takes to read one is imported already.
    from dbt_af_k8s.config.callables import callables_of

    return callables_of(request.config)


def find_by_name(name: str, made_in_python: Mapping[str, Callable[..., Any]], project_dir: Path | None = None) -> Any:
    """The thing of that name.

    `made_in_python` has the things of a `Config` by key (`config.callables`). A Python file in `project_dir` goes
    before an installed module of the same name. Raises `UsageError` with what is wrong in one sentence.
    """
    if name in made_in_python:
        return made_in_python[name]
    if "[" in name or name == "callbacks.dag.deadline.call":
        raise UsageError("it was made in Python, and this plan was read without the `Config` that holds it")
    parts = name.split(".")
    file = file_of(name, project_dir)
    found: Any = _module(parts[0]) if file is None else _module_of_file(parts[0], file)
    for position, part in enumerate(parts[1:], start=1):
        path = ".".join(parts[:position])
        if not hasattr(found, part) and isinstance(found, ModuleType):
            _module(f"{path}.{part}", found)
        if not hasattr(found, part):
            raise _no_attribute(found, path, part)
        found = getattr(found, part)
    return found


def file_of(name: str, project_dir: Path | None) -> Path | None:
    """The Python file of the project's own that a dotted path begins with, where there is one."""
    file = None if project_dir is None else project_dir / f"{name.partition('.')[0]}.py"
    return file if file is not None and file.is_file() else None


def _module_of_file(name: str, file: Path) -> ModuleType:
    """Import a file under a name that no other project's file has, and not the same file's as it was before."""
    version = f"{file}:{file.stat().st_mtime_ns}"
    known = f"_dbt_af_k8s_{hashlib.sha256(version.encode()).hexdigest()[:16]}.{name}"
    if known in sys.modules:
        return sys.modules[known]
    spec = spec_from_file_location(known, file)
    if spec is None or spec.loader is None:
        raise AssertionError("Python has a loader for every .py file")
    module = module_from_spec(spec)
    sys.modules[known] = module
    try:
        spec.loader.exec_module(module)
    except Exception as reason:
        del sys.modules[known]
        raise UsageError(f"importing {file} failed with {type(reason).__name__}: {reason}") from reason
    return module


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
