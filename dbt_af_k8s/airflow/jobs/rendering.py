"""From the arguments of a job operator to the object that is sent: templates are read, rendered, checked, shown."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk.log import mask_secret

from dbt_af_k8s.airflow.jobs.rendered_file import write_whole
from dbt_af_k8s.config.read_templates import template_finder
from dbt_af_k8s.jobs.advice import job_advice
from dbt_af_k8s.jobs.document import read_job
from dbt_af_k8s.jobs.masking import masked, secrets_in
from dbt_af_k8s.jobs.run import JobRun, prepared_job
from dbt_af_k8s.jobs.template import Surroundings, render_template
from dbt_af_k8s.jobs.yaml_out import to_yaml


def rendered_job(
    template: str, folders: Sequence[Path], variables: Mapping[str, Any], environment: Any, write_to: str | None
) -> dict[str, Any]:
    """The job of a template, checked. Raises `ProjectError` with all that is wrong with it.

    `folders` are the search paths, `environment` is Airflow's Jinja environment with the DAG's filters and macros.
    Where `write_to` is given the text is written before it is checked: that is when one wants to see it.
    """
    path = Path(template)
    name, places = (path.name, [path.parent, *folders]) if path.is_absolute() else (template, list(folders))
    rendered = render_template(
        name,
        template_finder(places),
        variables,
        Surroundings(environment.filters, environment.globals),
        searched=tuple(map(str, places)),
    )
    if write_to:
        write_whole(Path(write_to), rendered.text)
    return read_job(rendered)


def template_folders(search_paths: Sequence[str], dag: Any) -> list[Path]:
    """The search paths of an operator, the folder of its DAG file, and the DAG's `template_searchpath`.

    A relative search path lies below the folder of the DAG file.
    """
    more = dag.template_searchpath or []
    beside = Path(dag.folder)
    return [
        *(beside / path for path in search_paths),
        beside,
        *(Path(path) for path in ([more] if isinstance(more, str) else more)),
    ]


def job_to_send(
    template: Mapping[str, Any], run: JobRun, *, namespace: str, name_suffix: bool, taken: Collection[str]
) -> dict[str, Any]:
    """The job for one run."""
    return prepared_job(template, run, namespace=namespace, name_suffix=name_suffix, taken=taken)


def tell_job(log: Any, job: Mapping[str, Any], fields: Mapping[str, Any], on_kill_action: str, poll: float) -> None:
    """Write a job that is to be sent into the task's log, secrets masked, and what may go wrong with it."""
    log.info("The Job, secrets masked:\n%s", shown_job(job, fields))
    for issue in job_advice(job, on_kill_action=on_kill_action, poll_every=poll):
        log.warning("%s %s", issue.message, issue.fix)


def shown_job(job: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """The job as YAML for a log; what sounds secret is masked, there and in all that Airflow logs from now on."""
    secrets = secrets_in([job, fields])
    for secret in secrets:
        mask_secret(secret)
    return to_yaml(masked(job, secrets))
