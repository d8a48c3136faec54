"""The one line of a DAG file: from a project folder to its DAGs."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import DAG, get_parsing_context

from dbt_af_k8s.airflow.emit import emit_dag, garbage_collection_paused
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.errors import ProjectError
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.store import load_dags

if TYPE_CHECKING:
    from dbt_af_k8s.config.written import Config


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

    Raises `ProjectError` with every problem that stops the whole project; Airflow shows it as an import error.
    """
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
        project = replace(project, slices=compiled.slices, target_slices=compiled.target_slices)
        return {dag.dag_id: emit_dag(dag, project, request) for dag in compiled.dags}


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
