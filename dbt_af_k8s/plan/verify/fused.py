"""A task of several nodes runs one `dbt build`: what it must hold, and which tests dbt lets hold back which nodes.

dbt holds a node back after a failed test only where everything that the test reads is upstream of the node
(`add_test_edges`, dbt 1.11), and in a process that starts from slices it sees only paths through its own nodes and
through ephemeral ones.
"""

from collections.abc import Iterator

from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.values import DagKind, Plan, TaskKind, TaskPlan
from dbt_af_k8s.plan.verify.places import Places
from dbt_af_k8s.plan.verify.refs import Refs

_FUSED_IN = (DagKind.SCHEDULED, DagKind.MANUAL)
_KINDS = ("model", "seed", "snapshot", "test")


def fused_violations(plan: Plan, manifest: Manifest, refs: Refs, places: Places) -> Iterator[str]:
    """What is wrong with tasks of kind `build`."""
    for dag in plan.dags:
        for task in dag.tasks:
            if task.kind is TaskKind.BUILD:
                where = f"`{dag.dag_id}.{task.task_id}`"
                if dag.kind not in _FUSED_IN:
                    yield f"{where} runs several nodes in a DAG of kind `{dag.kind}`"
                yield from (f"{where} {fault}" for fault in _task(task, manifest, refs, places))


def _task(task: TaskPlan, manifest: Manifest, refs: Refs, places: Places) -> Iterator[str]:
    if len(task.nodes) < 2:
        yield f"is a `build` task of {len(task.nodes)} node"
    if task.dbt is None or task.dbt.verb != "build":
        yield "is a `build` task without `dbt build`"
    if task.not_waited:
        yield "states exceptions, which dbt does not make inside one process"
    for key in task.nodes:
        node = manifest.nodes.get(key)
        if node is None or node.resource_type not in _KINDS:
            yield f"builds {key}, which is no model, seed, snapshot or test"
        elif node.is_microbatch:
            yield f"builds {key}, a microbatch model, whose flags are those of the whole command"
        elif node.is_test and not refs.blocks(key):
            yield f"runs {key}, which blocks nothing, and would here"
        elif not node.is_test:
            yield from _order(task, key, refs, places)


def _order(task: TaskPlan, key: str, refs: Refs, places: Places) -> Iterator[str]:
    """Every blocking test of a parent, in the same task, must be one that dbt lets hold this node back."""
    behind = reach(task, key, refs)
    parents = refs.parents(key)
    for test in task.nodes:
        if refs.nodes[test].is_test and places.placed_with(test) in parents:
            missing = sorted(set(refs.nodes[test].parents) - behind)
            if missing:
                yield f"does not hold {key} back when {test} fails, for dbt sees no path from {missing[0]} to it"


def reach(task: TaskPlan, key: str, refs: Refs) -> frozenset[str]:
    """What a node reads as dbt sees it in this task."""
    inside, seen, todo = frozenset(task.nodes), set[str](), [key]
    while todo:
        for parent in refs.nodes[todo.pop()].parents:
            if parent not in seen:
                seen.add(parent)
                if parent in refs.nodes and (parent in inside or refs.nodes[parent].is_ephemeral):
                    todo.append(parent)
    return frozenset(seen)
