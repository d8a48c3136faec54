"""From a project's folder to its plan, by the readers of the manifest and config rooms.

Reading goes on after a fault, so that everything wrong with a project is told at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from dbt_af_k8s.config.read import (
    profiles_files,
    read_dbt_project,
    read_profile,
    read_project_file,
    read_run_times,
    read_settings,
    run_times_file,
    settings_files,
)
from dbt_af_k8s.config.resolve import resolve_settings
from dbt_af_k8s.config.setting_places import NodeFiles, place_issues
from dbt_af_k8s.config.settings import Settings
from dbt_af_k8s.config.written import Config
from dbt_af_k8s.errors import Issue, ProjectError, issue_order
from dbt_af_k8s.manifest.read import read_manifest
from dbt_af_k8s.manifest.values import Exposure, Node, Source
from dbt_af_k8s.plan.build import Build, build
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import Plan
from dbt_af_k8s.plan.verify import verify

Read = TypeVar("Read")
#: Sections of dbt's YAML files whose name is not the resource type with an s.
_SECTIONS = {"test": "data_tests", "analysis": "analyses"}


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
    return loadable(build_project(request, env))


def loadable(built: Build, *, strict: bool = False) -> Plan:
    """The plan, if DAGs may be made of it; else ProjectError, see `plan_for_airflow`. `strict` as the setting."""
    errors = [issue for issue in built.plan.issues if issue.is_error]
    if any(issue.node is None for issue in errors) or (errors and (strict or built.inputs.settings.strict)):
        raise ProjectError(errors)
    return built.plan


def build_project(request: PlanRequest, env: Mapping[str, str]) -> Build:
    """Plan a project and keep the decisions; see `plan_project`."""
    built = build(read_inputs(request, env))
    verify(built.plan, built.inputs.manifest)
    return _with_places(built, request.project_dir)


def _with_places(built: Build, root: Path) -> Build:
    """The same with issues that name the file that has the mistake, with line and column where they can be found."""
    inputs, plan = built.inputs, built.plan
    if not plan.issues:
        return built
    files = {
        key: _files_of(entry)
        for key in sorted({issue.node for issue in plan.issues if issue.node})
        if (entry := inputs.manifest.entry(key)) is not None and entry.package == inputs.project
    }

    def placed(issues: tuple[Issue, ...]) -> tuple[Issue, ...]:
        read = partial(read_project_file, root)
        return place_issues(issues, files, read, settings_file=inputs.settings_file) if issues else issues

    dags = tuple(replace(dag, problems=placed(dag.problems)) for dag in plan.dags)
    issues = tuple(sorted(placed(plan.issues), key=issue_order))
    return replace(built, plan=replace(plan, dags=dags, issues=issues))


def _files_of(entry: Node | Source | Exposure) -> NodeFiles:
    """The files that may have an entry's settings; sources, exposures and generic tests stand in YAML alone."""
    if isinstance(entry, Source):
        return NodeFiles("sources", entry.name, entry.fqn, None, entry.file, source_name=entry.source_name)
    if isinstance(entry, Exposure):
        return NodeFiles("exposures", entry.name, (entry.package, entry.name), None, entry.file)
    section = _SECTIONS.get(entry.resource_type, f"{entry.resource_type}s")
    own = None if entry.file.endswith((".yml", ".yaml")) else entry.file
    return NodeFiles(section, entry.name, entry.fqn, own, entry.patch_path or entry.file, version=entry.version)


def files_of(request: PlanRequest, env: Mapping[str, str], manifest: Path) -> tuple[Path, ...]:
    """Every file whose content, or whose absence, the plan depends on."""
    config = request.config
    settings = settings_files(request.project_dir) if config is None else (config,) if isinstance(config, Path) else ()
    profiles = profiles_files(request.project_dir, request.profiles_dir, env)
    return (
        request.project_dir / "dbt_project.yml",
        *settings,
        *profiles,
        manifest,
        run_times_file(request.project_dir),
    )


def manifest_path(request: PlanRequest, target_path: str) -> Path:
    """The manifest of the request, given the project's `target-path`."""
    return request.manifest or request.project_dir / target_path / "manifest.json"


def read_inputs(request: PlanRequest, env: Mapping[str, str]) -> PlanInputs:
    """Read all that a plan is made from.

    Raises:
        ProjectError: with the faults of all files together.
    """
    faults: list[Issue] = []
    root = request.project_dir
    settings, settings_file, issues = _read_settings(request)
    project = _attempt(lambda: read_dbt_project(root, env=env), faults)
    path = manifest_path(request, project.target_path) if project is not None else request.manifest
    manifest = _attempt(lambda: read_manifest(path, project_dir=root), faults) if path is not None else None
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
    recorded = read_run_times(root)
    return PlanInputs(
        project=project.name,
        manifest=manifest,
        settings=settings,
        profile=profile[0],
        target=request.target,
        target_path=project.target_path,
        resource_paths=project.resource_paths,
        issues=(*faults, *issues, *project.issues, *profile[1], *manifest.issues, *recorded.issues),
        settings_file=settings_file,
        run_times=recorded.seconds,
    )


def _read_settings(request: PlanRequest) -> tuple[Settings, str, tuple[Issue, ...]]:
    config = request.config
    issues: tuple[Issue, ...] = ()
    if isinstance(config, Config):
        written, file = config, "Config"
    else:
        written, file, issues = read_settings(config, project_dir=request.project_dir)
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
