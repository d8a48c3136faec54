"""What a selection leaves of the plan."""

from building import inputs_of, model, plan_of, project, tasks_of, test
from hypothesis import given
from hypothesis import strategies as st
from projects import manifests

from dbt_af_k8s.graph.select import Selector
from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.build import build, build_plan
from dbt_af_k8s.plan.values import Plan
from dbt_af_k8s.plan.verify import verify

PARTS = (
    "n1+",
    "@n2",
    "+n3",
    "n*",
    "models/web",
    "tag:@small",
    "source:src.events+",
    "resource_type:test",
    "t1 t2",
    "domain:sales",
    "config.materialized:ephemeral",
    "package:this,resource_type:model",
    "state:modified",
)


def left_out(plan: Plan) -> dict[str, str]:
    return {entry.node: entry.because for entry in plan.left_out}


def test_a_test_runs_with_the_last_node_that_is_selected() -> None:
    entries = (model("a"), model("b", "a"), model("c", "b", folder="web"), test("of_all", "a", "b", "c"))
    plan = plan_of(*entries, settings={"select": "a b"})
    assert tasks_of(plan, "sales__daily")["b__tests"].nodes == ("test.shop.of_all",)
    assert left_out(plan) == {"model.shop.c": "outside the selection (`select`)"}
    assert left_out(plan_of(*entries, settings={"exclude": "c"})) == {
        "model.shop.c": "outside the selection (`exclude`)",
        "test.shop.of_all": "outside the selection (`exclude`)",
    }


def test_tests_alone_run_by_themselves() -> None:
    plan = plan_of(
        model("a"), test("of_a", "a"), test("big", "a", tags=("@large",)), settings={"select": "test_type:data"}
    )
    assert [(dag.dag_id, [task.nodes for task in dag.tasks if task.nodes]) for dag in plan.dags[:2]] == [
        ("sales__daily", [("test.shop.of_a",)]),
        ("sales__large_tests__daily", [("test.shop.big",)]),
    ]
    assert not plan.issues


def test_the_default_selector_counts_where_nothing_is_selected() -> None:
    default = {"small": {"definition": "b", "default": True}, "other": {"definition": "a"}}
    manifest = project(model("a"), model("b", "a"), test("of_a", "a"), selectors=default)
    reason = "outside the default selector of selectors.yml, `small`"
    assert left_out(build_plan(inputs_of(manifest))) == {"model.shop.a": reason, "test.shop.of_a": reason}
    assert left_out(build_plan(inputs_of(manifest, {"exclude": "b"}))) == {
        "model.shop.b": "outside the selection (`exclude`)"
    }


@given(
    manifests(most=9),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=3),
    st.lists(st.sampled_from(PARTS), max_size=2),
)
def test_the_plan_has_what_is_selected(manifest: Manifest, select: list[str], exclude: list[str]) -> None:
    inputs = inputs_of(manifest, {"select": select, "exclude": exclude})
    built = build(inputs)
    verify(built.plan, manifest)
    domain_of = {key: decision.domain.domain for key, decision in built.decisions.nodes.items()}
    domain_of |= {key: decision.domain.domain for key, decision in built.decisions.sources.items()}
    # Tests come with their nodes; they have no domain of their own to be selected by.
    selector = Selector(manifest, {key: domain for key, domain in domain_of.items() if not key.startswith("test.")})
    chosen = selector.select(select, key="select").chosen - selector.select(exclude, key="exclude").chosen
    could_run = [key for key, node in manifest.nodes.items() if node.is_runnable or node.is_test]
    outside = {entry.node for entry in built.plan.left_out if "outside the selection" in entry.because}
    assert outside == {key for key in could_run if key not in chosen}
