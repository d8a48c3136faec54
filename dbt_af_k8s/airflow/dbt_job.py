"""The job of a dbt node: the template is told the node, its interval, its config and its refs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from dbt_af_k8s.airflow.interval import span_text
from dbt_af_k8s.airflow.jobs.runs import claim_name_in
from dbt_af_k8s.airflow.jobs.template import KubernetesJobTemplateOperator
from dbt_af_k8s.airflow.scripts.run import ScriptCalendar, ScriptFailedError
from dbt_af_k8s.plan.job_variables import airflow_variables, node_variables
from dbt_af_k8s.plan.scripts import JobPlan
from dbt_af_k8s.schedule.values import Interval


class DbtJobOperator(KubernetesJobTemplateOperator):
    """Runs the job of a node. `job` is its plan, `calendar` that of the DAG, `project_dir` the project on the worker.

    Its template knows what follows from the run and the node, as `dbt-af-k8s render` does, and neither Airflow's
    connections nor its variables: who writes a model could read them. No text of the node is a template. `base` goes to
    Airflow's `BaseOperator`.
    """

    template_fields: Sequence[str] = ("write_rendered_to", "rendered")
    template_fields_renderers = {"rendered": "yaml"}  # noqa: RUF012 - Airflow's name and type

    def __init__(
        self, *, task_id: str, job: JobPlan, project_dir: Path, calendar: ScriptCalendar | None = None, **base: Any
    ) -> None:
        target = job.target
        super().__init__(
            task_id=task_id,
            template=target.template or "",
            template_fields=target.fields,
            search_paths=[*(project_dir / path for path in target.search_paths), project_dir],
            namespace=target.namespace,
            kubernetes_conn_id=target.cluster.conn_id,
            config_file=target.cluster.config_file,
            cluster_context=target.cluster.context,
            in_cluster=target.cluster.in_cluster,
            name_suffix=target.name_suffix,
            tail_logs=target.tail.is_on,
            tail_logs_every=target.tail.every,
            tail_logs_line_count=target.tail.line_count,
            tail_logs_only_at_end=target.tail.only_at_end,
            delete_completed=target.delete_completed,
            write_rendered_to=target.write_rendered_to,
            on_kill_action=target.on_kill_action,  # type: ignore[arg-type]
            poll_every=target.poll_every,
            startup_timeout=target.startup_timeout or None,
            deferrable=target.deferrable,
            **base,
        )
        self.claim = target.claim
        self.plan = job
        self.calendar = calendar or ScriptCalendar()

    def variables(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """What follows from the run, what the node is about, and the fields of its target."""
        run = self.calendar.run_of(context, self.plan.payload.node)
        instance = context["ti"]
        known = airflow_variables(instance.dag_id, instance.task_id, run, instance.run_id)
        params = {"params": dict(context.get("params") or {})}
        own = {} if self.claim is None else {"volume_claim": claim_name_in(context, self.claim)}
        about = node_variables(self.plan.payload, run.start, run.end)
        return {**known, **params, **about, **own, **self.fields}

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Show the job; `execute` tells why there is none."""
        try:
            super().render_template_fields(context, jinja_env)
        except (AirflowSkipException, ScriptFailedError) as reason:
            self.rendered = str(reason)

    def execute(self, context: Any) -> dict[str, Any]:
        """Make the job and see it through, where the node runs at all."""
        run = self.calendar.run_of(context, self.plan.payload.node)
        name = f"job of {self.plan.payload.node} on target {self.plan.target.name}"
        self.log.info("%s, %s", name, span_text(Interval(run.start, run.end)))
        return super().execute(context)
