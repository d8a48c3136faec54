"""The Kubernetes Job of a one-time job and its ConfigMap: rendered, checked strictly, as text. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml

from dbt_af_k8s.config.problems import Finding
from dbt_af_k8s.config.yaml_text import load_yaml
from dbt_af_k8s.errors import ProjectError, error
from dbt_af_k8s.plan.one_time.objects import agreement_findings, object_findings
from dbt_af_k8s.plan.one_time.template import render_job_template
from dbt_af_k8s.plan.one_time.values import OneTimeJob
from dbt_af_k8s.plan.one_time.yaml_out import yaml_text

#: Name under which a template finds ours.
OUR_TEMPLATE = "job.yaml.j2"
_KINDS = ("ConfigMap", "Job")
#: Most bytes of a ConfigMap: a request to etcd has 1.5 MiB, and Kubernetes allows 1 MiB of data.
_MOST_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class RenderedJob:
    """Both objects, ready to be applied."""

    job: Mapping[str, Any]
    config_map: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The Job's name."""
        return str(self.job["metadata"]["name"])

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """File names and their text, in the order in which they are applied."""
        return (
            (f"{self.name}.configmap.yaml", yaml_text(self.config_map)),
            (f"{self.name}.job.yaml", yaml_text(self.job)),
        )


def render_job(job: OneTimeJob, templates: Mapping[str, str], *, template: str = OUR_TEMPLATE) -> RenderedJob:
    """Render the template `template` out of `templates`, which hold ours too, and check what comes out.

    Raises `ProjectError` with every fault: of the template, of the YAML, and what Kubernetes would refuse.
    """
    text = render_job_template(template, templates, job.context)
    by_kind: dict[str, Mapping[str, Any]] = {}
    found: list[Finding] = []
    for document in _documents(text, template):
        kind = str(document.get("kind"))
        if kind in by_kind or kind not in _KINDS:
            message = f"The template makes a second {kind}." if kind in by_kind else f"The template makes a {kind}."
            found.append(Finding((kind,), "wrong", message, "It makes one ConfigMap and one Job."))
        else:
            by_kind[kind] = _without_nulls(document)
    for kind in _KINDS:
        if kind in by_kind:
            found += object_findings(by_kind[kind], kind)
        else:
            found.append(
                Finding((kind,), "missing", f"The template makes no {kind}.", f"Add a document of kind {kind}.")
            )
    if not found:
        found += agreement_findings(by_kind["Job"], by_kind["ConfigMap"], job)
    if not found and len(yaml_text(by_kind["ConfigMap"]["data"]).encode()) > _MOST_BYTES:
        message = f"The ConfigMap has more than {_MOST_BYTES} bytes, which Kubernetes refuses."
        found.append(Finding(("ConfigMap", "data"), "wrong", message, "Shorten the configuration."))
    if found:
        raise ProjectError(
            error("bad-one-time-object", each.message, each.fix, file=template, key=each.key) for each in found
        )
    return RenderedJob(by_kind["Job"], by_kind["ConfigMap"])


def _documents(text: str, template: str) -> Iterator[dict[str, Any]]:
    """Each document by the strict reader of our own files, its lines counted in what the template rendered."""
    name = f"{template}, rendered"
    try:
        starts = [token.start_mark.index for token in yaml.scan(text, yaml.SafeLoader) if _is_start(token)]
    except yaml.YAMLError:
        starts = []
    cuts = sorted({0, *starts, len(text)})
    for begin, end in pairwise(cuts):
        # Blank lines in place of what stands before keep the line numbers.
        part = "\n" * text.count("\n", 0, begin) + text[begin:end].removeprefix("---")
        found = load_yaml(part.encode(), file=name)
        for twice in found.duplicates:
            message = f"The key `{twice.key}` stands twice in one mapping: lines {twice.first_line} and {twice.line}."
            raise ProjectError([error("yaml-duplicate-key", message, "Remove one of the two.", file=name)])
        if found.mapping:
            yield found.mapping


def _is_start(token: yaml.Token) -> bool:
    return isinstance(token, yaml.DocumentStartToken)


def _without_nulls(value: Any) -> Any:
    """Kubernetes reads a null as not written; the strict schemas refuse it. The depth is limited by the reader."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(below) for key, below in value.items() if below is not None}
    return [_without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value
