"""From the arguments of a job operator to the object that is sent: templates are read, rendered, checked, shown."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.log import mask_secret

from dbt_af_k8s.airflow.rendered_file import write_whole
from dbt_af_k8s.config.read_templates import template_finder
from dbt_af_k8s.jobs.document import read_job
from dbt_af_k8s.jobs.masking import masked, secrets_in
from dbt_af_k8s.jobs.run import JobRun, prepared_job
from dbt_af_k8s.jobs.template import Surroundings, render_template
from dbt_af_k8s.jobs.yaml_out import to_yaml

if TYPE_CHECKING:
    from dbt_af_k8s.airflow.job_template import KubernetesJobTemplateOperator


def rendered_job(
    operator: "KubernetesJobTemplateOperator", context: Mapping[str, Any], jinja_env: Any
) -> dict[str, Any]:
    """The job of an operator's template, checked. Raises `ProjectError` with all that is wrong with it.

    Where `write_rendered_to` is given the text is written before it is checked: that is when one wants to see it.
    """
    name, folders = template_place(operator.template, operator.search_paths, folders_of_dag(operator))
    environment = jinja_env if jinja_env is not None else operator.get_template_env()
    rendered = render_template(
        name,
        template_finder(folders),
        operator.variables(context),
        Surroundings(environment.filters, environment.globals),
        searched=tuple(map(str, folders)),
    )
    if operator.write_rendered_to:
        write_whole(Path(operator.write_rendered_to), rendered.text)
    return read_job(rendered)


def folders_of_dag(operator: "KubernetesJobTemplateOperator") -> list[Path]:
    """The folder of the DAG file, and the DAG's `template_searchpath`."""
    dag = operator.get_dag()
    if dag is None:
        return []
    more = dag.template_searchpath or []
    return [Path(dag.folder), *(Path(path) for path in ([more] if isinstance(more, str) else more))]


def template_place(template: str, search_paths: Sequence[str], more: Sequence[Path]) -> tuple[str, list[Path]]:
    """The name of a template, and the folders to look for it. Relative search paths lie below the first of `more`."""
    beside = more[0] if more else Path.cwd()
    folders = [*(beside / path for path in search_paths), *more]
    path = Path(template)
    return (path.name, [path.parent, *folders]) if path.is_absolute() else (template, folders)


def job_to_send(
    template: Mapping[str, Any], run: JobRun, *, namespace: str, name_suffix: bool, taken: Collection[str]
) -> dict[str, Any]:
    """The job for one run."""
    return prepared_job(template, run, namespace=namespace, name_suffix=name_suffix, taken=taken)


def shown_job(job: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """The job as YAML for a log; what sounds secret is masked, there and in all that Airflow logs from now on."""
    secrets = secrets_in([job, fields])
    for secret in secrets:
        mask_secret(secret)
    return to_yaml(masked(job, secrets))


def run_of(context: Mapping[str, Any]) -> JobRun:
    """The run that a task belongs to, out of Airflow's context."""
    instance = context["ti"]
    index = getattr(instance, "map_index", -1)
    return JobRun(instance.dag_id, instance.task_id, instance.run_id, -1 if index is None else int(index))
