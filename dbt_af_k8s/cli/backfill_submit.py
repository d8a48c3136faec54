"""`dbt-af-k8s backfill submit CONFIG.yml`: render a one-time job and send it to the cluster."""

import os
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
from dbt_af_k8s.errors import UsageError

KubeConfig = Annotated[
    Path | None,
    typer.Option(
        "--kube-config", help="A kube config file. Default: this pod's cluster, else KUBECONFIG.", metavar="FILE"
    ),
]
KubeContext = Annotated[
    str | None, typer.Option("--context", help="Its context. Default: the current one.", metavar="NAME")
]


def backfill_submit(
    job_config: JobConfig,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Default: the configuration's, else the context's.", metavar="NAME"),
    ] = None,
    kube_config: KubeConfig = None,
    context: KubeContext = None,
    suffix: JobSuffix = None,
    template: JobTemplate = None,
    project_dir: JobProject = None,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", "-o", help="Write the files, too.", metavar="DIR")
    ] = None,
    output_format: TextOrJson = Format.TEXT,
) -> None:
    """Make the Kubernetes Job of a configuration, and its ConfigMap, in the cluster.

    The server tries both before the first is made. A Job of that name that is there already is left alone, and told:
    the same configuration has the same name. Needs the Python package `kubernetes`.
    """
    from dbt_af_k8s.cluster.kubernetes_api import CONFLICT, KubernetesApiError, connect

    job, issues = read_config(job_config, suffix=suffix, project_dir=project_dir)
    rendered = render(job, template)
    own = rendered.job["metadata"].get("namespace")
    if namespace and own and namespace != own:
        raise UsageError(f"The configuration says `namespace: {own}`, and --namespace says {namespace}: keep one.")
    if issues and output_format is Format.TEXT:
        print_issues(issues, stderr=True)
    with connect(os.environ, config_file=kube_config, context=context) as cluster:
        into = own or namespace or cluster.namespace
        try:
            cluster.create_job(rendered.job, rendered.config_map, into)
        except KubernetesApiError as refused:
            if refused.status != CONFLICT:
                raise
            raise UsageError(
                f"{refused} It was submitted before: look at it with `kubectl get job {rendered.name} -n {into}`, "
                "delete it, or give this one another --suffix. Runs that are done are not started again."
            ) from None
    paths = write_files(rendered, output_dir) if output_dir is not None else ()
    if output_format is Format.JSON:
        told = {"version": 1, "name": rendered.name, "namespace": into, "dag_id": job.asked.dag_id}
        write_json({**told, "runs": len(job.runs), "files": [str(path) for path in paths]})
        return
    screen = console()
    screen.print(
        f"[fine]✓[/] Job [name]{safe(rendered.name)}[/] in {safe(into)}: {counted(len(job.runs), 'run')} of "
        f"{safe(job.asked.dag_id)}"
    )
    screen.print(f"kubectl logs --follow -n {safe(into)} job/{safe(rendered.name)}")
