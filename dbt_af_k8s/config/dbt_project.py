"""What we read of dbt_project.yml. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbt_af_k8s.config.jinja_text import TextError, rendered_scalar
from dbt_af_k8s.config.target_path import DEFAULT, KEY, target_path
from dbt_af_k8s.config.wording import shown
from dbt_af_k8s.errors import Issue, ProjectError, error, warning


@dataclass(frozen=True, slots=True)
class DbtProjectFile:
    """A dbt_project.yml, as far as planning needs it."""

    name: str
    #: Name of the profile, or None: dbt then needs `--profile`.
    profile: str | None = None
    version: str | None = None
    #: Where dbt writes manifest.json, relative to the project, or absolute; see `target_path`.
    target_path: str = DEFAULT
    #: `vars` as written; dbt renders them at run time.
    vars: Mapping[str, Any] = field(default_factory=dict)
    #: Warnings.
    issues: tuple[Issue, ...] = ()


def parse_dbt_project(written: Mapping[Any, Any], *, file: str, env: Mapping[str, str]) -> DbtProjectFile:
    """Read a dbt_project.yml that is already YAML. Raises `ProjectError` where name or profile cannot be read."""
    errors: list[Issue] = []
    warnings: list[Issue] = []
    texts: dict[str, str | None] = {}
    for key in ("name", "profile", "version", KEY):
        try:
            value = written.get(key)
            texts[key] = target_path(value, env) if key == KEY else _scalar(value, env)
        except TextError as failed:
            needed = key in ("name", "profile")
            make, found = (error, errors) if needed else (warning, warnings)
            message = f"`{key}` cannot be read: {failed}."
            found.append(make("bad-dbt-project", message, "Write it as plain text.", file=file, key=key))
    if not written.get("name"):
        message = "It has no `name`, so it is not a dbt project."
        errors.append(error("bad-dbt-project", message, "Add `name: your_project`.", file=file, key="name"))
    raw_vars = written.get("vars")
    if raw_vars is not None and not isinstance(raw_vars, Mapping):
        message = f"`vars` must be a mapping, found {shown(raw_vars)}."
        warnings.append(warning("bad-dbt-project", message, "Write `name: value` lines.", file=file, key="vars"))
    if errors:
        raise ProjectError([*errors, *warnings])
    return DbtProjectFile(
        name=texts["name"] or "",
        profile=texts["profile"],
        version=texts.get("version"),
        target_path=texts.get(KEY, DEFAULT) or "",
        vars={str(key): value for key, value in raw_vars.items()} if isinstance(raw_vars, Mapping) else {},
        issues=tuple(warnings),
    )


def _scalar(value: Any, env: Mapping[str, str]) -> str | None:
    return None if value is None else rendered_scalar(value, env)
