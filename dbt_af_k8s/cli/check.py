"""`dbt-af-k8s check`: everything that is wrong with the project, at once."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from dbt_af_k8s.cli.layers import print_layer_hint
from dbt_af_k8s.cli.options import (
    HERE,
    ConfigFile,
    Format,
    ManifestFile,
    ProfilesDir,
    ProjectDir,
    Target,
    TextOrJson,
    Where,
)
from dbt_af_k8s.cli.stale import stale_manifest
from dbt_af_k8s.cli.terminal import console, counted, print_issues, safe, write_json
from dbt_af_k8s.errors import Issue, ProjectError

if TYPE_CHECKING:
    from dbt_af_k8s.plan.build import Build


def check(
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Find everything wrong with the project at once: where, why, and how to mend it.

    Exits with 1 where there is an error; warnings alone are fine.
    """
    where = Where(project_dir, profiles_dir, target, manifest, config)
    try:
        built = where.build()
    except ProjectError as reason:
        issues = (*reason.issues, *_stands_in(where, reason))
        if output_format is Format.JSON:
            _write(None, issues)
            raise typer.Exit(2) from reason
        raise ProjectError(issues) from None
    from dbt_af_k8s.plan.first_runs import cold_start_issues
    from dbt_af_k8s.plan.values import REPEATING_KINDS

    plan = built.plan
    now = datetime.now(UTC)
    issues = (
        *plan.issues,
        *_stale(where, built),
        *_job_templates(where, built),
        *cold_start_issues(plan.dags, now),
    )
    if output_format is Format.JSON:
        _write(plan.project, issues)
    elif issues:
        print_issues(issues)
    else:
        dags = [dag for dag in plan.dags if dag.kind not in REPEATING_KINDS]
        nodes = len({node for dag in dags for task in dag.tasks for node in task.nodes})
        told = f"{counted(nodes, 'node')} in {counted(len(dags), 'DAG')}"
        console().print(f"[fine]✓[/] Nothing wrong in [name]{safe(plan.project)}[/]: {told}.")
    if output_format is Format.TEXT:
        print_layer_hint(built)
    if any(issue.is_error for issue in issues):
        raise typer.Exit(1)


def _stands_in(where: Where, fault: ProjectError) -> tuple[Issue, ...]:
    """What the DAGs do meanwhile, where the manifest cannot be read."""
    from dbt_af_k8s.plan.store import last_good_plan

    last = last_good_plan(where.request(), os.environ, fault, now=datetime.now(UTC))
    return () if last is None else (last.issue,)


def _stale(where: Where, built: "Build") -> tuple[Issue, ...]:
    from dbt_af_k8s.plan.project import manifest_path

    request = where.request()
    manifest = manifest_path(request, built.inputs.target_path)
    return stale_manifest(request.project_dir, manifest, built.inputs.resource_paths)


def _job_templates(where: Where, built: "Build") -> tuple[Issue, ...]:
    """What can be said of the templates of jobs before they are rendered."""
    jobs = {
        job.payload.node: job.target for dag in built.plan.dags for task in dag.tasks if (job := task.job) is not None
    }
    if not jobs:
        return ()
    from dbt_af_k8s.config.read_templates import template_finder
    from dbt_af_k8s.jobs.template import template_place
    from dbt_af_k8s.jobs.template_check import template_issues

    root = where.request().project_dir
    issues: dict[tuple[str, str | None, str], Issue] = {}
    for node, target in sorted(jobs.items()):
        name, folders = template_place(target.template or "", target.search_paths)
        places = [root / folder for folder in folders]
        for issue in template_issues(name, template_finder(places), searched=tuple(map(str, places)), node=node):
            # Many nodes have one template: its faults are told once.
            issues.setdefault((issue.code, issue.file, issue.message), issue)
    return tuple(issues.values())


def _write(project: str | None, issues: tuple[Issue, ...]) -> None:
    from dbt_af_k8s.plan.codec import issue_to_dict

    errors = sum(issue.is_error for issue in issues)
    write_json(
        {
            "version": 1,
            "project": project,
            "errors": errors,
            "warnings": len(issues) - errors,
            "issues": [issue_to_dict(issue) for issue in issues],
        }
    )
