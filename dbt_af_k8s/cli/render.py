"""`dbt-af-k8s render NODE`: what is sent to Kubernetes for a node, ready for `kubectl apply`."""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbt_af_k8s.cli.options import HERE, ConfigFile, ManifestFile, ProfilesDir, ProjectDir, Target, Where
from dbt_af_k8s.cli.terminal import print_issues, write_json, write_text
from dbt_af_k8s.cli.waits import interval_asked
from dbt_af_k8s.errors import UsageError

if TYPE_CHECKING:
    from dbt_af_k8s.plan.objects import Templates
    from dbt_af_k8s.plan.values import TaskPlan


class Format(StrEnum):
    """How the objects are written."""

    YAML = "yaml"
    JSON = "json"


def render(
    node: Annotated[str, typer.Argument(help="Name, unique_id or task id.", metavar="NODE")],
    start: Annotated[
        str | None,
        typer.Option("--start", help="Start of the data interval, ISO 8601. Without offset: in the DAG's time zone."),
    ] = None,
    end: Annotated[str | None, typer.Option("--end", help="Its end. Default of both: the last one.")] = None,
    conf: Annotated[
        str | None, typer.Option("--conf", help="The run's configuration, a JSON object.", metavar="JSON")
    ] = None,
    memory_rung: Annotated[
        int,
        typer.Option(
            "--memory-rung", min=0, help="As after running out of memory so many times: the rung of `memory_ladder`."
        ),
    ] = 0,
    project_dir: ProjectDir = HERE,
    profiles_dir: ProfilesDir = None,
    target: Target = None,
    manifest: ManifestFile = None,
    config: ConfigFile = None,
    output_format: Annotated[Format, typer.Option("--format", help="YAML, or a JSON List.")] = Format.YAML,
) -> None:
    """Print the pod of a node's script (with its ConfigMap) or of its dbt, or its job (with its volume claim), as sent.

    To a pod Airflow adds labels with the run and the task, and a suffix to the name. In a job, `RUN` stands for the id
    of the run; of Airflow's variables its template sees those that follow from the interval.
    """
    from dbt_af_k8s.plan.objects import objects_of, task_with_objects
    from dbt_af_k8s.pods.values import PodRun

    dag, task = task_with_objects(Where(project_dir, profiles_dir, target, manifest, config).build(), node)
    interval = interval_asked(dag, start, end)
    run = PodRun(interval.start, interval.end, _conf(conf))
    objects = objects_of(task, run, memory_rung=memory_rung, dag_id=dag.dag_id, templates=_templates(project_dir))
    _advise(task, objects)
    if output_format is Format.JSON:
        write_json({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    else:
        write_text(yaml_of(objects))


def _advise(task: "TaskPlan", objects: Iterable[Mapping[str, Any]]) -> None:
    """Say on stderr what may go wrong with a job."""
    if task.job is None:
        return
    from dbt_af_k8s.jobs.advice import job_advice

    target, node = task.job.target, task.job.payload.node
    jobs = [each for each in objects if each["kind"] == "Job"]
    issues = [
        issue
        for job in jobs
        for issue in job_advice(job, on_kill_action=target.on_kill_action, poll_every=target.poll_every, node=node)
    ]
    if issues:
        print_issues(issues, stderr=True)


def _templates(project_dir: Path) -> "Templates":
    """Templates on this machine, whose project is that of the command line."""
    from dbt_af_k8s.config.read_templates import template_finder

    return lambda folders: template_finder([project_dir.absolute() / folder for folder in folders])


def yaml_of(objects: Iterable[Mapping[str, Any]]) -> str:
    """The objects as YAML documents, texts of several lines as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]
    return yaml.dump_all(objects, Dumper=Dumper, sort_keys=False, allow_unicode=True, explicit_start=True, width=10**9)


def _conf(text: str | None) -> Mapping[str, Any]:
    if text is None:
        return {}
    try:
        conf = json.loads(text)
    except ValueError as reason:
        raise UsageError(f"--conf is no JSON: {reason}.") from None
    if not isinstance(conf, dict):
        raise UsageError("--conf must be a JSON object, such as '{\"full\": true}'.")
    return conf
