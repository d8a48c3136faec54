"""The configuration of a one-time job, from YAML to values, with every problem at once and its line. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dbt_af_k8s.config.problems import Finding, findings
from dbt_af_k8s.config.yaml_lines import Mark, YamlPath, key_marks, line_of
from dbt_af_k8s.config.yaml_text import Duplicate, load_yaml
from dbt_af_k8s.errors import Issue, ProjectError, error, warning
from dbt_af_k8s.plan.one_time.checks import asked_findings, job_findings
from dbt_af_k8s.plan.one_time.resolve import resolve
from dbt_af_k8s.plan.one_time.values import OneTimeJob
from dbt_af_k8s.plan.one_time.written import OneTimeWritten
from dbt_af_k8s.pods.env import plain_secrets, read_env

_CODES = {"unknown": "unknown-one-time-key", "missing": "missing-one-time-key", "wrong": "bad-one-time-job"}
_LATEST = "latest"
_KNOWN = frozenset(OneTimeWritten.model_fields)
_SECTIONS = ("partitions", "airflow", "job")


@dataclass(frozen=True, slots=True)
class _Place:
    """The file, and where each of its keys stands."""

    file: str
    marks: Mapping[YamlPath, Mark]

    def error(self, finding: Finding) -> Issue:
        return error(
            _CODES[finding.kind],
            self._told(finding.message, finding.path),
            finding.fix,
            file=self.file,
            key=finding.key or None,
        )

    def duplicate(self, twice: Duplicate) -> Issue:
        message = f"The key `{twice.key}` stands twice in one mapping: lines {twice.first_line} and {twice.line}."
        return error("yaml-duplicate-key", message, "Remove one of the two.", file=self.file, key=twice.key)

    def _told(self, message: str, path: YamlPath) -> str:
        line = line_of(path, self.marks)
        return message if line is None else f"{message.removesuffix('.')} (line {line})."


def read_one_time(data: bytes, *, file: str, suffix: str | None = None) -> tuple[OneTimeJob, tuple[Issue, ...]]:
    """Read a configuration; `file` is its name for messages, `suffix` wins over the one in it.

    Returns the job and warnings. Raises `ProjectError` with everything that is wrong.
    """
    found = load_yaml(data, file=file)
    place = _Place(file, key_marks(data))
    raw = {key: value for key, value in found.mapping.items() if value is not None}
    if suffix is not None:
        raw["suffix"] = suffix
    written, problems = _validated(raw)
    broken = {_part(problem) for problem in problems}
    more = (*asked_findings(written, broken), *job_findings(written))
    problems += [problem for problem in more if _part(problem) not in broken]
    issues = [*(place.duplicate(twice) for twice in found.duplicates), *map(place.error, problems)]
    if issues:
        raise ProjectError(issues)
    return resolve(written, raw), tuple(_warnings(written, file))


def _validated(raw: Mapping[Any, Any]) -> tuple[OneTimeWritten, list[Finding]]:
    """The keys that are right, and what is wrong with the others."""
    try:
        return OneTimeWritten.model_validate(dict(raw)), []
    except ValidationError as failed:
        found = findings(failed, OneTimeWritten)
    stands_in: dict[str, Any] = {"partitions": {}, "image": "none"}
    right = stands_in | {key: value for key, value in raw.items() if key in _KNOWN}
    for path in {_part(problem) for problem in found}:
        inside = right.get(path[0])
        if len(path) > 1 and isinstance(inside, Mapping):
            right[path[0]] = {key: value for key, value in inside.items() if key != path[1]}
        elif path[0] in stands_in:
            right[path[0]] = stands_in[path[0]]
        else:
            right.pop(path[0], None)
    return OneTimeWritten.model_validate(right), found


def _part(problem: Finding) -> tuple[str, ...]:
    """The smallest part of a configuration that can be left out while the rest is looked at."""
    names = tuple(str(part) for part in problem.path) or ("",)
    return names[: 2 if names[0] in _SECTIONS else 1]


def _warnings(written: OneTimeWritten, file: str) -> Iterable[Issue]:
    if written.version in (None, _LATEST):
        message = f"The image has no `version`, so the Job runs `{written.image}:{_LATEST}`, whatever that is by then."
        fix = "Write the tag or the digest of the image into `version`."
        yield warning("image-without-version", message, fix, file=file, key="version")
    for name in plain_secrets(read_env(written.job.env, ("job", "env"))[0]):
        message = f"The variable `{name}` sounds secret, and stands in the Job as plain text."
        fix = "Take it by `valueFrom: {secretKeyRef: {name: ..., key: ...}}`."
        yield warning("secret-in-plain-text", message, fix, file=file, key=f"job.env.{name}")
