"""The DAGs of the scheduler tests, for Airflow: one per upstream, one or two per case."""

from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, get_parsing_context
from scheduler.cases import CASES, UPSTREAMS, WAITING, Case, Upstream, at
from scheduler.steps import BlindSensor, Step

from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.config.settings import RetrySettings
from dbt_af_k8s.dbt.values import DbtProject
from dbt_af_k8s.plan.values import DagKind, DagPlan, TaskKind, TaskPlan, WaitsFor

ASKED = get_parsing_context().dag_id


def upstream_dag(upstream: Upstream) -> DAG:
    """A DAG whose tasks do as the tests tell them."""
    with bare_dag(upstream.dag_id, upstream) as dag:
        node = Step(task_id="node")
        if upstream.has_before:
            Step(task_id="before") >> node
    dag.dagrun_timeout = timedelta(seconds=upstream.run_limit) if upstream.run_limit else None
    return dag


def downstream_dag(case: Case) -> DAG:
    """A DAG as the library makes it: from a plan."""
    up = case.upstream
    waits_for = WaitsFor(
        up.dag_id, "node", f"model.lab.{up.dag_id}", case.policy, up.cron, up.timezone, at(up.first), up.catchup
    )
    wait = TaskPlan(
        "wait",
        TaskKind.WAIT,
        waits_for=waits_for,
        poke=case.poke,
        timeout=case.timeout,
        deferrable=case.deferrable,
        retry=RetrySettings(retries=2, delay=2, exponential_backoff=False),
    )
    plan = DagPlan(
        case.dag_id,
        DagKind.SCHEDULED,
        domain="lab",
        schedule=case.cron,
        schedule_name=case.cron,
        timezone=case.timezone,
        start_date=at(case.first),
        catchup=case.catchup,
        max_active_runs=32,
        tasks=(wait, TaskPlan("after", TaskKind.ENDPOINT, upstream=("wait",))),
    )
    dag = emit_dag(plan, DbtProject(Path("/nowhere")))
    dag.end_date = at(case.last)
    return dag


def blind_dag(case: Case) -> DAG:
    """The same tasks by hand, with a sensor that does nothing."""
    with bare_dag(case.blind_dag_id, case) as dag:
        BlindSensor(task_id="wait") >> EmptyOperator(task_id="after")
    return dag


def bare_dag(dag_id: str, of: Upstream | Case) -> DAG:
    return DAG(
        dag_id,
        schedule=CronDataIntervalTimetable(of.cron, timezone=of.timezone),
        start_date=at(of.first),
        end_date=at(of.last) if of.last else None,
        catchup=of.catchup,
        max_active_runs=32,
        default_args={"retries": 0},
    )


for each in UPSTREAMS:
    if ASKED in (None, each.dag_id):
        globals()[each.dag_id] = upstream_dag(each)
for case in CASES:
    if ASKED in (None, case.dag_id):
        globals()[case.dag_id] = downstream_dag(case)
for case in WAITING:
    if ASKED in (None, case.blind_dag_id):
        globals()[case.blind_dag_id] = blind_dag(case)
