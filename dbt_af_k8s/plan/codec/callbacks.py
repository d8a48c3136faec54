"""The callbacks of a DAG as plain JSON values and back: the part of `plan.codec` that knows them."""

from typing import Any

from dbt_af_k8s.config.settings_integrations import EVENTS, Callbacks, CallbackSettings, Deadline
from dbt_af_k8s.plan.codec.fields import Fields
from dbt_af_k8s.plan.codec.task import given, plain


def callbacks_to_dict(callbacks: CallbackSettings) -> dict[str, Any]:
    """What is called, by name; what is empty is left out."""
    return {
        **given({"dag": (callbacks.dag, Callbacks())}, _events),
        **given({"tasks": (dict(sorted(callbacks.tasks.items())), {})}, _by_kind),
        **given({"deadline": (callbacks.deadline, None)}, _deadline),
    }


def read_callbacks(fields: Fields) -> CallbackSettings:
    """What `callbacks_to_dict` wrote. Raises `PlanFormatError`."""
    dag, tasks, deadline = (fields.optional_inner(key) for key in ("dag", "tasks", "deadline"))
    return CallbackSettings(
        dag=_read_events(dag) if dag else Callbacks(),
        tasks={kind: _read_events(tasks.inner(kind)) for kind in tasks.data} if tasks else {},
        deadline=_read_deadline(deadline) if deadline else None,
    )


def _by_kind(tasks: dict[str, Callbacks]) -> dict[str, Any]:
    return {kind: _events(callbacks) for kind, callbacks in tasks.items()}


def _events(callbacks: Callbacks) -> dict[str, Any]:
    return {event: list(names) for event in EVENTS if (names := getattr(callbacks, event))}


def _read_events(fields: Fields) -> Callbacks:
    return Callbacks(*(fields.texts(event) for event in EVENTS))


def _deadline(deadline: Deadline) -> dict[str, Any]:
    return {
        "after": deadline.after,
        "reference": deadline.reference,
        "call": deadline.call,
        **given({"arguments": (deadline.arguments, {})}, plain),
    }


def _read_deadline(fields: Fields) -> Deadline:
    return Deadline(
        after=fields.integer("after", 0),
        reference=fields.text("reference"),
        call=fields.text("call"),
        arguments=fields.mapping("arguments") if "arguments" in fields.data else {},
    )
