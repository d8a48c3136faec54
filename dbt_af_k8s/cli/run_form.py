"""`dbt-af-k8s run --form`: the form with which a person starts a DAG, on the command line."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from dbt_af_k8s.cli.run_order import RunStep
from dbt_af_k8s.config.plain_data import jinja_problems
from dbt_af_k8s.errors import FormError, UsageError, quoted

if TYPE_CHECKING:
    from dbt_af_k8s.plan.values import DagPlan, FormField
    from dbt_af_k8s.schedule.values import Interval

#: By the type of a field: what its value is in Python, and in words.
_KINDS: Mapping[str, tuple[type, str]] = {
    "string": (str, "a text"),
    "boolean": (bool, "true or false"),
    "object": (dict, "a JSON object"),
    "interval": (str, "a text, ISO 8601, for example 2026-03-29"),
}
_START, _END = "start_dttm", "end_dttm"


def read_form(dag: "DagPlan", text: str) -> dict[str, Any]:
    """The form that was typed as JSON.

    Raises `UsageError` where it is no JSON object, and with every field too many and every value of a wrong type.
    """
    try:
        form = json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise UsageError(f"--form is no JSON: {reason}.") from None
    if not isinstance(form, dict):
        raise UsageError('--form must be a JSON object, as {"models": "orders"}.')
    fields = {field.name: field for field in dag.form}
    known = list(dict.fromkeys((_START, _END, *fields)))
    problems = []
    for name, value in form.items():
        if name not in known:
            close = get_close_matches(name, known, 1)
            told = f"Did you mean `{close[0]}`?" if close else f"It has {', '.join(f'`{each}`' for each in known)}."
            problems.append(f"The form of {dag.dag_id} has no field {quoted(name)}. {told}")
        elif value is not None:
            problems += _value_problems(name, value, fields.get(name)) or jinja_problems(name, value)
    if problems:
        raise UsageError("\n".join(problems))
    return form


def _value_problems(name: str, value: Any, field: "FormField | None") -> list[str]:
    """What Airflow would say of a value, in words. Null stands for a field that is left empty."""
    kind, told = _KINDS[field.type] if field is not None else _KINDS["interval"]
    if not isinstance(value, kind):
        return [f"{name} must be {told}, not {json.dumps(value)[:80]}."]
    if field is not None and field.choices and value not in field.choices:
        return [f"{name} must be one of {', '.join(f'`{choice}`' for choice in field.choices)}."]
    return []


def runs_of_form(dag: "DagPlan", form: Mapping[str, Any], otherwise: "Interval") -> tuple[RunStep, ...]:
    """The runs that a form asks for: one, or one for each chunk of a backfill.

    `otherwise` is the data interval where the form names none. Raises `UsageError` for a form that cannot be.
    """
    from dbt_af_k8s.plan.values import DagKind
    from dbt_af_k8s.schedule.intervals import interval_from_form

    passed_over = tuple(sorted({f"{wait.dag_id}.{wait.task_id}" for task in dag.tasks if (wait := task.waits_for)}))
    if dag.kind is DagKind.BACKFILL:
        return _chunks(dag, form)
    interval = interval_from_form(_text(form, _START), _text(form, _END), dag.timezone) or otherwise
    return (RunStep(dag.dag_id, interval, passed_over, form),)


def _chunks(dag: "DagPlan", form: Mapping[str, Any]) -> tuple[RunStep, ...]:
    """A run for each chunk, with the form of that chunk alone. In Airflow each run starts the next one."""
    from dbt_af_k8s.plan.backfill.form import read_backfill_form
    from dbt_af_k8s.schedule.chunks import cut_range

    try:
        found = read_backfill_form(form, dag.timezone)
    except FormError as reason:
        raise UsageError("\n".join(reason.problems)) from reason
    alone = {**form, "chunk": "none"}
    return tuple(
        # Only the first chunk builds anew.
        RunStep(dag.dag_id, chunk, (), alone if number == 0 else {**alone, "full_refresh": False})
        for number, chunk in enumerate(cut_range(found.whole, found.chunk, dag.timezone))
    )


def _text(form: Mapping[str, Any], name: str) -> str | None:
    value = form.get(name)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{name} must be a text, ISO 8601, for example 2026-03-29.")
    return value
