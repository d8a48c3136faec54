"""The processes above a task without which it may not go on.

Airflow runs a task in a process of its own, below a supervisor, which tells Airflow that the task lives. The
supervisor runs below the executor's process: the scheduler (LocalExecutor), a Celery worker's main process, or
process 1 of a pod (KubernetesExecutor). When one of them is killed outright, Airflow takes the task for dead after a
while and starts the next try, so what this try has started must end.
"""

import os
from pathlib import Path

from dbt_af_k8s.dbt.watchdog import start_of, stat_of

#: The supervisor, and the executor's process above it. What lies above that (a shell, an init) may end as it likes.
_GENERATIONS = 2
_PARENT_FIELD = 1


def task_ancestors() -> tuple[str, ...]:
    """The processes above this one that belong to the same Airflow, the nearest first, each as `PID:START`.

    They are those that run the same Python, for each is a fork of the one above it. A shell, or whatever else has
    started an `airflow dags test`, is none and may go. Airflow hides its supervisor's program from all but root, so
    one that cannot be seen counts. Empty where the system has no /proc.
    """
    own, pid, found = _program(os.getpid()), os.getppid(), []
    for _ in range(_GENERATIONS):
        start = start_of(pid)
        if not start or _program(pid) not in (own, None):
            break
        found.append(f"{pid}:{start}")
        pid = int(stat_of(pid, _PARENT_FIELD) or 0)
    return tuple(found)


def is_there(ancestor: str) -> bool:
    """Whether a process that `task_ancestors` named still lives."""
    pid, _, start = ancestor.partition(":")
    return start_of(int(pid)) == start


def _program(pid: int) -> str | None:
    """The file that a process runs; None where this user may not see it."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return None
