"""No task without need, in every plan of one task per node."""

from collections import Counter

from building import inputs_of
from hypothesis import given, settings
from projects import manifests
from properties import examples

from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.build import build
from dbt_af_k8s.plan.values import DagKind, TaskKind

PLANNED = (DagKind.SCHEDULED, DagKind.MANUAL, DagKind.FRESHNESS, DagKind.LARGE_TESTS)


@settings(max_examples=examples(60))
@given(manifests(most=9))
def test_tests_of_a_node_share_a_task_and_waits_for_a_node_are_one(manifest: Manifest) -> None:
    """All these tests run alike (target, retries, environment), so nothing keeps those of one node and size apart."""
    built = build(inputs_of(manifest))
    for dag in built.plan.dags:
        if dag.kind not in PLANNED or dag.is_broken:
            continue
        owners: Counter[tuple[str, str]] = Counter()
        waits: Counter[tuple[str, str]] = Counter()
        for task in dag.tasks:
            if task.kind is TaskKind.TEST:
                placements = [built.decisions.placements[node] for node in task.nodes]
                places = {(place.beside or place.source, place.size.value) for place in placements}
                assert len(places) == 1
                ((place, size),) = places
                if place is not None:
                    owners[place, size] += 1
            elif task.waits_for is not None:
                waits[task.waits_for.node, task.waits_for.policy] += 1
        assert set(owners.values()) <= {1}
        assert set(waits.values()) <= {1}


@settings(max_examples=examples(60))
@given(manifests(most=9))
def test_a_task_that_does_nothing_stands_only_where_it_saves_edges(manifest: Manifest) -> None:
    """Between several tasks and several others; where one task is on either side, an edge does."""
    for dag in build(inputs_of(manifest)).plan.dags:
        if dag.kind not in PLANNED or dag.is_broken:
            continue
        after = Counter(upstream for task in dag.tasks for upstream in task.upstream)
        for task in dag.tasks:
            if task.kind is TaskKind.ENDPOINT:
                assert len(task.upstream) > 1
                assert after[task.task_id] > 1
