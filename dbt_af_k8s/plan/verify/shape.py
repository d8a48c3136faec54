"""Each DAG by itself: legal and unique ids, upstream tasks that exist and come first, no cycle, whole tasks."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from dbt_af_k8s.plan.values import Control, DagPlan, Plan, TaskKind, TaskPlan

#: Airflow's rule for ids of DAGs and tasks (`validate_key`); ids of groups may have no dots (`validate_group_key`).
_ID = re.compile(r"[A-Za-z0-9_.-]{1,250}", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_ONE_NODE = (TaskKind.RUN, TaskKind.SEED, TaskKind.SNAPSHOT)
_NO_NODE = (TaskKind.WAIT, TaskKind.ENDPOINT)
_CLAIMS = (Control.CLAIM_MAKE, Control.CLAIM_REMOVE)


def shape_violations(plan: Plan) -> Iterator[str]:
    """What is wrong inside the DAGs, whatever they are for."""
    for dag_id in _repeated(dag.dag_id for dag in plan.dags):
        yield f"two DAGs are called `{dag_id}`"
    for dag in plan.dags:
        if not _ID.fullmatch(dag.dag_id):
            yield f"`{dag.dag_id[:300]}` is no legal DAG id"
        yield from (f"DAG `{dag.dag_id}`: {fault}" for fault in _dag(dag))


def _dag(dag: DagPlan) -> Iterator[str]:
    if dag.start_date.utcoffset() is None:
        yield "its start date has no time zone"
    for task_id in _repeated(task.task_id for task in dag.tasks):
        yield f"two tasks are called `{task_id}`"
    ids = {task.task_id for task in dag.tasks}
    for group in sorted({task.group for task in dag.tasks if task.group is not None}):
        if not _GROUP.fullmatch(group):
            yield f"`{group[:300]}` is no legal id of a task group"
        if group in ids:
            yield f"`{group}` is both a task and a task group"
    seen: set[str] = set()
    is_in_order = True
    for task in dag.tasks:
        yield from (f"task `{task.task_id[:300]}`: {fault}" for fault in _task(task, ids))
        late = [up for up in task.upstream if up in ids and up not in seen]
        if late:
            is_in_order = False
            yield f"task `{task.task_id}` stands before its upstream `{late[0]}`"
        seen.add(task.task_id)
    if not is_in_order:
        yield from _cycle(dag)
    if dag.is_broken:
        yield from _stand_in(dag)


def _task(task: TaskPlan, ids: set[str]) -> Iterator[str]:
    if not _ID.fullmatch(task.task_id):
        yield "its id is not legal"
    for up in task.upstream:
        if up not in ids:
            yield f"its upstream `{up}` does not exist"
    for up in _repeated(task.upstream):
        yield f"its upstream `{up}` is named twice"
    if task.kind in _ONE_NODE and task.control is not Control.RUN_SELECTION and len(task.nodes) != 1:
        yield f"a `{task.kind}` task runs one node, this one {len(task.nodes)}"
    if task.kind is TaskKind.TEST and not task.nodes:
        yield "a `test` task without tests"
    if task.kind in _NO_NODE and task.nodes:
        yield f"a `{task.kind}` task runs no node, this one {len(task.nodes)}"
    if (task.kind is TaskKind.WAIT) != (task.waits_for is not None):
        yield "`wait` tasks, and only they, say what they wait for"
    scripts = [script for script in (task.pod, task.venv, task.job) if script is not None]
    if len(scripts) + (task.dbt is not None) > 1:
        yield "it runs more than one of dbt, a pod, a venv and a job"
    for script in scripts:
        if (script.payload.node,) != task.nodes:
            yield f"its script is of the node `{script.payload.node}`"
    if (task.control in _CLAIMS) != (task.claim is not None):
        yield "tasks for a volume claim, and only they, say which"
    if task.dbt is not None and sorted(node.unique_id for node in task.dbt.nodes) != sorted(task.nodes):
        yield "its dbt command names other nodes than the task"


def _stand_in(dag: DagPlan) -> Iterator[str]:
    if len(dag.tasks) != 1:
        yield f"it is broken and has {len(dag.tasks)} tasks instead of one"
        return
    (task,) = dag.tasks
    if task.kind is not TaskKind.ENDPOINT or task.retry.retries != 0:
        yield "it is broken and its task is not an endpoint without retries"


def _cycle(dag: DagPlan) -> Iterator[str]:
    """Name the tasks of a cycle: those that are left when whatever has no upstream is taken away, again and again."""
    ids = {task.task_id for task in dag.tasks}
    upstream = {task.task_id: [up for up in task.upstream if up in ids] for task in dag.tasks}
    children: dict[str, list[str]] = {task_id: [] for task_id in upstream}
    for task_id, ups in upstream.items():
        for up in ups:
            children[up].append(task_id)
    waiting = {task_id: len(ups) for task_id, ups in upstream.items()}
    ready = [task_id for task_id, count in waiting.items() if count == 0]
    while ready:
        gone = ready.pop()
        del waiting[gone]
        for child in children[gone]:
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    if waiting:
        path = [min(waiting)]
        places = {path[0]: 0}
        while True:
            path.append(min(up for up in upstream[path[-1]] if up in waiting))
            if path[-1] in places:
                break
            places[path[-1]] = len(path) - 1
        yield f"its tasks go in a circle: {' <- '.join(path[places[path[-1]] :])}"


def _repeated(texts: Iterable[str]) -> list[str]:
    return sorted(text for text, count in Counter(texts).items() if count > 1)
