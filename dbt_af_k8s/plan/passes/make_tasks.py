"""Fourth pass: the tasks of one DAG, edges and waits included, in an order in which each comes after its upstream."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.names import IdBook
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.add_waits import Draft, add_waits
from dbt_af_k8s.plan.passes.airflow_fields import TaskFields, fields_of
from dbt_af_k8s.plan.passes.connect import Before, Connector
from dbt_af_k8s.plan.passes.dbt_task import claim_tasks, dbt_task, freshness_task
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.passes.layout import DagLayout, NodeTasks, SourceTasks
from dbt_af_k8s.plan.passes.refresh import Refresh, refresh_drafts
from dbt_af_k8s.plan.passes.shelve_tests import TestTask
from dbt_af_k8s.plan.values import Control, TaskKind, TaskPlan, WaitsFor


def make_tasks(
    inputs: PlanInputs,
    decisions: Decisions,
    connector: Connector,
    dag: DagLayout,
    waits_for: Mapping[str, WaitsFor],
    refreshes: Sequence[Refresh] = (),
) -> tuple[TaskPlan, ...]:
    """All tasks of a DAG. `waits_for` gives, for each node of any DAG, what a wait for it looks at."""
    make = _Maker(inputs, decisions, connector, dag)
    drafts = [draft for tasks in dag.nodes for draft in make.node(tasks)]
    drafts += make.medium_tests(drafts)
    drafts += [draft for tasks in dag.sources for draft in make.source(tasks)]
    drafts += [make.test(test, None) for test in dag.loose_tests]
    drafts += refresh_drafts(inputs, connector, dag, refreshes, drafts)
    waits, with_waits = add_waits(inputs, decisions, dag, drafts, waits_for)
    return _in_order((*waits, *with_waits))


def _in_order(tasks: Sequence[TaskPlan]) -> tuple[TaskPlan, ...]:
    """Each task after its upstream, else as they stand: a test may wait for a node of the depth of its own."""
    number = {task.task_id: index for index, task in enumerate(tasks)}
    downstream: list[list[int]] = [[] for _ in tasks]
    missing = [0] * len(tasks)
    for index, task in enumerate(tasks):
        known = [number[task_id] for task_id in task.upstream if task_id in number]
        missing[index] = len(known)
        for upstream in known:
            downstream[upstream].append(index)
    ready = [index for index, count in enumerate(missing) if count == 0]
    ordered: list[TaskPlan] = []
    while ready:
        first = heapq.heappop(ready)
        ordered.append(tasks[first])
        for index in downstream[first]:
            missing[index] -= 1
            if missing[index] == 0:
                heapq.heappush(ready, index)
    return tuple(ordered)


class _Maker:
    """Makes the drafts of one DAG."""

    def __init__(self, inputs: PlanInputs, decisions: Decisions, connector: Connector, dag: DagLayout) -> None:
        self._inputs = inputs
        self._decisions = decisions
        self._connector = connector
        self._dag = dag

    def node(self, tasks: NodeTasks) -> list[Draft]:
        """A node, its blocking tests, and the task that closes them where there are several."""
        decision = self._decisions.nodes[tasks.node]
        before = self._connector.before_node(tasks.node, self._dag)
        fields = fields_of(self._inputs, decision)
        build = self._dbt_task(tasks.task_id, tasks.group, fields, [decision.node], decision.schedule.because)
        drafts = [*self._with_claim(Draft(build, before)), *(self.test(test, tasks) for test in tasks.tests)]
        return drafts + self._endpoint(tasks.node, tasks.done, tasks.tests, tasks.group, fields.owner)

    def _with_claim(self, job: Draft) -> list[Draft]:
        """A task, and around it those for its volume claim where it has one."""
        claim = claim_tasks(IdBook(self._dag.ids), job.task)
        if claim is None:
            return [job]
        make, remove = claim
        # Airflow wants nothing but success of what comes right after a setup task, so all that a node waits for stands
        # before the setup.
        around = Before((make.task_id,), not_waited=job.before.not_waited)
        return [
            Draft(make, replace(job.before, not_waited=())),
            Draft(job.task, around),
            Draft(remove, Before((make.task_id, job.task.task_id))),
        ]

    def source(self, tasks: SourceTasks) -> list[Draft]:
        """A source's freshness, its tests, and the task that closes them where there are several."""
        drafts = [Draft(self._freshness(tasks.source, tasks.check), Before())] if tasks.check else []
        drafts += [self.test(test, None) for test in tasks.tests]
        owner = self._decisions.sources[tasks.source].settings.owner
        return drafts + self._endpoint(tasks.source, tasks.done, tasks.tests, tasks.group, owner)

    def medium_tests(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Tests that come after everything in the DAG, through one task where that saves edges."""
        tests = self._dag.medium_tests
        if not tests:
            return []
        # What removes a volume claim runs also after a failure: nothing comes after it.
        drafts = [draft for draft in drafts if draft.task.control is not Control.CLAIM_REMOVE]
        followed = {task_id for draft in drafts for task_id in draft.before.tasks}
        last = tuple(sorted(draft.task.task_id for draft in drafts if draft.task.task_id not in followed))
        made: list[Draft] = []
        if len(last) > 1 and len(tests) > 1:
            end = IdBook(self._dag.ids).claim("models__end", "end of all models")
            made.append(Draft(_closing(end, "all nodes of the DAG", None), Before(last)))
            last = (end,)
        for test in tests:
            draft = self.test(test, None)
            made.append(replace(draft, before=replace(draft.before, tasks=last)))
        return made

    def test(self, test: TestTask, beside: NodeTasks | None) -> Draft:
        """A test task: after the node it is placed with, and after the other parents of its tests."""
        before = Before((beside.task_id,)) if beside else Before()
        for key in test.tests:
            parents = self._decisions.placements[key].parents
            others = [parent for parent in parents if beside is None or parent != beside.node]
            before = before.joined(self._connector.before(key, self._dag, others))
        nodes = [self._decisions.nodes[key].node for key in test.tests]
        placement = self._decisions.placements[test.tests[0]]
        place = placement.beside or placement.source
        why = f"placed with {place}, the last of their parents" if place else "no node stands behind it"
        return Draft(self._dbt_task(test.task_id, test.group, test.fields, nodes, why), before)

    def _endpoint(
        self, of: str, done: str | None, tests: Sequence[TestTask], group: str | None, owner: str | None
    ) -> list[Draft]:
        if done is None or len(tests) < 2:
            return []
        task = _closing(done, f"the tests of {of}, so that one task says that it is done", group)
        return [Draft(replace(task, owner=owner), Before(tuple(sorted(test.task_id for test in tests))))]

    def _freshness(self, key: str, task_id: str) -> TaskPlan:
        return freshness_task(self._inputs, self._decisions, key, task_id, "the source has freshness limits")

    def _dbt_task(
        self, task_id: str, group: str | None, fields: TaskFields, nodes: Sequence[Node], why: str
    ) -> TaskPlan:
        return dbt_task(self._inputs, self._decisions, task_id, group, fields, nodes, why)


def _closing(task_id: str, what: str, group: str | None) -> TaskPlan:
    return TaskPlan(task_id=task_id, kind=TaskKind.ENDPOINT, group=group, because=f"closes {what}")
