"""Runs of DAGs in the Airflow that the environment names, task by task in a given order.

`dag.test()` runs one DAG to its end, and then the next. Domains that read each other need to take turns, so this takes
Airflow's own steps one by one, as `dag.test()` does (`airflow/sdk/definitions/dag.py`, 3.2 and 3.3): the run is in
the metadata database, the trigger rules are Airflow's, and a task runs in Airflow's task runner.
"""

import json
from collections.abc import Mapping
from typing import Any

from airflow.sdk import DAG
from airflow.sdk.definitions.dag import _run_task

from dbt_af_k8s.schedule.values import Interval

#: States of a task after which nothing that waits for it may run.
BAD_STATES = frozenset({"failed", "upstream_failed"})


def make_database() -> None:
    """Make the metadata database; much quicker here than by `airflow db migrate` in a process of its own."""
    from airflow.utils.db import initdb

    initdb()


def sync_dags() -> Mapping[str, DAG]:
    """Read the DAG folder, and write its DAGs into the database; the DAGs by their ids.

    RuntimeError with Airflow's reason where a file cannot be imported.
    """
    from airflow import settings
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    manager: Any = DagBundlesManager()  # type: ignore[no-untyped-call]
    session: Any = settings.Session()  # type: ignore[misc]
    manager.sync_bundles_to_db(session=session)
    session.commit()
    dags: dict[str, DAG] = {}
    for bundle in manager.get_all_dag_bundles():
        if not bundle.is_initialized:
            bundle.initialize()
        bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        if bag.import_errors:
            raise RuntimeError("\n".join(bag.import_errors.values()))
        sync_bag_to_db(bag, bundle.name, bundle.version)
        dags.update(bag.dags)
    return dags


class AirflowRun:
    """One run of one DAG, in Airflow's database."""

    def __init__(self, dag: DAG, interval: Interval, conf: Mapping[str, Any]) -> None:
        from airflow import settings
        from airflow.models.dagrun import DagRun, get_or_create_dagrun
        from airflow.sdk import timezone
        from airflow.serialization.encoders import coerce_to_core_timetable
        from airflow.serialization.serialized_objects import DagSerialization
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        self._dag = dag
        self._session: Any = settings.Session()  # type: ignore[misc]
        scheduled = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        # From this logical date Airflow infers the interval that ends then, for templates; our tasks read the form.
        moment: Any = timezone.coerce_datetime(interval.end)
        self._run: Any = get_or_create_dagrun(
            dag=scheduled,
            start_date=moment,
            logical_date=moment,
            data_interval=coerce_to_core_timetable(dag.timetable).infer_manual_data_interval(run_after=moment),
            run_after=moment,
            run_id=DagRun.generate_run_id(run_type=DagRunType.MANUAL, logical_date=moment, run_after=moment),
            session=self._session,
            conf=json.loads(json.dumps(dict(conf))),
            triggered_by=DagRunTriggeredByType.TEST,
            triggering_user_name="dag_test",
        )
        self._run.dag = scheduled
        self._session.commit()

    def state(self, task_id: str) -> str:
        """The state of a task; empty as long as it has none."""
        return str(self._instance(task_id).state or "")

    def may_run(self, task_id: str) -> bool:
        """Whether the tasks before it in its DAG let it run; where they never will, its state says so."""
        from airflow.ti_deps.dep_context import DepContext

        instance = self._instance(task_id)
        if str(instance.state or "") in ("success", "skipped", *BAD_STATES):
            return False
        is_ready: bool = instance.are_dependencies_met(
            dep_context=DepContext(flag_upstream_failed=True), session=self._session
        )
        self._session.commit()
        return is_ready

    def set_state(self, task_id: str, state: str) -> None:
        """Give a task a state without running it."""
        from airflow.utils.state import TaskInstanceState

        self._instance(task_id).set_state(TaskInstanceState(state))
        self._session.commit()

    def run(self, task_id: str) -> None:
        """Run a task to its end; its state tells how that was."""
        from airflow.sdk import timezone
        from airflow.utils.state import TaskInstanceState

        instance = self._instance(task_id)
        instance.try_number += 1
        instance.state = TaskInstanceState.SCHEDULED
        instance.scheduled_dttm = timezone.utcnow()
        self._session.commit()
        _run_task(ti=instance, task=self._dag.get_task(task_id), run_triggerer=True)
        self._session.commit()

    def _instance(self, task_id: str) -> Any:
        self._session.expire_all()
        instance = self._run.get_task_instance(task_id, session=self._session)
        instance.task = self._run.dag.get_task(task_id)
        return instance
