"""What we read of dbt_project.yml. Pure."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbt_af_k8s.config.jinja_text import TextError, rendered_scalar
from dbt_af_k8s.config.target_path import DEFAULT, KEY, target_path
from dbt_af_k8s.config.wording import shown
from dbt_af_k8s.errors import Issue, ProjectError, error, warning

#: Folders that dbt reads resources from, by their key; two have an older name (dbt's `Project.create_project`).
_PATHS: Mapping[str, tuple[str, str | None]] = {
    "model-paths": ("models", "source-paths"),
    "seed-paths": ("seeds", "data-paths"),
    "snapshot-paths": ("snapshots", None),
    "test-paths": ("tests", None),
    "analysis-paths": ("analyses", None),
    "macro-paths": ("macros", None),
    "function-paths": ("functions", None),
}
#: The same where dbt_project.yml names none, sorted.
RESOURCE_PATHS = tuple(sorted(default for default, _ in _PATHS.values()))


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
    #: Folders that dbt reads resources from (`model-paths` and the like), relative to the project, sorted.
    resource_paths: tuple[str, ...] = RESOURCE_PATHS
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
    paths = {path for key in _PATHS for path in _paths(written, key, file, env, warnings)}
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
        resource_paths=tuple(sorted(paths)),
        issues=tuple(warnings),
    )


def _paths(
    written: Mapping[Any, Any], key: str, file: str, env: Mapping[str, str], warnings: list[Issue]
) -> tuple[str, ...]:
    """The folders of one key, as dbt finds them; dbt's default where they cannot be read."""
    default, older = _PATHS[key]
    value = written[older] if key not in written and older in written else written.get(key)
    if value is None:
        return (default,)
    try:
        if not isinstance(value, list):
            raise TextError(f"it must be a list of folders, found {shown(value)}")
        return tuple(posixpath.normpath(path) for item in value if (path := _scalar(item, env)))
    except TextError as failed:
        fix = f"Write a list of folders, such as `[{default}]`."
        warnings.append(warning("bad-dbt-project", f"`{key}` cannot be read: {failed}.", fix, file=file, key=key))
        return (default,)


def _scalar(value: Any, env: Mapping[str, str]) -> str | None:
    return None if value is None else rendered_scalar(value, env)
