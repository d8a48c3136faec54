"""Which runs `dbt-af-k8s run` makes, and in which order: the runs asked for, each after those that it waits for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dbt_af_k8s.plan.values import DagPlan, Plan, WaitsFor
from dbt_af_k8s.schedule.calendar import Calendar
from dbt_af_k8s.schedule.values import Interval
from dbt_af_k8s.schedule.waits import runs_waited_for


@dataclass(frozen=True, slots=True)
class RunStep:
    """One run of one DAG."""

    dag_id: str
    interval: Interval
    #: `dag_id.task_id` of what its waits wait for, where no run was made before this one; sorted.
    passed_over: tuple[str, ...] = ()
    #: What a person would fill in besides the interval.
    form: Mapping[str, Any] = field(default_factory=dict)


def runs_of_several(
    plan: Plan, wanted: Sequence[tuple[DagPlan, Interval]], *, with_upstream: bool
) -> tuple[RunStep, ...]:
    """The steps of several runs in the order in which they are wanted, each made once.

    A wait is not passed over where the steps before have made all of its runs.
    """
    dags = {each.dag_id: each for each in plan.dags}
    made: dict[tuple[str, Interval], RunStep] = {}
    for dag, interval in wanted:
        for step in runs_in_order(plan, dag, interval, with_upstream=with_upstream):
            if (step.dag_id, step.interval) not in made:
                missing = {waited for waited, run in _needed(dags[step.dag_id], step.interval) if run not in made}
                passed_over = tuple(waited for waited in step.passed_over if waited in missing)
                made[step.dag_id, step.interval] = replace(step, passed_over=passed_over)
    return tuple(made.values())


def runs_in_order(plan: Plan, dag: DagPlan, interval: Interval, *, with_upstream: bool) -> tuple[RunStep, ...]:
    """The steps, upstream first, each run once.

    Two domains may wait for each other, task by task; whole runs cannot. Where that is so, the wait that closes the
    circle is passed over and named in the step.
    """
    if not with_upstream:
        return (RunStep(dag.dag_id, interval, tuple(sorted({_waited(wait) for wait in _waits(dag)}))),)
    dags = {each.dag_id: each for each in plan.dags}
    last = (dag.dag_id, interval)
    order: dict[tuple[str, Interval], set[str]] = {}
    open_runs: dict[tuple[str, Interval], set[str]] = {last: set()}
    stack = [(last, _needed(dag, interval))]
    while stack:
        run, needed = stack[-1]
        following = next(needed, None)
        if following is None:
            order[run] = open_runs.pop(run)
            stack.pop()
            continue
        waited, upstream = following
        if upstream in open_runs or upstream[0] not in dags:
            open_runs[run].add(waited)
        elif upstream not in order:
            open_runs[upstream] = set()
            stack.append((upstream, _needed(dags[upstream[0]], upstream[1])))
    return tuple(RunStep(dag_id, span, tuple(sorted(passed))) for (dag_id, span), passed in order.items())


def _waits(dag: DagPlan) -> tuple[WaitsFor, ...]:
    return tuple(task.waits_for for task in dag.tasks if task.waits_for)


def _waited(wait: WaitsFor) -> str:
    return f"{wait.dag_id}.{wait.task_id}"


def _needed(dag: DagPlan, interval: Interval) -> Iterator[tuple[str, tuple[str, Interval]]]:
    """What a run waits for: the task, and each run of its DAG."""
    for wait in _waits(dag):
        for run in runs_waited_for(Calendar(wait.cron, wait.timezone), wait.policy, interval, wait.start_date):
            yield _waited(wait), (wait.dag_id, run)
