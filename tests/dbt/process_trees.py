"""Process trees as Airflow's executors make them, with a task at the end that starts a program.

    python process_trees.py GENERATIONS ARGV_AS_JSON PIDS_FILE

The processes are forks of each other, as Airflow's are: with two generations an executor's process (a scheduler, a
Celery worker's main process), below it a supervisor, and below that the task. The task runs the program, and leaves
beside PIDS_FILE, in `end.json`, how it ended. PIDS_FILE gets the numbers, the uppermost first, when the tree stands.
"""

import json
import os
import sys
import time
from pathlib import Path

from dbt_af_k8s.dbt.ancestors import task_ancestors
from dbt_af_k8s.dbt.process import ChildProcess


def main() -> None:
    generations, argv, pids_file = int(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
    pids = [os.getpid()]
    for _ in range(generations):
        child = os.fork()
        if child:
            wait_for(child)
        pids.append(os.getpid())
    process = ChildProcess(argv, cwd=Path.cwd(), environment=os.environ, depends_on=task_ancestors())
    ready = pids_file.with_suffix(".new")
    ready.write_text(json.dumps(pids))
    ready.rename(pids_file)
    end = process.run(print)
    pids_file.with_name("end.json").write_text(json.dumps([end.exit_code, end.was_stopped, end.is_orphaned]))


def wait_for(child: int) -> None:
    """Be a process that supervises: it ends after its child, and not before."""
    while True:
        pid, _ = os.waitpid(child, os.WNOHANG)
        if pid:
            os._exit(0)
        time.sleep(0.02)


if __name__ == "__main__":
    main()
