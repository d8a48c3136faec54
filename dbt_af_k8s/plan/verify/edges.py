"""Every edge of the dbt graph is an order inside a DAG, a wait, or a stated exception; tests stand where they block."""

from collections.abc import Iterator, Sequence

from dbt_af_k8s.plan.values import DagKind, NotWaited, Plan, TaskPlan, WaitsFor
from dbt_af_k8s.plan.verify.places import DagIndex, Place, Places
from dbt_af_k8s.plan.verify.refs import Refs


def edge_violations(plan: Plan, refs: Refs, places: Places) -> Iterator[str]:
    """What does not come after all that it is built from or, for tests, after all that they look at."""
    for key in sorted(places.place):
        place = places.place[key]
        if refs.nodes[key].is_ephemeral:
            continue
        # A large test runs in another DAG than the node that it is placed with, and waits for it like for any other.
        is_near = refs.nodes[key].is_test and place.dag.kind is not DagKind.LARGE_TESTS
        beside = places.placed_with(key) if is_near else None
        if beside is not None:
            yield from _beside(key, beside, place, places)
        stated = {gap.node: gap for gap in place.task.not_waited if gap.downstream == key}
        parents = refs.parents(key)
        for gap in stated.values():
            if gap.node not in parents and gap.node not in refs.sources(key):
                yield f"{key} states that it does not wait for {gap.node}, on which it does not depend"
        for parent in sorted(parents):
            gap_or_none = stated.get(parent)
            if gap_or_none is not None:
                yield from exception(gap_or_none, place, places)
            elif parent != beside:
                yield from edge(parent, key, place, places)
        if not refs.nodes[key].is_test:
            yield from _sources(refs.sources(key), key, place, places)
        if not refs.nodes[key].is_test and len(places.blocking_tests(key)) > 1 and places.done(key) is None:
            yield f"several tasks test {key}, and no endpoint in DAG `{place.dag.dag_id}` closes just these"
    yield from _backfills(plan, refs)
    for dag in plan.dags:
        for task in dag.tasks:
            for gap in task.not_waited:
                if gap.downstream not in task.nodes:
                    yield f"task `{dag.dag_id}.{task.task_id}` speaks for {gap.downstream}, which it does not run"


def _sources(read: frozenset[str], key: str, place: Place, places: Places) -> Iterator[str]:
    """A node comes after the tests of the sources that it reads, and after the gates of its DAG that look at them."""
    index = places.index[place.dag.dag_id]
    stated = {gap.node for gap in place.task.not_waited if gap.downstream == key}
    for source in sorted(read):
        if source in places.tested_sources and source not in stated and not waits_about(place, places, source):
            yield f"{key} does not wait for the tests of {source}"
        for gate in index.gates.get(source, ()):
            if not index.comes_after(place.task, gate):
                yield f"{key} does not come after `{gate}`, which waits until {source} is fresh"


def edge(parent: str, key: str, place: Place, places: Places) -> Iterator[str]:
    """`key`, in a task, depends on `parent`, and nothing is said against it."""
    dag_id, task = place.dag.dag_id, place.task
    upstream = places.place.get(parent)
    if upstream is None:
        waits = waits_about(place, places, parent)
        is_broken = (places.dags[wait.dag_id].is_broken for wait in waits if wait.dag_id in places.dags)
        if parent in places.left_out and not any(is_broken):
            yield f"{key} depends on {parent}, which is left out, and does not say so"
        return
    done = places.done(parent)
    if done is None:
        return
    if upstream.dag.dag_id == dag_id:
        if done == task.task_id:
            yield from _inside(parent, key, task, places)
        elif not places.index[dag_id].comes_after(task, done):
            yield f"{key} (`{dag_id}.{task.task_id}`) does not come after `{done}`, when {parent} is done"
        return
    if not waits_about(place, places, parent):
        yield f"{key} (`{dag_id}.{task.task_id}`) does not wait for {parent} of DAG `{upstream.dag.dag_id}`"


def _inside(parent: str, key: str, task: TaskPlan, places: Places) -> Iterator[str]:
    """A node that is done within the task of what depends on it; which tests dbt lets block is judged elsewhere."""
    node = places.place[parent].task
    if node.task_id != task.task_id and not places.index[places.dag_of(parent).dag_id].comes_after(task, node.task_id):
        yield f"{key} (`{task.task_id}`) does not come after `{node.task_id}`, which builds {parent}"


def waits_about(place: Place, places: Places, parent: str) -> list[WaitsFor]:
    """What the wait tasks before a task wait for, as far as they are about one node."""
    index = places.index[place.dag.dag_id]
    direct = [index.tasks[task_id] for task_id in place.task.upstream if task_id in index.tasks]
    found = _about(direct, parent)
    return found or _about(index.before(place.task), parent)


def _about(tasks: Sequence[TaskPlan], parent: str) -> list[WaitsFor]:
    return [task.waits_for for task in tasks if task.waits_for is not None and task.waits_for.node == parent]


def _beside(test: str, beside: str, place: Place, places: Places) -> Iterator[str]:
    """A test that is not a large one runs in the DAG of the node that it is placed with, after that node.

    One that is selected without any of its nodes runs by itself.
    """
    node = places.place.get(beside)
    if node is None:
        if beside in places.outside_selection:
            return
        yield f"{test} is planned, and {beside}, with which it is placed, is not"
    elif node.dag.dag_id != place.dag.dag_id:
        yield f"{test} is in DAG `{place.dag.dag_id}`, and {beside}, with which it is placed, in `{node.dag.dag_id}`"
    elif node.task.task_id == place.task.task_id:
        return
    elif not places.index[place.dag.dag_id].comes_after(place.task, node.task.task_id):
        yield f"{test} (`{place.dag.dag_id}.{place.task.task_id}`) does not come after {beside}"


def exception(gap: NotWaited, place: Place, places: Places) -> Iterator[str]:
    """A stated exception must be true."""
    says = f"{gap.downstream} says `{gap.code}` of {gap.node}"
    upstream = places.place.get(gap.node)
    if gap.code == "left-out":
        if gap.node not in places.left_out:
            yield f"{says}, which is not left out"
    elif gap.code == "manual":
        sides = [place.dag] if upstream is None else [place.dag, upstream.dag]
        # The nodes of a broken domain are left out; its DAG is known by its stand-in only.
        is_hidden = upstream is None and any(dag.is_broken and dag.schedule is None for dag in places.dags.values())
        if upstream is not None and upstream.dag.dag_id == place.dag.dag_id:
            yield f"{says}, which is in the same DAG"
        elif not is_hidden and all(dag.schedule is not None for dag in sides):
            yield f"{says}, and both DAGs have a schedule"
    elif gap.code != "skip":
        yield f"{says}, which is no reason"


def _backfills(plan: Plan, refs: Refs) -> Iterator[str]:
    """A backfill repeats nodes of one domain; each comes after those of its parents that are there, too."""
    for dag in plan.dags:
        if dag.kind is not DagKind.BACKFILL:
            continue
        index = DagIndex({task.task_id: task for task in dag.tasks}, {})
        task_of = {node: task for task in dag.tasks for node in task.nodes}
        for key, task in task_of.items():
            skipped = {gap.node for gap in task.not_waited}
            for parent in sorted(refs.parents(key)):
                before = task_of.get(parent)
                if before is None or parent in skipped or index.comes_after(task, before.task_id):
                    continue
                yield f"{key} (`{dag.dag_id}.{task.task_id}`) does not come after {parent}"
