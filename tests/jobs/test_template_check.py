"""A template is looked at before it is rendered."""

from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.jobs.template_check import template_issues

NODE = "model.shop.export"


def told(**templates: str) -> list[tuple[str, str | None, str]]:
    def find(name: str) -> TemplateText | None:
        text = templates.get(name.replace(".", "_"))
        return None if text is None else TemplateText(text, f"/t/{name}")

    found = list(template_issues("job.yml", find, searched=("/t",), node=NODE))
    assert all(issue.node == NODE for issue in found)
    return [(issue.code, issue.file, issue.message) for issue in found]


def test_nothing_is_said_of_what_is_fine() -> None:
    text = (
        '{% extends "base.yml" %}{% block a %}{% include x %}{% include "no.yml" ignore missing %}{{ y }}{% endblock %}'
    )
    assert told(job_yml=text, base_yml='{% block a %}{% endblock %}{% extends "job.yml" %}') == []


def test_what_is_missing_and_what_is_broken_is_told_together() -> None:
    text = '{% extends "base.yml" %}\n{% include "../out.yml" %}\n{% import "none.yml" as other %}'
    assert told(job_yml=text, base_yml="a\n{% blok %}") == [
        (
            "job-template",
            "/t/base.yml",
            "The Jinja is broken: Encountered unknown tag 'blok' (line 2).",
        ),
        (
            "job-template-missing",
            "/t/job.yml",
            "The template '../out.yml', which '/t/job.yml' names, is not found here in `/t`.",
        ),
        (
            "job-template-missing",
            "/t/job.yml",
            "The template 'none.yml', which '/t/job.yml' names, is not found here in `/t`.",
        ),
    ]


def test_a_job_without_its_template() -> None:
    assert told() == [("job-template-missing", None, "The template 'job.yml' is not found here in `/t`.")]
