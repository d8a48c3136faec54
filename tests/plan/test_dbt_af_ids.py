"""The task ids of dbt-af on request."""

from building import build_of, inputs_of, model, plan_of, tasks_of, test
from hypothesis import given, settings
from projects import manifests
from properties import examples

from dbt_af_k8s.manifest.values import Manifest
from dbt_af_k8s.plan.build import build_plan
from dbt_af_k8s.plan.verify import verify

DBT_AF = {"dags": {"task_ids": "dbt_af"}, "tests": {"per": "test"}}


def ids(plan, dag_id: str) -> dict[str, tuple[str, ...]]:
    return {task.task_id: task.upstream for task in plan.dag(dag_id).tasks}


def test_groups_stand_before_the_ids() -> None:
    plan = plan_of(
        model("a", folder="web", meta={"schedule": "@hourly"}),
        test("t1", "a"),
        test("t2", "a"),
        model("b", "a"),
        model("c", "b", meta={"enable_from_dttm": "2026-01-01"}),
        test("m", "b", tags=("@medium",)),
        test("big", "b", tags=("@large",)),
        settings=DBT_AF,
    )
    assert ids(plan, "web__hourly") == {
        "a__group.a": (),
        "a__group.t1": ("a__group.a",),
        "a__group.t2": ("a__group.a",),
        "a__group.a__end": ("a__group.t1", "a__group.t2"),
    }
    assert ids(plan, "sales__daily") == {
        "web__hourly__dependencies__group.wait__a": (),
        "b": ("web__hourly__dependencies__group.wait__a",),
        "c__group.c": ("b",),
        "medium_tests__sales__daily.b__m": ("c__group.c",),
    }
    (wait,) = [task.waits_for for task in plan.dag("sales__daily").tasks if task.waits_for]
    assert wait.task_id == "a__group.a__end"
    assert "big" in ids(plan, "sales__large_tests__daily")
    assert sorted(ids(plan, "web__backfill")) == [
        "a__bf__group.a__bf",
        "a__bf__group.a__bf__end",
        "a__bf__group.t1",
        "a__bf__group.t2",
        "choose",
        "next_chunk",
    ]


def test_medium_tests_of_a_node_with_dots_in_its_name() -> None:
    plan = plan_of(model("crm.people"), test("m", "model.shop.crm.people", tags=("@medium",)), settings=DBT_AF)
    assert "medium_tests__sales__daily.crm__people__m" in tasks_of(plan, "sales__daily")


def test_maintenance() -> None:
    plan = plan_of(model("a", meta={"maintenance": {"vacuum_table": True}}), settings=DBT_AF)
    (task,) = plan.dag("sales__maintenance").tasks
    assert task.task_id == "vacuum_table__sales__maintenance.dbt_vacuum_table__a"
    assert [ref.task_id for ref in task.not_while] == ["a__bf", "a"]


@settings(max_examples=examples(60))
@given(manifests())
def test_every_plan_still_keeps_its_promises(manifest: Manifest) -> None:
    verify(build_plan(inputs_of(manifest, DBT_AF)), manifest)


def test_plain_ids_are_the_default() -> None:
    plan = build_of(model("a"), test("t", "a")).plan
    assert sorted(ids(plan, "sales__daily")) == ["a", "a__tests"]
