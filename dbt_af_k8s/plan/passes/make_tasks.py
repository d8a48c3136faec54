"""Fourth pass: the tasks of one DAG, edges and waits included, in an order in which each comes after its upstream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dbt_af_k8s.dbt.values import DbtInvocation, DbtSelection
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.names import IdBook, legal_id, node_name
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.passes.airflow_fields import TaskFields, fields_of, pool_for
from dbt_af_k8s.plan.passes.connect import Before, Connector, Wait
from dbt_af_k8s.plan.passes.decide import Decisions
from dbt_af_k8s.plan.passes.layout import DagLayout, NodeTasks, TestTask
from dbt_af_k8s.plan.values import TaskKind, TaskPlan, WaitsFor


@dataclass(frozen=True, slots=True)
class _Draft:
    """A task whose waits are not yet tasks."""

    task: TaskPlan
    before: Before


def make_tasks(
    inputs: PlanInputs,
    decisions: Decisions,
    connector: Connector,
    dag: DagLayout,
    waits_for: Mapping[str, WaitsFor],
) -> tuple[TaskPlan, ...]:
    """All tasks of a DAG. `waits_for` gives, for each node of any DAG, what a wait for it looks at."""
    drafts = [draft for tasks in dag.nodes for draft in _node_drafts(inputs, decisions, connector, dag, tasks)]
    drafts += [_test_draft(inputs, decisions, connector, dag, test, None) for test in dag.loose_tests]
    waits, with_waits = _add_waits(inputs, decisions, dag, drafts, waits_for)
    return (*waits, *with_waits)


def _node_drafts(
    inputs: PlanInputs, decisions: Decisions, connector: Connector, dag: DagLayout, tasks: NodeTasks
) -> Sequence[_Draft]:
    key = tasks.node
    decision = decisions.nodes[key]
    before = connector.before(key, dag, decisions.graph.parents(key))
    fields = fields_of(inputs, decision)
    build = _dbt_task(inputs, decisions, tasks.task_id, tasks.group, fields, [decision.node], decision.schedule.because)
    drafts = [_Draft(build, before)]
    drafts += [_test_draft(inputs, decisions, connector, dag, test, tasks) for test in tasks.tests]
    if tasks.endpoint is not None:
        end = TaskPlan(
            task_id=tasks.endpoint,
            kind=TaskKind.ENDPOINT,
            group=tasks.group,
            because=f"closes the tests of {key}, so that one task says that it is done",
        )
        drafts.append(_Draft(end, Before(tuple(sorted(test.task_id for test in tasks.tests)))))
    return drafts


def _test_draft(
    inputs: PlanInputs,
    decisions: Decisions,
    connector: Connector,
    dag: DagLayout,
    test: TestTask,
    beside: NodeTasks | None,
) -> _Draft:
    before = Before((beside.task_id,)) if beside else Before()
    for key in test.tests:
        others = [parent for parent in decisions.placements[key].parents if beside is None or parent != beside.node]
        before = before.joined(connector.before(key, dag, others))
    nodes = [decisions.nodes[key].node for key in test.tests]
    why = f"placed with {beside.node}, the last of their parents" if beside else "no node stands behind it"
    return _Draft(
        _dbt_task(inputs, decisions, test.task_id, beside.group if beside else None, test.fields, nodes, why), before
    )


def selection_of(node: Node, decisions: Decisions) -> DbtSelection:
    """How dbt finds the node: by its parents, too, where another of its kind has the same name."""
    parents = tuple(sorted(node.parents)) if node.unique_id in decisions.namesakes else ()
    return DbtSelection(node.unique_id, node.resource_type, node.package, node.fqn, parents)


def _dbt_task(
    inputs: PlanInputs,
    decisions: Decisions,
    task_id: str,
    group: str | None,
    fields: TaskFields,
    nodes: Sequence[Node],
    why: str,
) -> TaskPlan:
    plain = node_name(nodes[0].name, nodes[0].version)
    ordered = sorted(nodes, key=lambda node: node.unique_id)
    return TaskPlan(
        task_id=task_id,
        kind=fields.kind,
        nodes=tuple(node.unique_id for node in ordered),
        group=group,
        display_name=_display_name(fields.kind, task_id, plain),
        target=fields.target,
        runner=fields.runner,
        because=f"schedule: {why}; target: {fields.target_because}",
        pool=fields.pool,
        queue=fields.queue,
        executor=fields.executor,
        executor_config=fields.executor_config,
        priority_weight=fields.priority_weight,
        retry=fields.retry,
        timeout=inputs.settings.dags.task_timeout,
        owner=fields.owner,
        max_active=fields.max_active,
        dbt=DbtInvocation(
            verb=fields.kind.value,
            nodes=tuple(selection_of(node, decisions) for node in ordered),
            target=fields.target,
            microbatch=ordered[0].is_microbatch,
            executable=fields.dbt,
            env=fields.env,
        ),
        enable_from=fields.enable_from,
        disable_from=fields.disable_from,
    )


def _display_name(kind: TaskKind, task_id: str, name: str) -> str | None:
    """The full name where the id had to be changed for Airflow's sake."""
    if kind is TaskKind.TEST or name.replace(".", "__") == task_id:
        return None
    return name


def _add_waits(
    inputs: PlanInputs,
    decisions: Decisions,
    dag: DagLayout,
    drafts: Sequence[_Draft],
    waits_for: Mapping[str, WaitsFor],
) -> tuple[tuple[TaskPlan, ...], tuple[TaskPlan, ...]]:
    book = IdBook(dag.ids)
    per_task = inputs.settings.waits.per == "task"
    ids: dict[tuple[Wait, str], str] = {}
    waits: list[TaskPlan] = []
    tasks: list[TaskPlan] = []
    for draft in drafts:
        upstream = list(draft.before.tasks)
        for wait in draft.before.waits:
            key = (wait, draft.task.task_id if per_task else "")
            if key not in ids:
                ids[key] = book.claim(_wait_id(decisions, *key), f"{wait.node} {wait.policy} {key[1]}")
                waits.append(_wait_task(inputs, dag, ids[key], wait, waits_for[wait.node]))
            upstream.append(ids[key])
        tasks.append(replace(draft.task, upstream=tuple(sorted(upstream)), not_waited=draft.before.not_waited))
    return tuple(sorted(waits, key=lambda task: task.task_id)), tuple(tasks)


def _wait_id(decisions: Decisions, wait: Wait, downstream: str) -> str:
    node = decisions.nodes[wait.node].node
    parts = ["wait", legal_id(node_name(node.name, node.version))]
    parts += ["all"] if wait.policy == "all" else []
    parts += ["for", downstream] if downstream else []
    return "__".join(parts)


def _wait_task(inputs: PlanInputs, dag: DagLayout, task_id: str, wait: Wait, target: WaitsFor) -> TaskPlan:
    settings = inputs.settings.waits
    which = "every run whose interval ends within this one" if wait.policy == "all" else "its latest run"
    return TaskPlan(
        task_id=task_id,
        kind=TaskKind.WAIT,
        because=f"{wait.node} is built by DAG `{target.dag_id}`; policy `{wait.policy}`: {which}",
        pool=pool_for(inputs.settings.pools, None, TaskKind.WAIT, dag.domain),
        retry=inputs.settings.retries.get("wait", TaskPlan("", TaskKind.WAIT).retry),
        timeout=settings.timeout,
        waits_for=replace(target, policy=wait.policy),
        poke=settings.poke,
        deferrable=settings.deferrable,
    )
