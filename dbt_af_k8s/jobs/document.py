"""The text of a rendered template becomes a Job: safe YAML, and everything checked that the API server would refuse."""

from collections.abc import Iterator, Mapping
from typing import Any

from dbt_af_k8s.config.problems import Finding, dotted
from dbt_af_k8s.config.template_text import TemplateText
from dbt_af_k8s.config.wording import choose_from, quoted, shown
from dbt_af_k8s.config.yaml_lines import Mark, key_marks, line_of
from dbt_af_k8s.config.yaml_text import duplicate_errors, load_yaml, without_empty_documents
from dbt_af_k8s.errors import Issue, ProjectError, error
from dbt_af_k8s.k8s.check import Path, check_object
from dbt_af_k8s.k8s.kinds import LABEL_KEY_FIX
from dbt_af_k8s.k8s.names import LONGEST_LABEL, is_dns_label, is_label_key, is_label_value

API_VERSION, KIND = "batch/v1", "Job"
#: Keys of a Job; `status` is the cluster's.
_KEYS = ("apiVersion", "kind", "metadata", "spec")
_DNS_FIX = "Use lower-case letters, digits and dashes, with a letter or digit at both ends; `| dns_label` makes one."
_INDEXED_ONLY = ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy")


def read_job(rendered: TemplateText) -> dict[str, Any]:
    """The Job of a rendered template, every problem told at once. Raises `ProjectError`.

    Lines in messages are those of the rendered text, which `write_rendered_to` and `dbt-af-k8s render` show.
    """
    file = f"{rendered.file} (rendered)"
    data = without_empty_documents(rendered.text).encode("utf-8", "surrogatepass")
    found = load_yaml(data, file=file)
    if not found.mapping:
        nothing = "Nothing is left of the template."
        raise ProjectError([_issue(Finding((), "missing", nothing, "Write a Job."), file, {})])
    wrong = list(job_findings(found.mapping))
    marks = key_marks(data) if wrong else {}
    issues = [*duplicate_errors(found, file=file), *(_issue(each, file, marks) for each in wrong)]
    if issues:
        raise ProjectError(issues)
    job: dict[str, Any] = _without_nulls(found.mapping)
    return job


def _issue(finding: Finding, file: str, marks: Mapping[Path, Mark]) -> Issue:
    key = finding.key or None
    line = line_of(finding.path, marks)
    message = f"{finding.message[:-1]} (line {line})." if line else finding.message
    if finding.kind == "unknown":
        return error("unknown-job-key", message, finding.fix, file=file, key=key)
    return error("bad-job", message, finding.fix, file=file, key=key)


def job_findings(job: Mapping[Any, Any]) -> Iterator[Finding]:
    """Everything that is wrong with an object as a Job that is to be made."""
    yield from _head(job)
    metadata = job.get("metadata") or {}
    wrong = list(check_object(metadata, "ObjectMeta", ("metadata",)))
    yield from wrong
    if isinstance(metadata, Mapping):
        told = {finding.path for finding in wrong}
        yield from (finding for finding in _metadata(metadata) if finding.path not in told)
    if job.get("spec") is None:
        yield Finding(("spec",), "missing", "The Job has no `spec`.", "Write `spec: {template: ...}`.")
        return
    wrong = list(check_object(job["spec"], "JobSpec", ("spec",)))
    yield from wrong
    if not wrong:
        yield from _spec(job["spec"])


def _head(job: Mapping[Any, Any]) -> Iterator[Finding]:
    for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        value = job.get(key)
        if value is None:
            yield Finding((key,), "missing", f"The key `{key}` is missing.", f"Write `{key}: {wanted}`.")
        elif value != wanted:
            message = f"`{key}` must be `{wanted}`, found {shown(value)}."
            yield Finding((key,), "wrong", message, f"Write `{key}: {wanted}`.")
    for key in job:
        if key not in _KEYS:
            message = f"The key {quoted(str(key))} is not known: no Job that is to be made has it."
            yield Finding((str(key),), "unknown", message, choose_from(str(key), _KEYS))


def _metadata(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    for key in ("name", "namespace"):
        value = metadata.get(key)
        if isinstance(value, str) and not is_dns_label(value):
            message = f"`metadata.{key}` cannot be {shown(value)}."
            fix = f"{_DNS_FIX} At most {LONGEST_LABEL} characters."
            yield Finding(("metadata", key), "wrong", message, fix)
    yield from _labels(metadata, ("metadata",))


def _labels(metadata: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    for part in ("labels", "annotations"):
        written = metadata.get(part)
        for name, value in (written if isinstance(written, Mapping) else {}).items():
            at = (*path, part, str(name))
            if not isinstance(name, str) or not isinstance(value, str):
                continue
            if not is_label_key(name):
                yield Finding(at, "wrong", f"`{dotted((*path, part))}` cannot have {quoted(name)}.", LABEL_KEY_FIX)
            elif part == "labels" and not is_label_value(value):
                fix = "Write at most 63 letters, digits, dashes, dots and underscores, or make it an annotation."
                yield Finding(at, "wrong", f"The label `{name}` cannot have the value {shown(value)}.", fix)


def _spec(spec: Mapping[str, Any]) -> Iterator[Finding]:
    path: Path = ("spec", "template", "spec")
    for key in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        if (spec.get(key) or 0) < 0:
            yield Finding(("spec", key), "wrong", f"`spec.{key}` cannot be below 0.", "Write 0 or more.")
    yield from _labels(spec["template"].get("metadata") or {}, ("spec", "template", "metadata"))
    pod = spec["template"].get("spec") or {}
    if not pod.get("containers"):
        message = "The pods of the Job have no containers."
        yield Finding((*path, "containers"), "missing", message, "Write at least one: `- {name: main, image: ...}`.")
    for key in ("containers", "initContainers"):
        for number, container in enumerate(pod.get(key) or ()):
            yield from _container(container, (*path, key, number))
    yield from _restarts(spec, pod, path)
    yield from _mode(spec)


def _container(container: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    if not is_dns_label(container["name"]):
        yield Finding((*path, "name"), "wrong", f"A container cannot be called {quoted(container['name'])}.", _DNS_FIX)
    if not container.get("image"):
        message = f"The container {quoted(container['name'])} has no image."
        yield Finding((*path, "image"), "missing", message, "Write `image: registry/name:tag`.")


def _restarts(spec: Mapping[str, Any], pod: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    policy = pod.get("restartPolicy")
    if policy not in ("Never", "OnFailure"):
        found = "is missing" if policy is None else f"cannot be {shown(policy)}"
        message = f"`restartPolicy` {found}: the pods of a Job end."
        kind = "missing" if policy is None else "wrong"
        yield Finding((*path, "restartPolicy"), kind, message, "Write `Never`, or `OnFailure`.")
    elif policy != "Never" and spec.get("podFailurePolicy") is not None:
        message = "`podFailurePolicy` works only with `restartPolicy: Never`."
        yield Finding(("spec", "podFailurePolicy"), "wrong", message, "Write `restartPolicy: Never`.")


def _mode(spec: Mapping[str, Any]) -> Iterator[Finding]:
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        message = f"`spec.completionMode` knows nothing like {shown(mode)}."
        yield Finding(("spec", "completionMode"), "wrong", message, choose_from(str(mode), ("NonIndexed", "Indexed")))
    if mode == "Indexed" and spec.get("completions") is None:
        message = "An indexed Job must say how many indexes it has."
        yield Finding(("spec", "completions"), "missing", message, "Write `completions`.")
    if mode != "Indexed":
        for key in _INDEXED_ONLY:
            if spec.get(key) is not None:
                message = f"`spec.{key}` is for indexed Jobs."
                yield Finding(("spec", key), "wrong", message, "Write `completionMode: Indexed`, or remove it.")


def _without_nulls(value: Any) -> Any:
    """Nulls count as not written. `load_yaml` lets nothing through that is deep."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(below) for key, below in value.items() if below is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
