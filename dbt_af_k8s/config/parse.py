"""A mapping read from YAML -> `Config`, with every problem at once. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from dbt_af_k8s.config.problems import findings
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.errors import Issue, error

_CODES = {"unknown": "unknown-setting", "missing": "missing-setting", "wrong": "bad-setting"}


def parse_config(written: Mapping[Any, Any], *, file: str) -> tuple[Config, tuple[Issue, ...]]:
    """Check what a person wrote.

    The sections that are right are kept also where others are wrong, so that one typo does not turn up again as a
    dozen unknown schedules. With an error among the issues the `Config` is good for looking for more problems, not for
    planning.
    """
    try:
        return Config.model_validate(dict(written)), ()
    except ValidationError as failed:
        found = findings(failed, Config)
    issues = tuple(
        error(_CODES[finding.kind], finding.message, finding.fix, file=file, key=finding.key) for finding in found
    )
    broken = {finding.path[0] for finding in found}
    sound = {key: value for key, value in written.items() if isinstance(key, str) and key not in broken}
    return Config.model_validate(sound), issues
