"""From a folder on disk to a plan: the one place of this room that touches the disk.

Reading goes on after a fault, so that everything wrong with a project is told at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dbt_af_k8s.config.read import read_dbt_project, read_profile, read_settings
from dbt_af_k8s.config.resolve import resolve_settings
from dbt_af_k8s.config.settings import Settings
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.errors import Issue, ProjectError
from dbt_af_k8s.manifest.read import read_manifest
from dbt_af_k8s.plan.build import Build, build
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import Plan
from dbt_af_k8s.plan.verify import verify

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Which project to plan, and what stands in for its own files and settings."""

    project_dir: Path
    #: None: `manifest.json` in the project's target folder.
    manifest: Path | None = None
    #: None: dbt's own search order.
    profiles_dir: Path | None = None
    target: str | None = None
    #: A settings file, settings made in Python, or None: `dbt_af_k8s.yml` of the project where there is one.
    config: Path | Config | None = None
    #: Replace `select` and `exclude` of the settings; None: as the settings say.
    select: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None


def plan_project(request: PlanRequest, env: Mapping[str, str]) -> Plan:
    """Plan a project and verify the plan. `env` is the environment that profiles may name variables of.

    Raises:
        ProjectError: what is needed to plan anything cannot be read. Other problems are the plan's `issues`.
        PlanInvariantError: the plan breaks a promise of ours.
    """
    return build_project(request, env).plan


def plan_for_airflow(request: PlanRequest, env: Mapping[str, str]) -> Plan:
    """Plan a project for DAGs: as `plan_project`, but what concerns the whole project stops it.

    Errors of single nodes break their domain only, unless the settings say `strict`.

    Raises:
        ProjectError: with all errors that stop the project.
    """
    built = build_project(request, env)
    errors = [issue for issue in built.plan.issues if issue.is_error]
    if any(issue.node is None for issue in errors) or (errors and built.inputs.settings.strict):
        raise ProjectError(errors)
    return built.plan


def build_project(request: PlanRequest, env: Mapping[str, str]) -> Build:
    """Plan a project and keep the decisions; see `plan_project`."""
    built = build(read_inputs(request, env))
    verify(built.plan, built.inputs.manifest)
    return built


def read_inputs(request: PlanRequest, env: Mapping[str, str]) -> PlanInputs:
    """Read all that a plan is made from.

    Raises:
        ProjectError: with the faults of all files together.
    """
    faults: list[Issue] = []
    root = request.project_dir
    settings, settings_file, issues = _read_settings(request, faults)
    project = _attempt(lambda: read_dbt_project(root), faults)
    manifest_path = request.manifest
    if manifest_path is None and project is not None:
        manifest_path = root / project.target_path / "manifest.json"
    manifest = _attempt(lambda: read_manifest(manifest_path, project_dir=root), faults) if manifest_path else None
    profile = None
    if project is not None:
        asked = request.target or settings.targets.default
        profile = _attempt(
            lambda: read_profile(
                project.profile, project_dir=root, profiles_dir=request.profiles_dir, env=env, target=asked
            ),
            faults,
        )
    if project is None or manifest is None or profile is None:
        raise ProjectError([*faults, *(issue for issue in issues if issue.is_error)])
    return PlanInputs(
        project=project.name,
        manifest=manifest,
        settings=settings,
        profile=profile[0],
        target=request.target,
        issues=(*faults, *issues, *profile[1], *manifest.issues),
        settings_file=settings_file,
    )


def _read_settings(request: PlanRequest, faults: list[Issue]) -> tuple[Settings, str, tuple[Issue, ...]]:
    issues: tuple[Issue, ...] = ()
    if isinstance(request.config, Config):
        written, file = request.config, "Config"
    else:
        path = request.config
        read = _attempt(lambda: read_settings(path, project_dir=request.project_dir), faults)
        written, file, issues = read if read is not None else (Config(), "dbt_af_k8s.yml", ())
    settings, more = resolve_settings(written, file=file)
    if request.select is not None:
        settings = replace(settings, select=request.select)
    if request.exclude is not None:
        settings = replace(settings, exclude=request.exclude)
    return settings, file, (*issues, *more)


def _attempt(read: Callable[[], Read], faults: list[Issue]) -> Read | None:
    """Call it; a ProjectError becomes issues in `faults` and None."""
    try:
        return read()
    except ProjectError as fault:
        faults.extend(fault.issues)
        return None
