"""What Airflow calls when a DAG or a task comes to a state, as written: dotted paths, or Python callables."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from dbt_af_k8s.config.fields import Section, Span

_DOTTED_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_FIX = "Write the dotted path of a function, as `my_package.alerts.to_slack`."


def _as_callback(value: Any) -> Any:
    if isinstance(value, str):
        if _DOTTED_PATH.fullmatch(value):
            return value
        told = {"reason": "is no dotted path of a function", "fix": _FIX}
        raise PydanticCustomError("callback", "{reason}", told)
    if callable(value):
        return value
    told = {"reason": "must be a dotted path (in Python: or something to call)", "fix": _FIX}
    raise PydanticCustomError("callback", "{reason}", told)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) or callable(value) else value


_PATH_SCHEMA = {"type": "string", "pattern": r"^[^\W\d]\w*(\.[^\W\d]\w*)+$"}
#: Something to call: a dotted path, or in Python the thing itself.
Callback = Annotated[str | Callable[..., Any], PlainValidator(_as_callback), WithJsonSchema(_PATH_SCHEMA)]
#: One or a list of them.
Callbacks = Annotated[
    tuple[Callback, ...],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [_PATH_SCHEMA, {"type": "array", "items": _PATH_SCHEMA}]}),
]


class DeadlineConfig(Section):
    """An alert where a run takes too long. Needs Airflow 3.3 or later, and goes to DAGs that have a schedule."""

    after: Annotated[Span, Field(description="How long after `reference` the run must be done.")]
    reference: Annotated[
        Literal["queued", "logical_date", "average_runtime"],
        Field(
            description="From when the time counts: the moment when the run was queued, its logical date (the "
            "*beginning* of its data interval), or that moment plus the average time of the last 10 runs."
        ),
    ] = "queued"
    call: Annotated[
        Callback,
        Field(
            description="What is called. A coroutine function or a notifier class runs in the triggerer, another "
            "function in the executor; both must be importable there."
        ),
    ]
    arguments: Annotated[dict[str, Any], Field(description="Keyword arguments of the call.")] = Field(
        default_factory=dict
    )


class DagCallbacksConfig(Section):
    """What is called for runs of a DAG. Airflow calls it in the DAG processor."""

    on_success: Annotated[Callbacks, Field(description="When a run has succeeded.")] = ()
    on_failure: Annotated[Callbacks, Field(description="When a run has failed.")] = ()
    deadline: Annotated[DeadlineConfig | None, Field(description="When a run is not done in time.")] = None


class TaskCallbacksConfig(Section):
    """What is called for tasks, on the worker."""

    on_execute: Annotated[Callbacks, Field(description="Before each try.")] = ()
    on_success: Annotated[Callbacks, Field(description="When the task has succeeded.")] = ()
    on_failure: Annotated[Callbacks, Field(description="When the last try has failed.")] = ()
    on_retry: Annotated[Callbacks, Field(description="When a try has failed and there is another.")] = ()
    on_skipped: Annotated[
        Callbacks, Field(description="When the task skips itself, as outside its enable window.")
    ] = ()


def _of(what: str) -> Any:
    return Field(default_factory=TaskCallbacksConfig, description=what)


class CallbacksConfig(Section):
    """What Airflow calls when a DAG or a task comes to a state. Callbacks of all tasks come before those of a kind."""

    dag: DagCallbacksConfig = Field(default_factory=DagCallbacksConfig, description="Runs of every DAG.")
    task: TaskCallbacksConfig = _of("Tasks of all kinds.")
    run: TaskCallbacksConfig = _of("Models.")
    seed: TaskCallbacksConfig = _of("Seeds.")
    snapshot: TaskCallbacksConfig = _of("Snapshots.")
    test: TaskCallbacksConfig = _of("Tests.")
    wait: TaskCallbacksConfig = _of("Waits for other DAGs.")
    freshness: TaskCallbacksConfig = _of("Source freshness checks and gates.")
    maintenance: TaskCallbacksConfig = _of("Maintenance tasks.")
    endpoint: TaskCallbacksConfig = _of("Tasks that do nothing themselves, and the failing one of a broken domain.")
    refresh: TaskCallbacksConfig = _of("Refreshes of dashboards.")
