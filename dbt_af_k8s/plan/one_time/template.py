"""Jinja for the Job of a one-time job: in a sandbox, with every fault told by file and line. Pure."""

import json
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dbt_af_k8s.config.wording import choose_from
from dbt_af_k8s.errors import ProjectError, error

#: What a template can fail with while it is rendered.
_FAILURES = (
    *(TemplateError, ArithmeticError, AssertionError, AttributeError, LookupError),
    *(MemoryError, RuntimeError, TypeError, ValueError),
)
#: Longest text that a template may come to: more than the API server takes.
_LONGEST = 4 * 1024 * 1024
_MARK = "template of a one-time job: "


def to_yaml(value: Any) -> str:
    """A value as YAML on one line. JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def render_template(name: str, templates: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """The text of the template `name` out of `templates`, which it may extend and include.

    Raises `ProjectError` with the file and line of the fault.
    """

    def load(wanted: str) -> tuple[str, str, Callable[[], bool]] | None:
        return (templates[wanted], _MARK + wanted, lambda: True) if wanted in templates else None

    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(load), undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    environment.filters["to_yaml"] = to_yaml
    try:
        text = environment.get_template(name).render(values)
    except TemplateSyntaxError as failed:
        raise _fault(failed.name or name, failed.lineno, failed.message or "it cannot be read", "") from None
    except TemplateNotFound as failed:
        fix = choose_from(str(failed.name), sorted(templates))
        raise _fault(*_where(failed, name), f"there is no template `{failed.name}`", fix) from None
    except _FAILURES as failed:
        told = (str(failed).splitlines() or [""])[0] or type(failed).__name__
        raise _fault(*_where(failed, name), told, "") from None
    if len(text) > _LONGEST:
        raise _fault(name, None, f"it renders to {len(text)} characters", "Write less.")
    return text


def _where(failed: BaseException, name: str) -> tuple[str, int | None]:
    """Jinja puts the template's own lines into the traceback; the last one is where it failed."""
    for frame in reversed(traceback.extract_tb(failed.__traceback__)):
        if frame.filename.startswith(_MARK):
            return frame.filename.removeprefix(_MARK), frame.lineno
    return name, None


def _fault(name: str, line: int | None, told: str, fix: str) -> ProjectError:
    where = f" (line {line})" if line is not None else ""
    message = f"The template fails: {told.removesuffix('.')}{where}."
    default = "The reference of one-time jobs has the names that a template gets."
    return ProjectError([error("bad-one-time-template", message, fix or default, file=name)])
