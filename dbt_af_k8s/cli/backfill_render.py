"""`dbt-af-k8s backfill render CONFIG.yml`: the Kubernetes Job of a one-time job, as files for CI."""

from pathlib import Path
from typing import Annotated

import typer

from dbt_af_k8s.cli.one_time_files import (
    JobConfig,
    JobProject,
    JobSuffix,
    JobTemplate,
    read_config,
    render,
    write_files,
)
from dbt_af_k8s.cli.options import Format, TextOrJson
from dbt_af_k8s.cli.terminal import console, counted, print_issues, safe, write_json

#: So many runs are listed one by one.
_MOST_RUNS = 12


def backfill_render(
    job_config: JobConfig,
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="Folder for the files; made where it is missing.", metavar="DIR")
    ],
    suffix: JobSuffix = None,
    template: JobTemplate = None,
    project_dir: JobProject = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Write the Kubernetes Job of a configuration, and the ConfigMap with the configuration, into a folder.

    Both are checked against what Kubernetes takes. With a mistake in the configuration nothing is written. The same
    configuration gives the same bytes. Contacts nothing: `kubectl apply -f DIR` sends them.
    """
    job, issues = read_config(job_config, suffix=suffix, project_dir=project_dir)
    paths = write_files(render(job, template), output_dir)
    if output_format is Format.JSON:
        from dbt_af_k8s.plan.codec import issue_to_dict

        write_json(
            {
                "version": 1,
                "name": job.name,
                "config_version": job.config_version,
                "image": job.image,
                "dag_id": job.asked.dag_id,
                "files": [str(path) for path in paths],
                "runs": [{"run_id": run.run_id, "partition": run.label, "conf": run.conf} for run in job.runs],
                "issues": [issue_to_dict(issue) for issue in issues],
            }
        )
        return
    if issues:
        print_issues(issues, stderr=True)
    screen = console()
    screen.print(f"[fine]✓[/] [name]{safe(job.name)}[/]: {counted(len(job.runs), 'run')} of {safe(job.asked.dag_id)}")
    for number, run in enumerate(job.runs, start=1):
        if number < _MOST_RUNS or len(job.runs) <= _MOST_RUNS or number == len(job.runs):
            screen.print(f"  {safe(run.label)}")
        elif number == _MOST_RUNS:
            screen.print("  ...")
    for path in paths:
        screen.print(safe(str(path)))
