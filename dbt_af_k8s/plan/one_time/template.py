"""Jinja for the Job of a one-time job: the sandbox of job templates, with our own words for what is wrong. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.errors import Issue, ProjectError, error
from dbt_af_k8s.jobs.template import Surroundings, render_template

#: Longest text that a template may come to, in characters: more than the API server takes.
_LONGEST = 4 * 1024 * 1024
_FIX = "The reference of one-time jobs has the names that a template gets."


def to_yaml(value: Any) -> str:
    """A value as YAML on one line. JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def render_job_template(name: str, templates: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """The text of the template `name` out of `templates`, which it may extend and include.

    Raises `ProjectError` with the file and line of the fault.
    """

    def find(wanted: str) -> TemplateText | None:
        return TemplateText(templates[wanted], wanted) if wanted in templates else None

    try:
        text = render_template(name, find, values, Surroundings({"to_yaml": to_yaml}, {})).text
    except ProjectError as failed:
        raise ProjectError(list(_told(failed.issues))) from None
    if len(text) > _LONGEST:
        message = f"The template renders to {len(text)} characters."
        raise ProjectError([error("bad-one-time-template", message, "Write less.", file=name)])
    return text


def _told(issues: tuple[Issue, ...]) -> Iterator[Issue]:
    """What to do about it is other than in a DAG: there are no fields to add."""
    for issue in issues:
        guess, found, _ = issue.fix.partition("? ")
        fix = f"{guess}? {_FIX}" if found else _FIX
        yield error("bad-one-time-template", issue.message, fix, file=issue.file)
