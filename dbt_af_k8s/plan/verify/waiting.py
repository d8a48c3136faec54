"""Waits point to what exists, for the right task and calendar, and no tasks of any DAGs wait for each other."""

from collections.abc import Iterator

from dbt_af_k8s.plan.values import DagPlan, Plan, TaskKind, TaskPlan, WaitsFor
from dbt_af_k8s.plan.verify.places import Places

#: What a wait may ask for, and what it may do before the upstream DAG's first run.
POLICIES = ("last", "all")
FIRST_RUNS = ("skip", "wait", "run")


def wait_violations(plan: Plan, places: Places) -> Iterator[str]:
    """Waits for DAGs, tasks or calendars that are not in the plan, or for the wrong moment of a node's life."""
    for dag in plan.dags:
        for task in dag.tasks:
            if task.waits_for is not None:
                where = f"wait `{dag.dag_id}.{task.task_id}`"
                yield from (f"{where} {fault}" for fault in _wait(dag, task, task.waits_for, places))


def _wait(dag: DagPlan, task: TaskPlan, wait: WaitsFor, places: Places) -> Iterator[str]:
    if dag.schedule is None:
        yield "is in a DAG without schedule, whose runs have no place in a calendar"
    if wait.policy not in POLICIES:
        yield f"has the policy `{wait.policy}`, which is none"
    if task.poke is not None and task.poke <= 0:
        yield f"looks every {task.poke} seconds"
    if task.longest_poke is not None and task.poke is not None and task.longest_poke < task.poke:
        yield f"looks every {task.poke} seconds at first, and then every {task.longest_poke}"
    upstream = places.dags.get(wait.dag_id)
    if upstream is None:
        yield f"points to DAG `{wait.dag_id}`, which does not exist"
        return
    if upstream.dag_id == dag.dag_id:
        yield "points to its own DAG"
    if upstream.schedule is None:
        yield f"points to DAG `{wait.dag_id}`, which has no schedule"
    upstream_tasks = places.index[wait.dag_id].tasks
    if wait.task_id not in upstream_tasks:
        yield f"points to task `{wait.task_id}` of DAG `{wait.dag_id}`, which does not exist"
    elif not upstream.is_broken:
        closing = upstream_tasks[wait.task_id]
        work = closing.upstream if closing.kind is TaskKind.ENDPOINT else ()
        if wait.work != work:
            yield f"takes {list(wait.work)} for the tasks behind `{wait.task_id}`; they are {list(work)}"
    if wait.first_runs not in FIRST_RUNS:
        yield f"does `{wait.first_runs}` before the first run, which is nothing"
    yield from _calendar(wait, upstream)
    yield from _moment(wait, upstream, places)


def _calendar(wait: WaitsFor, upstream: DagPlan) -> Iterator[str]:
    told = (wait.cron, wait.timezone, wait.start_date, wait.catchup)
    true = (upstream.schedule, upstream.timezone, upstream.start_date, upstream.catchup)
    for name, ours, theirs in zip(("cron", "timezone", "start_date", "catchup"), told, true, strict=True):
        if ours != theirs:
            yield f"takes the {name} of DAG `{upstream.dag_id}` for {ours}; it is {theirs}"


def _moment(wait: WaitsFor, upstream: DagPlan, places: Places) -> Iterator[str]:
    if wait.node not in places.place and wait.node not in places.tested_sources:
        if not upstream.is_broken:
            yield f"waits for {wait.node}, which has no task"
    elif (home := places.dag_of(wait.node)).dag_id != upstream.dag_id:
        yield f"waits for {wait.node} in DAG `{wait.dag_id}`; it is in `{home.dag_id}`"
    else:
        done = places.done(wait.node)
        if done is not None and wait.task_id != done:
            yield f"waits for `{wait.task_id}` of DAG `{wait.dag_id}`; {wait.node} is done after `{done}`"


def deadlock_violations(plan: Plan) -> Iterator[str]:
    """Tasks of several DAGs that wait for each other in a circle.

    Without one, and since a run only waits for runs that end no later (`calendar_violations`), some run can always go
    on: the one with the earliest end, at its first task.
    """
    numbers: dict[tuple[str, str], int] = {}
    for dag in plan.dags:
        for task in dag.tasks:
            numbers.setdefault((dag.dag_id, task.task_id), len(numbers))
    downstream: list[list[int]] = [[] for _ in numbers]
    waiting = [0] * len(numbers)
    for dag in plan.dags:
        for task in dag.tasks:
            before = [(dag.dag_id, up) for up in task.upstream]
            if task.waits_for is not None:
                before.append((task.waits_for.dag_id, task.waits_for.task_id))
            for key in before:
                if key in numbers:
                    downstream[numbers[key]].append(numbers[dag.dag_id, task.task_id])
                    waiting[numbers[dag.dag_id, task.task_id]] += 1
    ready = [number for number, count in enumerate(waiting) if count == 0]
    while ready:
        for child in downstream[ready.pop()]:
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    stuck = sorted(f"`{dag_id}.{task_id}`" for (dag_id, task_id), number in numbers.items() if waiting[number] > 0)
    if stuck:
        more = f" and {len(stuck) - 5} more" if len(stuck) > 5 else ""
        yield f"these tasks wait for each other, over all DAGs: {', '.join(stuck[:5])}{more}"
