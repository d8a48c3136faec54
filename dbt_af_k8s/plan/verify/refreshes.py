"""Refreshes come after all that they show, in the right DAG, and nothing comes after them."""

from collections.abc import Iterator

from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.values import DagPlan, Plan, TaskKind, TaskPlan
from dbt_af_k8s.plan.verify.edges import edge, exception, waits_about
from dbt_af_k8s.plan.verify.places import BUILDING, Place, Places
from dbt_af_k8s.plan.verify.refs import Refs


def refresh_violations(plan: Plan, manifest: Manifest, refs: Refs, places: Places) -> Iterator[str]:
    """What is wrong with the tasks of kind `refresh`."""
    for dag in plan.dags:
        refreshes = {task.task_id for task in dag.tasks if task.kind is TaskKind.REFRESH}
        for task in dag.tasks:
            where = f"task `{dag.dag_id}.{task.task_id}`"
            if (task.kind is TaskKind.REFRESH) != (task.refresh is not None):
                yield f"{where}: `refresh` tasks, and only they, say what they refresh"
            elif task.refresh is not None:
                yield from (f"{where} {fault}" for fault in _refresh(dag, task, manifest, refs, places))
            for upstream in sorted(refreshes.intersection(task.upstream)):
                yield f"{where} comes after the refresh `{upstream}`, which must block nothing"


def _refresh(dag: DagPlan, task: TaskPlan, manifest: Manifest, refs: Refs, places: Places) -> Iterator[str]:
    refresh = task.refresh
    if refresh is None:
        return
    if not refresh.provider or not refresh.resources:
        yield "does not say who refreshes what"
    if dag.kind not in BUILDING:
        yield f"is in a DAG of kind `{dag.kind}`, which repeats nodes"
    if refresh.of in manifest.exposures:
        yield from _exposure(refresh.of, Place(dag, task), manifest, refs, places)
    elif refresh.of in places.place:
        if task.nodes:
            yield f"claims to run {', '.join(task.nodes)}"
        home = places.place[refresh.of].dag
        done = places.done(refresh.of)
        if home.dag_id != dag.dag_id:
            yield f"refreshes what shows {refresh.of}, which is in DAG `{home.dag_id}`"
        elif done is not None and not places.index[dag.dag_id].comes_after(task, done):
            yield f"does not come after `{done}`, when {refresh.of} is done"
    else:
        yield f"refreshes what shows {refresh.of}, which is in no task"


def _exposure(key: str, place: Place, manifest: Manifest, refs: Refs, places: Places) -> Iterator[str]:
    if place.task.nodes != (key,):
        yield f"is for {key} and names {', '.join(place.task.nodes) or 'nothing'}"
    exposure = manifest.exposures[key]
    parents = refs.behind(exposure.parents)
    last = places.last(parents)
    if last is None:
        yield f"is for {key}, behind which nothing is built"
    elif last in places.place and places.place[last].dag.dag_id != place.dag.dag_id:
        yield f"is not in DAG `{places.place[last].dag.dag_id}` of {last}, the last of its parents"
    stated = {gap.node: gap for gap in place.task.not_waited if gap.downstream == key}
    for parent in sorted(parents):
        if parent in stated:
            yield from exception(stated[parent], place, places)
        else:
            yield from edge(parent, key, place, places)
    for source in sorted(set(exposure.parents).intersection(places.tested_sources).difference(stated)):
        if not waits_about(place, places, source):
            yield f"does not wait for the tests of {source}"
