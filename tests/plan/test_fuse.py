"""`granularity: fused`, case by case: what shares a task, what does not, and what the task is called."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from building import build_of, inputs_of, model, plan_of, project, seed, source, tasks_of, test

from dbt_af_k8s.manifest.values import Node, Source
from dbt_af_k8s.plan.build import build_plan
from dbt_af_k8s.plan.explain import explain
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.plan.values import Plan, TaskKind
from dbt_af_k8s.plan.verify import verify


def view(name: str, *refs: str, **rest: Any) -> Node:
    return model(name, *refs, materialized="view", **rest)


def fused(
    *entries: Node | Source, times: Mapping[str, float] | None = None, settings: Mapping[str, Any] | None = None
) -> Plan:
    manifest = project(*entries)
    inputs = inputs_of(manifest, {"granularity": "fused", **(settings or {})})
    run_times = {f"model.shop.{name}": seconds for name, seconds in (times or {}).items()}
    plan = build_plan(PlanInputs(inputs.project, manifest, inputs.settings, inputs.profile, run_times=run_times))
    verify(plan, manifest)
    return plan


def together(plan: Plan, dag_id: str = "sales__daily") -> dict[str, list[str]]:
    """The fused tasks of a DAG, with the names of their nodes."""
    return {
        task.task_id: [node.split(".")[2] for node in task.nodes]
        for task in tasks_of(plan, dag_id).values()
        if task.kind is TaskKind.BUILD
    }


def test_a_chain_of_views_with_its_tests_is_one_task_named_after_its_last_node() -> None:
    plan = fused(view("a"), test("a_good", "a"), view("b", "a"), test("b_good", "b"), model("c", "b"))
    tasks = tasks_of(plan, "sales__daily")
    assert list(tasks) == ["b", "c"]
    assert (tasks["b"].nodes, tasks["b"].upstream) == (
        ("model.shop.a", "model.shop.b", "test.shop.a_good", "test.shop.b_good"),
        (),
    )
    assert (tasks["b"].dbt.verb, [node.unique_id for node in tasks["b"].dbt.nodes]) == ("build", list(tasks["b"].nodes))
    assert tasks["b"].because.startswith(
        "`granularity` is `fused`: a, a__tests, b, b__tests run in one dbt process; target: "
    )
    assert (tasks["b"].group, tasks["b"].display_name) == (None, "b and 3 more")
    assert tasks["c"].upstream == ("b",)


def test_without_the_setting_nothing_is_fused() -> None:
    assert together(plan_of(view("a"), view("b", "a"))) == {}


def test_a_fork_and_what_joins_it_again_are_one_task() -> None:
    plan = fused(view("a"), view("b", "a"), view("c", "a"), view("d", "b", "c"))
    assert together(plan) == {"d": ["a", "b", "c", "d"]}


def test_what_two_tasks_read_stays_before_both() -> None:
    plan = fused(view("a"), view("b", "a"), view("c", "a"))
    assert together(plan) == {}


def test_what_another_dag_waits_for_is_the_last_of_its_task() -> None:
    plan = fused(view("a"), test("a_good", "a"), view("b", "a"), view("there", "a", folder="web"))
    assert together(plan) == {"a": ["a", "a_good"]}
    wait = tasks_of(plan, "web__daily")["wait__a"]
    assert (wait.waits_for.task_id, tasks_of(plan, "sales__daily")["b"].upstream) == ("a", ("a",))


def test_a_wait_in_the_middle_keeps_a_chain_apart() -> None:
    plan = fused(model("there", folder="web"), view("a"), view("b", "a", "there"), view("c", "b"))
    assert together(plan) == {"c": ["b", "c"]}
    assert tasks_of(plan, "sales__daily")["c"].upstream == ("a", "wait__there")


def test_the_same_wait_at_the_beginning_does_not() -> None:
    plan = fused(model("there", folder="web"), view("a", "there"), view("b", "a", "there"))
    assert together(plan) == {"b": ["a", "b"]}
    assert tasks_of(plan, "sales__daily")["b"].upstream == ("wait__there",)


@pytest.mark.parametrize(
    ("of_b", "settings"),
    [
        ({"meta": {"dbt_target": "prod"}}, {}),
        ({"meta": {"pool": "slow"}}, {}),
        ({"meta": {"env": {"A": "1"}}}, {}),
        ({"meta": {"retries": 7}}, {}),
        ({"meta": {"enable_from_dttm": "2026-05-01"}}, {}),
        ({"meta": {"dependencies": {"a": {"skip": True}}}}, {}),
        ({"config": {"incremental_strategy": "microbatch"}, "materialized": "incremental"}, {"cheap": ["incremental"]}),
        ({"materialized": "table"}, {}),
    ],
)
def test_what_differs_runs_on_its_own(of_b: dict, settings: dict) -> None:
    kind = of_b.pop("materialized", "view")
    cheap = {"cheap": ["view", *settings.get("cheap", ())]}
    plan = fused(view("a"), model("b", "a", materialized=kind, **of_b), settings={"fused": cheap})
    assert together(plan) == {}


def test_other_callbacks_for_tests_keep_tests_apart() -> None:
    callbacks = {"callbacks": {"test": {"on_failure": "alerts.tell"}}}
    plan = fused(view("a"), test("a_good", "a"), view("b", "a"), settings=callbacks)
    assert together(plan) == {}
    same = fused(view("a"), test("a_good", "a"), settings={"callbacks": {"task": {"on_failure": "alerts.tell"}}})
    assert same.dag("sales__daily").callbacks.tasks["build"].on_failure == ("alerts.tell",)


def test_recorded_run_times_make_a_table_cheap_and_a_view_dear() -> None:
    entries = (view("a"), model("b", "a"), view("c", "b"))
    assert together(fused(*entries)) == {}
    assert together(fused(*entries, times={"b": 3.0})) == {"c": ["a", "b", "c"]}
    assert together(fused(*entries, times={"b": 3.0, "c": 58.0})) == {"b": ["a", "b"]}
    reason = tasks_of(fused(*entries, times={"b": 3.0}), "sales__daily")["c"].because
    assert "; recorded run times: 3.0 s; target: " in reason


def test_limits_cut_a_chain_from_its_beginning() -> None:
    chain = [view("n0"), *(view(f"n{index}", f"n{index - 1}") for index in range(1, 5))]
    plan = fused(*chain, settings={"fused": {"most_nodes": 2}})
    assert together(plan) == {"n1": ["n0", "n1"], "n3": ["n2", "n3"]}


def test_a_test_that_dbt_would_not_let_block_stays_alone() -> None:
    """`b` reads `a`; dbt holds it back after a test on `a` and `other` only where `other` is upstream of it, too."""
    apart = fused(view("base"), view("other"), view("a", "base"), test("alike", "a", "other"), view("b", "a"))
    assert "alike" not in [name for names in together(apart).values() for name in names if "b" in names]
    joined = fused(view("other"), view("a", "other"), test("alike", "a", "other"), view("b", "a"))
    assert together(joined) == {"b": ["a", "b", "other", "alike"]}


def test_medium_tests_block_nothing_so_they_stay_alone() -> None:
    plan = fused(view("a"), test("a_medium", "a", tags=("@medium",)), view("b", "a"))
    assert together(plan) == {"b": ["a", "b"]}


def test_the_end_of_several_tests_goes_with_them() -> None:
    plan = fused(
        view("a"), test("one", "a"), test("two", "a"), view("b", "a", folder="web"), settings={"tests": {"per": "test"}}
    )
    assert list(tasks_of(plan, "sales__daily")) == ["a"]
    assert tasks_of(plan, "web__daily")["wait__a"].waits_for.task_id == "a"


def test_backfills_and_maintenance_stay_node_by_node() -> None:
    tables = {"fused": {"cheap": ["table"]}}
    plan = fused(model("a", meta={"maintenance": {"vacuum_table": True}}), model("b", "a"), settings=tables)
    assert {"a", "b"} <= set(tasks_of(plan, "sales__backfill"))
    (upkeep,) = tasks_of(plan, "sales__maintenance").values()
    assert "b" in {ref.task_id for ref in upkeep.not_while if ref.dag_id == "sales__daily"}


def test_seeds_that_load_on_change_stay_alone() -> None:
    entries = (seed("raw", folder="sales"), view("a", "seed.shop.raw"))
    assert together(fused(*entries)) == {"a": ["a", "raw"]}
    assert together(fused(*entries, settings={"seeds": {"run_on": "change"}})) == {}


def test_a_gate_before_the_chain_is_before_the_task() -> None:
    limits = {"error_after": {"count": 1, "period": "day"}}
    fresh = replace(source("web", "events"), freshness=limits, loaded_at_field="at")
    plan = fused(fresh, view("a", "source:web.events"), view("b", "a"))
    assert tasks_of(plan, "sales__daily")["b"].upstream == ("fresh__web__events",)


POD: dict[str, Any] = {"type": "kubernetes_pod", "pod": {"image_name": "shop/dbt:1"}}
GKE = {**POD, "type": "gke_pod", "project_id": "p", "location": "l", "cluster_name": "dbt"}
EKS = {**POD, "type": "eks_pod", "cluster_name": "dbt"}


@pytest.mark.parametrize("row", [{"type": "dbt_api", "conn_id": "big"}, POD, GKE, EKS])
def test_every_runner_of_dbt_takes_a_chain_as_one_task(row: dict[str, Any]) -> None:
    plan = fused(view("a"), test("a_good", "a"), view("b", "a"), settings={"runners": {"*": row}})
    assert together(plan) == {"b": ["a", "b", "a_good"]}
    task = tasks_of(plan, "sales__daily")["b"]
    assert task.runner == row["type"]
    assert (task.runner_options is not None) == (row["type"] == "dbt_api")
    assert (task.dbt_pod is not None) == row["type"].endswith("_pod")


@pytest.mark.parametrize(
    ("row", "of_b"),
    [
        (POD, {"type": "kubernetes_pod", "pod": {"image_name": "shop/dbt:2"}}),
        (POD, "local"),
        (GKE, {"type": "gke_pod", "pod": {"image_name": "shop/dbt:2"}}),
        ({"type": "dbt_api", "conn_id": "big"}, {"type": "dbt_api", "poke": 60}),
    ],
)
def test_another_pod_or_server_is_another_place(row: dict[str, Any], of_b: Any) -> None:
    entries = (view("a"), view("b", "a", meta={"runner": of_b}), view("c", "b"))
    assert together(fused(*entries, settings={"runners": {"*": row}})) == {}
    alike = (view("a"), view("b", "a", meta={"runner": of_b}), view("c", "b", meta={"runner": of_b}))
    assert together(fused(*alike, settings={"runners": {"*": row}})) == {"c": ["b", "c"]}


def test_a_cluster_of_the_run_is_made_before_the_task_and_deleted_after_it() -> None:
    row = GKE | {"create": {"autopilot": {"enabled": True}}}
    plan = fused(view("a"), test("a_good", "a"), view("b", "a"), settings={"runners": {"*": row}})
    tasks = tasks_of(plan, "sales__daily")
    assert sorted(tasks) == ["b", "cluster__dbt", "cluster__dbt__deletion", "cluster__dbt__ready"]
    assert tasks["b"].upstream == ("cluster__dbt__ready",)
    assert tasks["cluster__dbt__deletion"].upstream == ("b", "cluster__dbt")


def test_explain_tells_with_which_nodes_one_shares_a_task() -> None:
    built = build_of(view("a"), test("a_good", "a"), view("b", "a"), settings={"granularity": "fused"})
    (found,) = explain(built, "model.shop.a")
    told = {reason.what: reason.value for reason in found.reasons}
    assert found.task_id == "b"
    assert told["runs together with"] == "model.shop.b, test.shop.a_good"
    assert (told["tested by"], told["done after"]) == ("b", "b")


def test_dbt_af_ids_and_fused_exclude_each_other() -> None:
    from dbt_af_k8s.config.resolve import resolve_settings
    from dbt_af_k8s.config.written import Config

    written = Config.model_validate({"granularity": "fused", "dags": {"task_ids": "dbt_af"}})
    settings, issues = resolve_settings(written, file="dbt_af_k8s.yml")
    assert (settings.granularity, [issue.key for issue in issues if issue.is_error]) == ("node", ["granularity"])
