"""Last pass: who is told of what happens in a DAG."""

from dataclasses import replace

from dbt_af_k8s.config.settings_integrations import CallbackSettings
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import ArtifactsPlan, DagPlan


def with_callbacks(inputs: PlanInputs, dag: DagPlan) -> DagPlan:
    """The DAG with the callbacks of the settings, as far as it has tasks for them, and with who gets dbt's artefacts.

    A deadline goes to DAGs with a schedule only: a backfill or a run by hand takes as long as it takes.
    """
    wanted = inputs.settings.callbacks
    kinds = {task.kind.value for task in dag.tasks}
    by_kind = dict(wanted.tasks)
    if "run" in by_kind:
        # Only what has the callbacks of models is fused (`passes.cheap`).
        by_kind["build"] = by_kind["run"]
    callbacks = CallbackSettings(
        dag=wanted.dag,
        tasks={kind: by_kind[kind] for kind in sorted(by_kind) if kind in kinds},
        deadline=wanted.deadline if dag.schedule is not None else None,
    )
    return replace(dag, callbacks=callbacks, artifacts=_artifacts(inputs, dag))


def _artifacts(inputs: PlanInputs, dag: DagPlan) -> ArtifactsPlan | None:
    settings = inputs.settings.integrations
    if settings.artifacts is None or all(task.dbt is None for task in dag.tasks):
        return None
    provider = settings.artifacts
    return ArtifactsPlan(provider.call, inputs.project, provider.options, settings.artifacts_required)
