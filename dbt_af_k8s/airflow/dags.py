"""The one line of a DAG file: from a project folder to its DAGs."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import DAG, get_parsing_context

from dbt_af_k8s.airflow.emit import emit_dag, garbage_collection_paused
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.errors import ProjectError, UsageError
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.store import load_dags

if TYPE_CHECKING:
    from dbt_af_k8s.config.written import Config

LOG = logging.getLogger(__name__)


def dbt_dags(
    project_dir: str | Path,
    *,
    config: "str | Path | Config | None" = None,
    manifest: str | Path | None = None,
    profiles_dir: str | Path | None = None,
    target: str | None = None,
    select: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
) -> dict[str, DAG]:
    """Turn a dbt project into Airflow DAGs, by DAG id.

    Meant for a DAG file of one line: `globals().update(dbt_dags("/opt/airflow/dbt/shop"))`. Relative paths are
    relative to that file. `config` is a settings file or a `Config` (default: `dbt_af_k8s.yml` of the project, where
    there is one), `manifest` dbt's manifest.json (default: that of the project's target folder). `select` and
    `exclude` take dbt's selection syntax and replace those of the settings.

    The DAGs come from the compiled plan beside the manifest, which is made anew when the project has changed. On a
    worker, which runs one task, only the DAG of that task is read and built.

    Raises `ProjectError` with every problem that stops the whole project, and `UsageError` with every argument of a
    wrong type; Airflow shows either as an import error.
    """
    problems = [
        *(_path_problem(name, path) for name, path in (("manifest", manifest), ("profiles_dir", profiles_dir)) if path),
        _path_problem("project_dir", project_dir),
        _config_problem(config),
        None if target is None or isinstance(target, str) else f"target must be text, not {target!r}.",
        *(_words_problem(name, words) for name, words in (("select", select), ("exclude", exclude))),
    ]
    if any(problems):
        raise UsageError("\n".join(problem for problem in problems if problem))
    here = _folder_of_caller()
    project = DbtProject(
        project_dir=_absolute(here, project_dir),
        profiles_dir=None if profiles_dir is None else _absolute(here, profiles_dir),
    )
    request = PlanRequest(
        project_dir=project.project_dir,
        manifest=None if manifest is None else _absolute(here, manifest),
        profiles_dir=project.profiles_dir,
        target=target,
        config=_absolute(here, config) if isinstance(config, str | Path) else config,
        select=_words(select),
        exclude=_words(exclude),
    )
    asked = get_parsing_context().dag_id
    with garbage_collection_paused():
        try:
            compiled = load_dags(request, os.environ, only=asked)
        except ProjectError as fault:
            raise ProjectError(fault.issues) from None
        if compiled.stands_in is not None:
            LOG.error("dbt project %s: %s %s", project.project_dir, compiled.stands_in.message, compiled.stands_in.fix)
        if not compiled.dags and asked is None:
            LOG.warning("The dbt project %s gives no DAG; `dbt-af-k8s check` says why.", project.project_dir)
        project = replace(project, slices=compiled.slices, target_slices=compiled.target_slices)
        return {dag.dag_id: emit_dag(dag, project, request) for dag in compiled.dags}


def _path_problem(name: str, value: object) -> str | None:
    if isinstance(value, str | Path) and "\0" not in str(value):
        return None
    return f"{name} must be a path, as text or `Path`, not {value!r}."


def _config_problem(config: object) -> str | None:
    # `Config` itself is imported only where somebody has made one.
    if config is None or hasattr(config, "model_dump_json"):
        return None
    if isinstance(config, Mapping):
        return "config must be a path or a `Config`: make one of the mapping with `Config.model_validate(...)`."
    return _path_problem("config", config)


def _words_problem(name: str, words: object) -> str | None:
    is_list = isinstance(words, Sequence) and all(isinstance(word, str) for word in words)
    return None if words is None or is_list else f"{name} must be text or a list of texts, not {words!r}."


def _folder_of_caller() -> Path:
    """The folder of the file that called `dbt_dags`, or the working folder where the caller is no file."""
    file = sys._getframe(2).f_globals.get("__file__")
    return Path(file).absolute().parent if isinstance(file, str) else Path.cwd()


def _absolute(folder: Path, path: str | Path) -> Path:
    return Path(os.path.normpath(folder / Path(path).expanduser()))


def _words(text: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(text.split()) if isinstance(text, str) else tuple(text)
