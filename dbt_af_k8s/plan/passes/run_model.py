"""The DAG in which a person runs any selection of the project's nodes with a form."""

from dbt_af_k8s.dbt.values import DbtInvocation
from dbt_af_k8s.names import IdBook, legal_id
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.airflow_fields import options_beside, pool_for, retry_of
from dbt_af_k8s.plan.values import Control, DagKind, DagPlan, FormField, TaskKind, TaskPlan
from dbt_af_k8s.route.runners import choose_runner
from dbt_af_k8s.schedule.values import MANUAL

FORM = (
    FormField("models", "string", "Models", "dbt selection: names, paths, tags, graph operators.", ""),
    FormField("target", "string", "Target", "A target of the profile; empty: the default one.", ""),
    FormField("full_refresh", "boolean", "Full refresh", "Build incremental models anew.", False),
    FormField(
        "extra", "object", "Extra arguments", 'Options of `dbt run` as JSON: `{"threads": 2, "fail-fast": true}`.'
    ),
)


def run_model_dag(inputs: PlanInputs, dag_ids: IdBook) -> tuple[DagPlan, ...]:
    """`<project>_dbt_run_model`, where the settings want it."""
    settings = inputs.settings
    if "run_model" not in settings.dags.kinds:
        return ()
    target = inputs.target or settings.targets.default or inputs.profile.default_target
    runner = choose_runner(target, settings.runners).rule
    task = TaskPlan(
        task_id="dbt_model",
        kind=TaskKind.RUN,
        target=target,
        runner=runner.runner,
        runner_options=options_beside(runner),
        because="a person names what runs in the form",
        pool=pool_for(settings.pools, target, TaskKind.RUN, inputs.project),
        retry=retry_of(inputs, TaskKind.RUN),
        timeout=settings.dags.task_timeout,
        dbt=DbtInvocation("run", (), target, executable=runner.dbt),
        control=Control.RUN_SELECTION,
    )
    wanted = f"{settings.dags.prefix}{legal_id(inputs.project)}_dbt_run_model"
    return (
        DagPlan(
            dag_id=dag_ids.claim(wanted, f"run model of {inputs.project}"),
            kind=DagKind.RUN_MODEL,
            domain=inputs.project,
            schedule=None,
            schedule_name=MANUAL,
            timezone=settings.dags.timezone,
            start_date=settings.dags.start_date,
            max_active_runs=settings.dags.max_active_runs,
            tags=settings.dags.tags,
            owner=settings.dags.owner,
            tasks=(task,),
            form=FORM,
        ),
    )
