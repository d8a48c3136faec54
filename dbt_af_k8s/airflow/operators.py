"""The operator of each planned task: one row by what runs its script, by what it controls, else by its kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from airflow.sdk import BaseOperator

from dbt_af_k8s.airflow.backfill import BackfillChooseOperator, BackfillNextOperator, BackfillNodeOperator
from dbt_af_k8s.airflow.broken import BrokenDomainOperator
from dbt_af_k8s.airflow.by_name import made_in_python
from dbt_af_k8s.airflow.dbt_operator import DbtOperator
from dbt_af_k8s.airflow.integrations.artifacts import ArtifactSender
from dbt_af_k8s.airflow.run_selection import DbtSelectionOperator
from dbt_af_k8s.airflow.scripts.run import ScriptCalendar
from dbt_af_k8s.airflow.seed import DbtSeedOnChangeOperator
from dbt_af_k8s.config.settings_runners import LOCAL
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.errors import PlanInvariantError
from dbt_af_k8s.plan.request import PlanRequest
from dbt_af_k8s.plan.values import Control, DagPlan, TaskKind, TaskPlan


@dataclass(frozen=True, slots=True)
class Asked:
    """One operator that is asked for."""

    task: TaskPlan
    plan: DagPlan
    project: DbtProject
    request: PlanRequest
    #: What every operator takes.
    settings: dict[str, Any]

    def fault(self, text: str) -> PlanInvariantError:
        """The plan holds a task that cannot be built."""
        return PlanInvariantError(f"DAG {self.plan.dag_id}: task {self.task.task_id} {text}.")


def make_operator(
    task: TaskPlan, plan: DagPlan, project: DbtProject, request: PlanRequest, settings: dict[str, Any]
) -> BaseOperator:
    """The operator of a task. Raises `PlanInvariantError` where the plan does not say enough."""
    asked = Asked(task, plan, project, request, settings)
    by_runner = _BY_RUNNER.get(task.runner or "")
    make = by_runner or (_BY_CONTROL.get(task.control) if task.control else _BY_KIND.get(task.kind))
    if make is None:
        raise asked.fault(f"has no operator for its kind {task.kind}{f', {task.control}' if task.control else ''}")
    return make(asked)


def _dbt(asked: Asked) -> BaseOperator:
    return DbtOperator(**_dbt_arguments(asked))


def _seed(asked: Asked) -> BaseOperator:
    make = DbtSeedOnChangeOperator if asked.task.on_change else DbtOperator
    return make(**_dbt_arguments(asked))


def _build(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.build import DbtBuildOperator

    return DbtBuildOperator(**_dbt_arguments(asked))


def _freshness(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.freshness import DbtFreshnessOperator, DbtFreshnessSensor

    arguments = _dbt_arguments(asked)
    if not asked.task.gate:
        return DbtFreshnessOperator(**arguments)
    if asked.task.poke is None or asked.task.timeout is None:
        raise asked.fault("does not say how often and how long it looks")
    # Its timeout is that of the whole wait, not of one look; and a look is nothing to report to others.
    del arguments["execution_timeout"], arguments["artifacts"]
    return DbtFreshnessSensor(poke_interval=asked.task.poke, timeout=asked.task.timeout, **arguments)


def _maintenance(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.maintenance import DbtMaintenanceOperator

    return DbtMaintenanceOperator(not_while=asked.task.not_while, **_dbt_arguments(asked))


def _wait(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.waits.sensor import DbtWaitSensor

    task, plan = asked.task, asked.plan
    if task.waits_for is None or task.poke is None or task.timeout is None:
        raise asked.fault("does not say what it waits for, or how long")
    return DbtWaitSensor(
        task_id=task.task_id,
        waits_for=task.waits_for,
        cron=plan.schedule,
        timezone=plan.timezone,
        poke_interval=task.poke,
        longest_poke_interval=task.longest_poke,
        timeout=task.timeout,
        deferrable=task.deferrable,
        **asked.settings,
    )


def _endpoint(asked: Asked) -> BaseOperator:
    if asked.plan.is_broken:
        return BrokenDomainOperator(
            task_id=asked.task.task_id, problems=asked.plan.problems, **{**asked.settings, "retries": 0}
        )
    from airflow.providers.standard.operators.empty import EmptyOperator

    return EmptyOperator(task_id=asked.task.task_id, **asked.settings)


def _refresh(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.integrations.refresh import DbtRefreshOperator

    refresh = asked.task.refresh
    if refresh is None:
        raise asked.fault("does not say what it refreshes")
    return DbtRefreshOperator(
        task_id=asked.task.task_id,
        refresh=refresh,
        provider=made_in_python(asked.request).get(refresh.provider),
        project_dir=asked.project.project_dir,
        # Where all that it would show was skipped there is nothing new to show.
        **{**asked.settings, "trigger_rule": "none_failed_min_one_success"},
    )


def _backfill_choose(asked: Asked) -> BaseOperator:
    return BackfillChooseOperator(
        task_id=asked.task.task_id,
        request=asked.request,
        domain=asked.plan.domain,
        members=sorted({node for task in asked.plan.tasks for node in task.nodes}),
        timezone=asked.plan.timezone,
        **asked.settings,
    )


def _backfill_node(asked: Asked) -> BaseOperator:
    return BackfillNodeOperator(choose=_choose(asked), **_dbt_arguments(asked))


def _backfill_next(asked: Asked) -> BaseOperator:
    return BackfillNextOperator(task_id=asked.task.task_id, choose=_choose(asked), **asked.settings)


def _run_selection(asked: Asked) -> BaseOperator:
    return DbtSelectionOperator(**_dbt_arguments(asked))


def _pod(asked: Asked) -> BaseOperator:
    # Costs half a second and 100 MB: only a DAG with a pod pays for it.
    from dbt_af_k8s.airflow.pods.operator import DbtPodOperator

    if asked.task.pod is None:
        raise asked.fault("does not say which pod runs it")
    return DbtPodOperator(pod=asked.task.pod, **_script_arguments(asked))


def _local_process(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.scripts.local import DbtLocalScriptOperator

    if asked.task.pod is None:
        raise asked.fault("does not say what its process runs")
    return DbtLocalScriptOperator(pod=asked.task.pod, **_script_arguments(asked))


def _venv(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.scripts.venv import DbtVenvOperator

    if asked.task.venv is None:
        raise asked.fault("does not say what its venv is")
    return DbtVenvOperator(venv=asked.task.venv, **_script_arguments(asked))


def _job(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.dbt_job import DbtJobOperator

    if asked.task.job is None:
        raise asked.fault("does not say which job runs it")
    arguments = _script_arguments(asked)
    if asked.task.job.target.claim is not None:
        # Airflow takes no other rule right after a setup task; what the node waits for stands before that.
        arguments["trigger_rule"] = "all_success"
    return DbtJobOperator(job=asked.task.job, project_dir=asked.project.project_dir, **arguments)


def _claim(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.jobs import volume_claim

    plan = asked.task.claim
    if plan is None:
        raise asked.fault("does not say which volume claim it is about")
    arguments = {"claim": plan.claim, "namespace": plan.namespace, "access": plan.cluster, **asked.settings}
    if asked.task.control is Control.CLAIM_MAKE:
        return volume_claim.as_setup(volume_claim.VolumeClaimMakeOperator(task_id=asked.task.task_id, **arguments))
    return volume_claim.as_teardown(volume_claim.VolumeClaimRemoveOperator(task_id=asked.task.task_id, **arguments))


def _cluster(asked: Asked) -> BaseOperator:
    from dbt_af_k8s.airflow.dbt_pods.gke_cluster import cluster_operator

    task = asked.task
    if task.cluster is None:
        raise asked.fault("does not say which cluster it is about")
    is_made = task.control is Control.CLUSTER_MAKE
    return cluster_operator(task.cluster, is_made=is_made, task_id=task.task_id, **asked.settings)


Maker = Callable[[Asked], BaseOperator]
#: Runners of scripts. dbt itself runs by the other rows.
_BY_RUNNER: Mapping[str, Maker] = MappingProxyType(
    {"kubernetes": _pod, "local_process": _local_process, "venv": _venv, "kubernetes_job": _job}
)
_BY_CONTROL: Mapping[Control, Maker] = MappingProxyType(
    {
        Control.BACKFILL_CHOOSE: _backfill_choose,
        Control.BACKFILL_NODE: _backfill_node,
        Control.BACKFILL_NEXT: _backfill_next,
        Control.RUN_SELECTION: _run_selection,
        Control.CLAIM_MAKE: _claim,
        Control.CLAIM_REMOVE: _claim,
        Control.CLUSTER_MAKE: _cluster,
        Control.CLUSTER_DELETE: _cluster,
    }
)
_BY_KIND: Mapping[TaskKind, Maker] = MappingProxyType(
    {
        TaskKind.RUN: _dbt,
        TaskKind.SEED: _seed,
        TaskKind.SNAPSHOT: _dbt,
        TaskKind.TEST: _dbt,
        TaskKind.BUILD: _build,
        TaskKind.FRESHNESS: _freshness,
        TaskKind.MAINTENANCE: _maintenance,
        TaskKind.WAIT: _wait,
        TaskKind.ENDPOINT: _endpoint,
        TaskKind.REFRESH: _refresh,
    }
)


def _dbt_arguments(asked: Asked) -> dict[str, Any]:
    """What every operator takes that runs dbt."""
    task = asked.task
    has_place = task.runner in (None, LOCAL) or task.runner_options is not None or task.dbt_pod is not None
    if task.dbt is None or not has_place:
        raise asked.fault(f"has no dbt command for the runner {task.runner}")
    return {
        "task_id": task.task_id,
        "invocation": task.dbt,
        "project": asked.project,
        "cron": asked.plan.schedule,
        "timezone": asked.plan.timezone,
        "enable_from": task.enable_from,
        "disable_from": task.disable_from,
        "execution_timeout": None if task.timeout is None else timedelta(seconds=task.timeout),
        "artifacts": _artifacts(asked),
        "runner": task.runner_options,
        "pod": task.dbt_pod,
        **asked.settings,
    }


def _script_arguments(asked: Asked) -> dict[str, Any]:
    """What every operator takes that runs a script."""
    task = asked.task
    calendar = ScriptCalendar(
        cron=asked.plan.schedule,
        timezone=asked.plan.timezone,
        enable_from=task.enable_from,
        disable_from=task.disable_from,
        choose=_choose(asked) if task.control is Control.BACKFILL_NODE else None,
    )
    return {
        "task_id": task.task_id,
        "calendar": calendar,
        "execution_timeout": None if task.timeout is None else timedelta(seconds=task.timeout),
        **asked.settings,
    }


def _artifacts(asked: Asked) -> ArtifactSender | None:
    wanted = asked.plan.artifacts
    if wanted is None:
        return None
    return ArtifactSender(wanted, job=f"{asked.plan.dag_id}.{asked.task.task_id}")


def _choose(asked: Asked) -> str:
    """Id of the task that reads the form of a backfill."""
    for task in asked.plan.tasks:
        if task.control is Control.BACKFILL_CHOOSE:
            return task.task_id
    raise asked.fault("belongs to a backfill without a task that reads its form")
