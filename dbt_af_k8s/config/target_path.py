"""Where dbt writes its artefacts, manifest.json among them: the one answer for all that ask. Pure.

A DAG file asks each time it is read, so nothing is imported here that a project without `target-path` does not need.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dbt_af_k8s.errors import ProjectError

#: dbt's variables for `--target-path`; the first one that says something goes before dbt_project.yml.
VARIABLES = ("DBT_ENGINE_TARGET_PATH", "DBT_TARGET_PATH")
KEY = "target-path"
#: dbt's default.
DEFAULT = "target"


def target_path(value: Any, env: Mapping[str, str]) -> str:
    """The folder, given `target-path` of dbt_project.yml (None where there is none).

    Relative to the project, or absolute; `~` is a name like others. As in dbt an environment variable goes before the
    file, and an empty one counts as none. Raises `TextError` where the file's text cannot be rendered.
    """
    named = next((path for name in VARIABLES if (path := env.get(name))), None)
    if named is not None:
        return named
    if value is None:
        return DEFAULT
    from dbt_af_k8s.config.jinja_text import rendered_scalar

    return rendered_scalar(value, env)


def target_path_in(data: bytes, env: Mapping[str, str]) -> str:
    """`target_path`, given the bytes of dbt_project.yml; dbt's default where they cannot be read."""
    value = None
    if KEY.encode() in data:
        from dbt_af_k8s.config.yaml_text import load_yaml

        with suppress(ProjectError):
            value = load_yaml(data, file="dbt_project.yml").mapping.get(KEY)
    if value is None:
        return target_path(None, env)
    from dbt_af_k8s.config.jinja_text import TextError

    try:
        return target_path(value, env)
    except TextError:
        return DEFAULT
