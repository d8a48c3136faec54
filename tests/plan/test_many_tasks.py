"""A hundred thousand tasks in one project: planned, verified and compressed, at a cost that grows with their number."""

import math
import time

import building
import pytest

from dbt_af_k8s.plan.compiled import pack_dag

DOMAIN = 100


def cost(domains: int) -> tuple[int, float]:
    """The number of tasks of a plan of that many domains, and the CPU seconds that it took."""
    nodes = []
    for number in range(domains):
        folder = f"d{number:03}"
        for at in range(DOMAIN):
            refs = [f"{folder}_m{earlier:02}" for earlier in range(max(0, at - 3), at)]
            if number and at % 10 == 0:
                refs.append(f"d{number - 1:03}_m{DOMAIN - 1 - at:02}")
            name = f"{folder}_m{at:02}"
            nodes += [building.model(name, *refs, folder=folder), building.test(f"t_{name}", name, folder=folder)]
    manifest = building.project(*nodes)
    inputs = building.inputs_of(manifest, {"dags": {"kinds": []}})
    started = time.process_time()
    plan = building.build(inputs).plan
    building.verify(plan, manifest)
    assert sum(len(pack_dag(dag)) for dag in plan.dags) > 0
    assert not plan.issues
    return sum(len(dag.tasks) for dag in plan.dags), time.process_time() - started


@pytest.mark.load
def test_a_hundred_thousand_tasks() -> None:
    tasks, seconds = cost(500)
    few, seconds_of_few = cost(50)
    print(f"{tasks} tasks: {seconds:.1f} CPU s; {few} tasks: {seconds_of_few:.1f} CPU s")
    assert tasks > 100_000
    assert math.log(seconds / seconds_of_few) / math.log(tasks / few) < 1.2
