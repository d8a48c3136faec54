"""The Kubernetes objects of a task, as they are sent for one run."""

from collections.abc import Callable, Mapping
from typing import Any

from dbt_af_k8s.dbt.command import dbt_words
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.jobs.claim import claim_object
from dbt_af_k8s.jobs.document import read_job
from dbt_af_k8s.jobs.run import JobRun, prepared_job
from dbt_af_k8s.jobs.template import FindTemplate, Surroundings, render_template, template_place
from dbt_af_k8s.plan.build import Build
from dbt_af_k8s.plan.explain import explain
from dbt_af_k8s.plan.job_variables import MOMENT_FILTERS, airflow_variables, node_variables
from dbt_af_k8s.plan.scripts import JobPlan, PodPlan
from dbt_af_k8s.plan.values import DagPlan, TaskPlan
from dbt_af_k8s.pods.dbt_pod import DbtCall, dbt_pod_for
from dbt_af_k8s.pods.payload import too_large_conf
from dbt_af_k8s.pods.request import pod_request
from dbt_af_k8s.pods.values import PodRun

KubernetesObjects = tuple[Mapping[str, Any], ...]
#: From search paths, relative ones below the project, to what looks for templates in them.
Templates = Callable[[tuple[str, ...]], FindTemplate]
#: Stands for the id of the run in what is rendered without Airflow.
RUN_ID = "RUN"


def no_templates(folders: tuple[str, ...]) -> FindTemplate:
    """For whoever has none: nothing is found."""
    return lambda name: None


def task_with_objects(build: Build, name: str) -> tuple[DagPlan, TaskPlan]:
    """The task that runs the node of this name in Kubernetes, and its DAG.

    Raises `UsageError` where no node, or more than one, is called so, and where its task sends nothing to Kubernetes.
    """
    found = explain(build, name)
    if len(found) > 1:
        named = ", ".join(f"`{each.node}`" for each in found)
        raise UsageError(f"{len(found)} nodes are called `{name}`: {named}. Name one by its unique_id.")
    (node,) = found
    if node.dag_id is None:
        raise UsageError(f"`{node.node}` has no task: {node.left_out or 'nothing runs it'}.")
    dag = build.plan.dag(node.dag_id)
    task = next((task for task in dag.tasks if task.task_id == node.task_id), None) if dag else None
    if dag is None or task is None or (task.pod is None and task.job is None and task.dbt_pod is None):
        runner = task.runner if task else None
        where = f"runs on target `{task.target or 'default'}` by `{runner}`, and " if task and runner else ""
        raise UsageError(f"`{node.node}` {where}sends nothing to Kubernetes.")
    return dag, task


def objects_of(
    task: TaskPlan, run: PodRun, *, memory_rung: int = 0, dag_id: str = "", templates: Templates = no_templates
) -> KubernetesObjects:
    """What is sent for one run of the task, in the order of `kubectl apply`; empty for a task that sends nothing.

    `memory_rung` says how many rungs of the memory ladder are taken. A job needs the id of its DAG, and `templates`,
    which gives, for search paths, what looks for templates there. Raises `UsageError` where the run's configuration
    does not fit into a pod or the ladder has no such rung, and `ProjectError` where a template makes no job.
    """
    _check_rung(task, memory_rung)
    if task.pod is not None:
        return _pod_objects(task.pod, run, memory_rung)
    if task.job is not None:
        return _job_objects(dag_id, task.task_id, task.job, run, templates)
    if task.dbt_pod is not None and task.dbt is not None:
        words = dbt_words(task.dbt, start=run.start, end=run.end)
        call = DbtCall(words, task.dbt, may_slice=True)
        secret = f"dbt-af-profile-{RUN_ID.lower()}"
        return (dbt_pod_for(task.dbt_pod, call, name=task.task_id, secret=secret, memory_rung=memory_rung),)
    return ()


def _check_rung(task: TaskPlan, rung: int) -> None:
    pod = task.pod or task.dbt_pod
    ladder = () if pod is None else pod.target.memory_ladder
    if 0 <= rung <= len(ladder):
        return
    if not ladder:
        raise UsageError(
            f"There is no memory rung {rung}: `{task.task_id}` has no `memory_ladder`, so its only rung is 0, the "
            "memory that its target asks for."
        )
    rungs = ", ".join(f"{number} ({memory})" for number, memory in enumerate(ladder, 1))
    raise UsageError(
        f"There is no memory rung {rung}. `{task.task_id}` has: 0 (the memory that its target asks for), {rungs}."
    )


def _job_objects(dag_id: str, task_id: str, job: JobPlan, run: PodRun, templates: Templates) -> KubernetesObjects:
    """The job of a run, with the claim before it; Airflow's variables are those that follow from the interval."""
    target, owner = job.target, JobRun(dag_id, task_id, RUN_ID)
    claim = None if target.claim is None else claim_object(target.claim, owner, namespace=target.namespace)
    variables = {
        **airflow_variables(dag_id, task_id, run, RUN_ID),
        **node_variables(job.payload, run.start, run.end),
        **({} if claim is None else {"volume_claim": claim["metadata"]["name"]}),
        **target.fields,
    }
    name, folders = template_place(target.template or "", target.search_paths)
    found = render_template(name, templates(folders), variables, Surroundings(MOMENT_FILTERS, {}), searched=folders)
    template = read_job(found)
    namespace = template.get("metadata", {}).get("namespace") or target.namespace
    made = prepared_job(template, owner, namespace=namespace, name_suffix=target.name_suffix)
    return (made,) if claim is None else (claim, made)


def _pod_objects(pod: PodPlan, run: PodRun, memory_rung: int) -> KubernetesObjects:
    too_large = too_large_conf(run.conf)
    if too_large is not None:
        raise UsageError(too_large)
    request = pod_request(pod.target, pod.payload, run, identity_binding=pod.identity_binding, memory_rung=memory_rung)
    return (request.pod,) if request.config_map is None else (request.config_map, request.pod)
