"""In which order `dbt-af-k8s run` goes: task by task over all runs, each after what it depends on and waits for.

Domains that read each other are common, so there is often no order of whole runs: staging, then marts, then another
task of staging. Tasks have one, for a node never reads what is built from it.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.plan.values import Plan, TaskPlan
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval
from dbt_af_k8s.schedule.waits import runs_waited_for

#: A run by its DAG and interval, and a task of it.
RunKey = tuple[str, Interval]
TaskKey = tuple[RunKey, str]
#: So many tasks of a circle are named.
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class RunStep:
    """One run of one DAG."""

    dag_id: str
    interval: Interval
    #: `dag_id.task_id` of what its waits wait for, where not all of it is made here; sorted.
    passed_over: tuple[str, ...] = ()
    #: What a person would fill in besides the interval.
    form: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskStep:
    """One task of one run."""

    #: Which run, by its number in the order.
    run: int
    task_id: str
    #: Tasks of other runs that must have done well before it: their run and id, sorted.
    after: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What is run: the runs in the order in which they begin, and their tasks in the order in which they run.

    Of a run that is made only since others wait for it, the tasks are those that they wait for, and what those need.
    """

    runs: tuple[RunStep, ...]
    tasks: tuple[TaskStep, ...]


def order_of_runs(plan: Plan, wanted: Sequence[RunStep], *, with_upstream: bool) -> RunOrder:
    """The order of the runs that are wanted, each made once; `with_upstream` with the tasks that they wait for.

    A wait is passed over, and named in its run, where not all that it waits for is made here. Raises `UsageError` where
    tasks wait for each other in a circle, which a plan of this library never has.
    """
    graph = _Graph(plan, wanted, with_upstream=with_upstream)
    order = _in_few_turns(graph, _upstream_first(graph))
    keys = tuple(dict.fromkeys(run for run, _ in order))
    numbers = {key: number for number, key in enumerate(keys)}
    forms = {(step.dag_id, step.interval): step.form for step in wanted}
    return RunOrder(
        tuple(
            RunStep(key[0], key[1], tuple(sorted(graph.passed_over.get(key, ()))), forms.get(key, {})) for key in keys
        ),
        tuple(
            TaskStep(numbers[run], task_id, tuple(sorted((numbers[key], other) for key, other in graph.after(task))))
            for task in order
            for run, task_id in (task,)
        ),
    )


class _Graph:
    """All tasks that may be run, and what comes before each."""

    def __init__(self, plan: Plan, wanted: Sequence[RunStep], *, with_upstream: bool) -> None:
        self._tasks = {dag.dag_id: {task.task_id: task for task in dag.tasks} for dag in plan.dags}
        self._with_upstream = with_upstream
        self._wanted = {(step.dag_id, step.interval): None for step in wanted}
        self._after: dict[TaskKey, tuple[TaskKey, ...]] = {}
        #: By run: what is waited for and not made here.
        self.passed_over: dict[RunKey, set[str]] = {}

    def roots(self) -> Iterator[TaskKey]:
        """The tasks that are wanted for themselves."""
        for run in self._wanted:
            for task_id in self._tasks[run[0]]:
                yield run, task_id

    def before(self, key: TaskKey) -> Iterator[TaskKey]:
        """What comes before a task, in its own run and in others."""
        run, task_id = key
        for upstream in self._tasks[run[0]][task_id].upstream:
            yield run, upstream
        yield from self.after(key)

    def after(self, key: TaskKey) -> tuple[TaskKey, ...]:
        """The tasks of other runs that come before a task, as far as they are made."""
        if key not in self._after:
            (dag_id, _), task_id = key
            self._after[key] = tuple(self._waited_for(key[0], self._tasks[dag_id][task_id]))
        return self._after[key]

    def places(self, dag_id: str) -> Mapping[str, int]:
        """Where each task stands among those of its DAG."""
        return {task_id: number for number, task_id in enumerate(self._tasks[dag_id])}

    def _waited_for(self, run: RunKey, task: TaskPlan) -> Iterator[TaskKey]:
        wait = task.waits_for
        if wait is None:
            return
        for interval in runs_waited_for(Calendar(wait.cron, wait.timezone), wait.policy, run[1], wait.start_date):
            key = ((wait.dag_id, interval), wait.task_id)
            if self._is_made(key):
                yield key
            else:
                self.passed_over.setdefault(run, set()).add(f"{wait.dag_id}.{wait.task_id}")

    def _is_made(self, key: TaskKey) -> bool:
        (dag_id, interval), task_id = key
        is_run = self._with_upstream or (dag_id, interval) in self._wanted
        return is_run and task_id in self._tasks.get(dag_id, {})


def _upstream_first(graph: _Graph) -> tuple[TaskKey, ...]:
    """Every task that is wanted or needed, each after what comes before it."""
    done: dict[TaskKey, None] = {}
    path: dict[TaskKey, Iterator[TaskKey]] = {}
    for root in graph.roots():
        if root in done:
            continue
        path[root] = graph.before(root)
        while path:
            task, left = next(reversed(path.items()))
            following = next((each for each in left if each not in done), None)
            if following is None:
                del path[task]
                done[task] = None
            elif following in path:
                raise UsageError(_circle([*path, following]))
            else:
                path[following] = graph.before(following)
    return tuple(done)


def _circle(path: Sequence[TaskKey]) -> str:
    circle = path[path.index(path[-1]) :]
    names = [f"{dag_id}.{task_id}" for (dag_id, _), task_id in circle]
    if len(names) > _MOST_NAMED:
        names = [*names[: _MOST_NAMED - 1], "...", names[-1]]
    return (
        f"These tasks wait for each other in a circle, so none of them can be first: {' <- '.join(names)}. "
        "Take one of the waits away by `dependencies: {<model>: {skip: true}}`."
    )


def _in_few_turns(graph: _Graph, tasks: tuple[TaskKey, ...]) -> tuple[TaskKey, ...]:
    """The same tasks, in an order that stays in a run as long as that has a task which may begin."""
    ranks = {run: rank for rank, run in enumerate(dict.fromkeys(run for run, _ in tasks))}
    places = {dag_id: graph.places(dag_id) for dag_id in dict.fromkeys(run[0] for run in ranks)}
    left = {task: set(graph.before(task)) for task in tasks}
    readers: dict[TaskKey, list[TaskKey]] = {}
    for task, needed in left.items():
        for other in needed:
            readers.setdefault(other, []).append(task)
    ready: dict[RunKey, list[tuple[int, str]]] = {run: [] for run in ranks}
    runs: list[int] = []
    keys = tuple(ranks)

    def may_begin(begun: Iterable[TaskKey]) -> None:
        for run, task_id in begun:
            if not ready[run]:
                heapq.heappush(runs, ranks[run])
            heapq.heappush(ready[run], (places[run[0]][task_id], task_id))

    may_begin(task for task, needed in left.items() if not needed)
    order: list[TaskKey] = []
    while runs:
        run = keys[heapq.heappop(runs)]
        while ready[run]:
            task = (run, heapq.heappop(ready[run])[1])
            order.append(task)
            begun = []
            for reader in readers.get(task, ()):
                left[reader].discard(task)
                if not left[reader]:
                    begun.append(reader)
            may_begin(begun)
    return tuple(order)
