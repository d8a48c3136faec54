"""Nothing vanishes: every entry of the manifest is in exactly one task, or is left out with a reason."""

from collections.abc import Iterator

from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.values import Plan, TaskKind
from dbt_af_k8s.plan.verify.places import BUILDING

_RESOURCE_OF_KIND = {
    TaskKind.RUN: "model",
    TaskKind.SEED: "seed",
    TaskKind.SNAPSHOT: "snapshot",
    TaskKind.TEST: "test",
}


def coverage_violations(plan: Plan, manifest: Manifest) -> Iterator[str]:
    """Nodes that are lost, planned twice, planned and left out, or not of this manifest."""
    tasks_of: dict[str, list[str]] = {}
    for dag in plan.dags:
        for task in dag.tasks:
            for key in task.nodes:
                if dag.kind in BUILDING and not task.gate:
                    tasks_of.setdefault(key, []).append(f"`{dag.dag_id}.{task.task_id}`")
                yield from _kind(manifest, key, task.kind, f"`{dag.dag_id}.{task.task_id}`")
    known = {*manifest.nodes, *manifest.others, *manifest.exposures}
    left_out: set[str] = set()
    for entry in plan.left_out:
        if entry.node in left_out:
            yield f"{entry.node} is left out twice"
        if entry.node not in known:
            yield f"{entry.node} is left out and is not in the manifest"
        if not entry.because:
            yield f"{entry.node} is left out without a reason"
        left_out.add(entry.node)
    for key in sorted(tasks_of):
        if len(tasks_of[key]) > 1:
            yield f"{key} is in {len(tasks_of[key])} tasks: {', '.join(tasks_of[key])}"
        if key in left_out:
            yield f"{key} is left out and is in task {tasks_of[key][0]}"
    for key in sorted(known):
        if key not in tasks_of and key not in left_out:
            yield f"{key} is lost: it is in no task and not left out"


def _kind(manifest: Manifest, key: str, kind: TaskKind, where: str) -> Iterator[str]:
    if kind is TaskKind.FRESHNESS and key not in manifest.sources:
        yield f"task {where} looks at the freshness of {key}, which is no source of the manifest"
    node = manifest.nodes.get(key)
    wanted = _RESOURCE_OF_KIND.get(kind)
    if kind is TaskKind.BUILD and node is not None and node.resource_type in _RESOURCE_OF_KIND.values():
        wanted = node.resource_type
    if wanted is None:
        return
    if node is None:
        yield f"task {where} runs {key}, which is not in the manifest"
    elif node.is_ephemeral:
        yield f"task {where} runs {key}, which is ephemeral"
    elif node.resource_type != wanted:
        yield f"task {where} of kind `{kind}` runs {key}, a {node.resource_type}"
