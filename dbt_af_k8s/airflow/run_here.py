"""Run DAGs of a plan here and now, task by task, in the Airflow that the environment names.

The child process of `dbt-af-k8s run`: `python -m dbt_af_k8s.airflow.run_here JOB LOG`. It reads the job from the JSON
file JOB and writes one event as JSON per line on stdout; whatever Airflow, dbt and the tasks write goes to the file
LOG. The caller sets AIRFLOW_HOME, the metadata database and `JOB_VARIABLE`; this process touches no other Airflow.

Job: `{"plan": <plan JSON>, "project_dir", "profiles_dir", "slices", "target_slices", "database": <whether there is
one>, "runs": [{"dag_id", "start", "end", "form"}], "tasks": [[run, task_id, [[run, task_id], ...]]]}`, the tasks in
their order, each with those of other runs that must have done well before it.
Wait tasks are marked as done when their turn comes: the caller has put the tasks in order, or passes the waits over
knowingly. So are refreshes, and there are no callbacks: a try on one's own machine tells nobody. After a failure no
further run begins; those that have begun go on with what does not depend on it.

Events have `event`, `run` (its number) and `dag_id`: `dag-started` (`start`, `end`, `tasks`), `task-started`
(`task_id`), `task-done` (`task_id`, `state`, `seconds`, `rows`, `message`, `log_from`, `log_to`), `dag-done` (`state`,
`seconds`), `database` (it is made now) and `fault` (`message`).

Nobody needs to read them: where the reader is gone, and on SIGINT, SIGTERM and SIGHUP, dbt is stopped first.
"""

import os
import signal
import sys
import traceback
from pathlib import Path

from airflow.sdk import DAG

from dbt_af_k8s.airflow.emit import emit_dag
from dbt_af_k8s.airflow.run_events import STOPPED, Events, TaskListener
from dbt_af_k8s.airflow.run_job import Job, JobRun, read_job
from dbt_af_k8s.airflow.run_tasks import make_database, sync_dags

#: Environment variable that tells the one file of the private DAG folder what is run.
JOB_VARIABLE = "DBT_AF_K8S_RUN_HERE_JOB"
#: That file: Airflow runs only what it finds in one, and looks for the words "airflow" and "dag" in it.
DAG_FILE = "from dbt_af_k8s.airflow.run_here import dags_of_job; globals().update(dags_of_job())\n"


def main() -> None:
    """Run the job and tell what happens. Exits with 1 where a run did not succeed."""
    job_file, log = Path(sys.argv[1]), Path(sys.argv[2])
    # Events keep the real stdout; everything else that this process or its children write goes to the log.
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    events = Events(stream, log)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, events.stop)
    try:
        succeeded = run_job(read_job(job_file), events)
    except KeyboardInterrupt:
        # No flush and no handler may hold this up: dbt is stopped by now.
        os._exit(STOPPED)
    except Exception as reason:  # noqa: BLE001  the caller must hear of whatever it is
        traceback.print_exc()
        events.tell("fault", message=f"{type(reason).__name__}: {reason}")
        succeeded = False
    sys.exit(0 if succeeded else 1)


def dags_of_job() -> dict[str, DAG]:
    """The DAGs that are run, for the one file of the private DAG folder."""
    job = read_job(Path(os.environ[JOB_VARIABLE]))
    return {dag_id: emit_dag(dag, job.project, job.request) for dag_id, dag in job.dags.items()}


def run_job(job: Job, events: Events) -> bool:
    """Run the tasks of the job in their order. Says whether all runs did well."""
    from airflow.sdk.listener import get_listener_manager

    if not job.has_database:
        events.tell("database")
        make_database()
    get_listener_manager().add_listener(TaskListener(events))  # type: ignore[no-untyped-call]
    return JobRun(job, events, sync_dags()).all_done()


if __name__ == "__main__":
    main()
