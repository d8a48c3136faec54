"""The callbacks of a plan as Airflow takes them: found by name, all problems told at once."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from dbt_af_k8s.airflow.by_name import file_of, find_by_name
from dbt_af_k8s.config.settings_integrations import EVENTS, Callbacks, CallbackSettings, Deadline
from dbt_af_k8s.errors import Issue, ProjectError, UsageError, error

_FIX = (
    "Correct the dotted path, install its package where DAGs are parsed and tasks run, "
    "or put the Python file beside `dbt_project.yml`."
)
_REFERENCES = {
    "queued": lambda references: references.DAGRUN_QUEUED_AT,
    "logical_date": lambda references: references.DAGRUN_LOGICAL_DATE,
    "average_runtime": lambda references: references.AVERAGE_RUNTIME(),
}


class Hooks:
    """What a DAG and its tasks call, as arguments of `DAG` and of operators.

    `made_in_python` are the things to call of a `Config`, by key; Python files in `project_dir` are found, too. Raises
    `ProjectError` with every name behind which nothing is to be called; Airflow shows it as an import error of the DAG
    file.
    """

    def __init__(
        self,
        wanted: CallbackSettings,
        made_in_python: Mapping[str, Callable[..., Any]],
        project_dir: Path | None = None,
    ) -> None:
        issues: list[Issue] = []
        found: dict[str, Callable[..., Any]] = {}
        for name in sorted(set(_names((wanted.dag, *wanted.tasks.values())))):
            try:
                found[name] = _callback(name, made_in_python, project_dir)
            except UsageError as reason:
                issues.append(error("callback-not-found", f"`{name}` cannot be called: {reason}.", _FIX, key=name))
        #: Arguments of the DAG.
        self.of_dag: Mapping[str, Any] = _arguments(wanted.dag, found)
        self._of_kind = {kind: _arguments(callbacks, found) for kind, callbacks in wanted.tasks.items()}
        if wanted.deadline is not None:
            try:
                self.of_dag = {**self.of_dag, "deadline": _deadline(wanted.deadline, made_in_python, project_dir)}
            except UsageError as reason:
                message = f"The deadline cannot be set: {reason}."
                issues.append(error("callback-not-found", message, _FIX, key="callbacks.dag.deadline"))
        if issues:
            raise ProjectError(issues)

    def of_task(self, kind: str) -> Mapping[str, Any]:
        """Arguments of the operator of a task of that kind."""
        return self._of_kind.get(kind, {})


def _names(all_callbacks: Iterable[Callbacks]) -> Iterable[str]:
    return (name for callbacks in all_callbacks for event in EVENTS for name in getattr(callbacks, event))


def _arguments(callbacks: Callbacks, found: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    return {
        f"{event}_callback": [found[name] for name in names if name in found]
        for event in EVENTS
        if (names := getattr(callbacks, event))
    }


def _callback(
    name: str, made_in_python: Mapping[str, Callable[..., Any]], project_dir: Path | None
) -> Callable[..., Any]:
    """A function or notifier. A notifier that is named by its class is made without arguments."""
    found = find_by_name(name, made_in_python, project_dir)
    if isinstance(found, type):
        try:
            found = found()
        except TypeError as reason:
            raise UsageError(
                f"it is a class that wants arguments ({reason}); make one in a module of yours, and name that"
            ) from reason
    if not callable(found):
        raise UsageError(f"it is {type(found).__name__} and cannot be called")
    if inspect.iscoroutinefunction(found):
        raise UsageError("it is a coroutine function; Airflow calls DAG and task callbacks without awaiting them")
    made: Callable[..., Any] = found
    return made


def _deadline(wanted: Deadline, made_in_python: Mapping[str, Callable[..., Any]], project_dir: Path | None) -> Any:
    """Airflow's `DeadlineAlert`, which keeps the path of what it calls, not the thing itself."""
    try:
        from airflow.sdk.definitions.callback import AsyncCallback, SyncCallback
        from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
    except ImportError:
        from airflow import __version__

        raise UsageError(f"Airflow {__version__} has no deadline alerts of this form; 3.3 has") from None
    try:
        found = find_by_name(wanted.call, made_in_python)
    except UsageError:
        if not (file := file_of(wanted.call, project_dir)):
            raise
        raise UsageError(
            f"{file} lies beside the project, where Airflow's triggerer and executor, which call it, do not look; "
            "put it into a folder of their Python path, as Airflow's `plugins` folder is"
        ) from None
    path: str | Callable[..., Any] = wanted.call
    if wanted.call in made_in_python:
        if not hasattr(found, "__qualname__") or "<" in found.__qualname__:
            raise UsageError("it must be a function or class at the top of a module, since other processes import it")
        path = found
    is_async = inspect.iscoroutinefunction(found) or hasattr(found, "__await__")
    if not callable(found):
        raise UsageError(f"`{wanted.call}` is {type(found).__name__} and cannot be called")
    make = AsyncCallback if is_async else SyncCallback
    return DeadlineAlert(
        reference=_REFERENCES[wanted.reference](DeadlineReference),
        interval=timedelta(seconds=wanted.after),
        callback=make(path, kwargs=dict(wanted.arguments)),
    )
