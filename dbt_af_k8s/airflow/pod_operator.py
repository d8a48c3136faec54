"""A script in a pod: the plan's pod goes in, a verdict comes out. A thin layer over Airflow's own pod operator."""

from typing import Any, ClassVar

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

from dbt_af_k8s.airflow.dbt_operator import span_text
from dbt_af_k8s.airflow.script_run import ScriptCalendar, ScriptFailedError
from dbt_af_k8s.k8s.cluster import ClusterAccess
from dbt_af_k8s.names import short_hash
from dbt_af_k8s.plan.scripts import PodPlan
from dbt_af_k8s.pods.values import PodRun
from dbt_af_k8s.schedule.values import Interval


class DbtPodOperator(KubernetesPodOperator):
    """Runs a script in a pod. `pod` is its plan and `calendar` that of the DAG.

    `base` goes to Airflow's `KubernetesPodOperator`.
    """

    #: Shown in Airflow under "Rendered Templates". Nothing of the pod is a template: a script may hold `{{`.
    template_fields = ("command",)
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    ui_color = "#e6e0f3"

    def __init__(self, *, task_id: str, pod: PodPlan, calendar: ScriptCalendar | None = None, **base: Any) -> None:
        target = pod.target
        given: dict[str, Any] = {
            "namespace": target.namespace,
            "startup_timeout_seconds": target.startup_timeout,
            "get_logs": target.logs.script,
            "container_name_log_prefix_enabled": False,
            "log_events_on_startup": target.logs.events,
            "log_pod_spec_on_failure": False,
            "on_finish_action": target.on_finish_action,
            "deferrable": target.deferrable,
            "logging_interval": target.logs.every or None,
            "do_xcom_push": target.xcom,
            **_access(target.cluster),
            **base,
        }
        super().__init__(task_id=task_id, **given)
        self.pod_plan = pod
        self.calendar = calendar or ScriptCalendar()
        self.command = f"script of {pod.payload.node} on target {target.name}"

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Write the interval into the field that Airflow shows."""

    def execute(self, context: Any) -> Any:
        """Make the pod, or find the one that an earlier try has left, and see it to its end."""
        self.prepare(context)
        return super().execute(context)

    def prepare(self, context: Any) -> None:
        """Fill in the pod of this run. Skips the task where its node does not run."""
        from dbt_af_k8s.pods.payload import too_large_conf
        from dbt_af_k8s.pods.request import pod_request

        plan, ti = self.pod_plan, context["ti"]
        run = self.calendar.run_of(context, plan.payload.node)
        too_large = too_large_conf(run.conf)
        if too_large is not None:
            raise ScriptFailedError(too_large)
        self.log.info("%s, %s", self.command, span_text(Interval(run.start, run.end)))
        mark = short_hash("/".join((ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index), str(ti.try_number))))
        named = PodRun(run.start, run.end, run.conf, f"dbt-af-script-{mark}")
        request = pod_request(plan.target, plan.payload, named, identity_binding=plan.identity_binding)
        self.pod_template_dict = dict(request.pod)


def _access(cluster: ClusterAccess) -> dict[str, Any]:
    """The cluster, as Airflow takes it; what is not given is left to Airflow."""
    given = {
        "kubernetes_conn_id": cluster.conn_id,
        "config_file": cluster.config_file,
        "cluster_context": cluster.context,
        "in_cluster": cluster.in_cluster,
    }
    return {key: value for key, value in given.items() if value is not None}
