"""What fusing never changes, whatever the project: which node comes before which, what is waited for, and ids."""

from dataclasses import replace

from building import inputs_of, model, project, seed, source, test
from hypothesis import given, settings
from hypothesis import strategies as st
from projects import manifests
from properties import examples

from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.build import build_plan
from dbt_af_k8s.plan.codec import from_json, to_json
from dbt_af_k8s.plan.values import DagPlan, Plan, TaskKind
from dbt_af_k8s.plan.verify import verify

MOST = 40


@st.composite
def chains(draw: st.DrawFn) -> Manifest:
    """Few schedules, short ways, many tests: a project in which much can be fused, and not all."""
    entries = [source("src", "events")]
    built = ["source:src.events"]
    for index in range(draw(st.integers(2, 9))):
        refs = draw(st.lists(st.sampled_from(built[-4:]), min_size=index > 2, max_size=2, unique=True))
        kind = draw(st.sampled_from(["table", "table", "table", "incremental", "ephemeral"]))
        meta = draw(st.sampled_from([{}, {}, {}, {}, {"schedule": "@hourly"}]))
        folder = draw(st.sampled_from(["sales", "sales", "sales", "web"]))
        entry = model(f"n{index}", *refs, materialized=kind, folder=folder, meta={} if kind == "ephemeral" else meta)
        entries.append(entry)
        built.append(entry.unique_id)
    for index in range(draw(st.integers(0, 8))):
        on = draw(st.lists(st.sampled_from(built), min_size=1, max_size=2, unique=True))
        tags = draw(st.sampled_from([(), (), (), ("@medium",)]))
        entries.append(test(f"t{index}", *on, tags=tags))
    return project(*entries)


PROJECTS = st.one_of(chains(), chains(), chains(), manifests(most=8))
FUSED = st.fixed_dictionaries(
    {
        "granularity": st.just("fused"),
        "fused": st.fixed_dictionaries(
            {"cheap": st.sampled_from([["table", "seed", "test", "snapshot"], ["table"], ["table", "test"]])},
            optional={"most_nodes": st.integers(2, 6)},
        ),
    },
    optional={
        "tests": st.sampled_from([{"per": "test"}, {"per": "model"}]),
        "waits": st.sampled_from([{"per": "task"}, {"per": "dag"}]),
    },
)


def planned(manifest: Manifest, written: dict) -> Plan:
    return build_plan(inputs_of(manifest, written))


def before(dag: DagPlan) -> dict[str, frozenset[str]]:
    """Of each task, everything that comes before it."""
    found: dict[str, frozenset[str]] = {}
    for task in dag.tasks:
        found[task.task_id] = frozenset(task.upstream).union(*(found[upstream] for upstream in task.upstream))
    return found


def orders(plan: Plan, fused: Plan) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The pairs (earlier, later) of what tasks are about, in both plans, but those inside one fused task."""
    together = {
        (one, other)
        for dag in fused.dags
        for task in dag.tasks
        if task.kind is TaskKind.BUILD
        for one in task.nodes
        for other in task.nodes
    }
    return pairs(plan) - together, pairs(fused) - together


def pairs(plan: Plan) -> set[tuple[str, str]]:
    found = set()
    for dag in plan.dags:
        about = {
            task.task_id: task.nodes
            or ((f"{task.waits_for.node} {task.waits_for.policy} in {dag.dag_id}",) if task.waits_for else ())
            for task in dag.tasks
        }
        if dag.schedule_name in ("backfill",) or dag.kind.value in ("backfill", "maintenance", "run_model"):
            continue
        for task_id, earlier in before(dag).items():
            found |= {(up, down) for upstream in earlier for up in about[upstream] for down in about[task_id]}
    return found


@settings(max_examples=examples(MOST))
@given(PROJECTS, FUSED)
def test_a_fused_plan_is_proved_and_keeps_its_json(manifest: Manifest, written: dict) -> None:
    plan = planned(manifest, written)
    verify(plan, manifest)
    assert from_json(to_json(plan)) == plan


@settings(max_examples=examples(MOST))
@given(PROJECTS, FUSED)
def test_fusing_changes_no_order_between_tasks(manifest: Manifest, written: dict) -> None:
    alone, together = orders(planned(manifest, {**written, "granularity": "node"}), planned(manifest, written))
    assert alone == together


@settings(max_examples=examples(MOST))
@given(PROJECTS, FUSED)
def test_what_is_waited_for_ends_as_the_node_does(manifest: Manifest, written: dict) -> None:
    """The task that a wait looks at holds nothing that may fail when the node and what it comes after are well."""
    alone = planned(manifest, {**written, "granularity": "node"})
    waits = {(dag.dag_id, task.task_id): task.waits_for for dag in alone.dags for task in dag.tasks if task.waits_for}
    fused = planned(manifest, written)
    for dag in fused.dags:
        for task in dag.tasks:
            if not task.waits_for:
                continue
            plain = waits[dag.dag_id, task.task_id]
            assert replace(task.waits_for, task_id=plain.task_id) == plain
            there = next(each for each in alone.dags if each.dag_id == plain.dag_id)
            looked_at = next(each for each in fused.dag(plain.dag_id).tasks if each.task_id == task.waits_for.task_id)
            needed = {plain.task_id, *before(there)[plain.task_id]}
            nodes = {node for each in there.tasks if each.task_id in needed for node in each.nodes}
            assert set(looked_at.nodes) <= nodes


@settings(max_examples=examples(MOST))
@given(PROJECTS, FUSED)
def test_unrelated_nodes_change_nothing(manifest: Manifest, written: dict) -> None:
    """Nodes that read nothing of the others, and that the others do not read, leave every task as it was."""
    more = project(
        *manifest.nodes.values(),
        *manifest.sources.values(),
        seed("aa_more", folder="sales"),
        model("zz_more", "seed.shop.aa_more"),
        test("zz_more_is_good", "zz_more"),
    )
    new = {key for key in more.nodes if key not in manifest.nodes}
    with_more = planned(more, written)

    def tasks(plan: Plan) -> set[tuple[str, str, tuple[str, ...]]]:
        """Medium tests come after all of their DAG, so their edges may change."""
        return {
            (dag.dag_id, task.task_id, task.nodes)
            for dag in plan.dags
            for task in dag.tasks
            if task.nodes and not new.intersection(task.nodes)
        }

    assert tasks(planned(manifest, written)) <= tasks(with_more)
