"""Good plans pass the proof, small ones made by hand and large ones; faults between DAGs are found."""

import itertools
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from building import inputs_of, model, project, test

from dbt_af_k8s.errors import PlanInvariantError
from dbt_af_k8s.plan.build import build_plan
from dbt_af_k8s.plan.values import DagKind, DagPlan, Plan, TaskKind, TaskPlan, WaitsFor
from dbt_af_k8s.plan.verify import verify, violations

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_left_out_parent_must_be_stated() -> None:
    manifest = project(model("a"), model("b", "a"))
    plan = build_plan(inputs_of(manifest, {"select": "b"}))
    assert violations(plan, manifest) == ()
    task = replace(plan.dags[0].tasks[0], not_waited=())
    silent = replace(plan, dags=(replace(plan.dags[0], tasks=(task,)),))
    assert violations(silent, manifest) == (
        "model.shop.b depends on model.shop.a, which is left out, and does not say so",
    )


def test_a_broken_domain_is_proved_too() -> None:
    manifest = project(
        model("a", folder="bad", meta={"schedule": "@dayly"}),
        model("by_hand", folder="bad", meta={"schedule": "@manual"}),
        model("c", "a", "by_hand"),
    )
    plan = build_plan(inputs_of(manifest))
    assert violations(plan, manifest) == ()
    eager = replace(plan.dag("bad__daily").tasks[0], retry=replace(plan.dag("bad__daily").tasks[0].retry, retries=2))
    dags = tuple(replace(dag, tasks=(eager,)) if dag.dag_id == "bad__daily" else dag for dag in plan.dags)
    (fault,) = violations(replace(plan, dags=dags), manifest)
    assert fault == "DAG `bad__daily`: it is broken and its task is not an endpoint without retries"


def test_the_last_parent_is_worked_out_from_the_manifest() -> None:
    """Larger depth, then larger id: ephemeral models and skipped edges count, sources do not."""
    manifest = project(
        model("z"),
        model("e", "z", materialized="ephemeral"),
        model("a", "e", folder="web"),
        model("b", "z", folder="ops"),
        test("t", "a", "b", "z"),
        test("u", "e", "b"),
    )
    plan = build_plan(inputs_of(manifest))
    assert violations(plan, manifest) == ()
    for name, dag_id in (("t", "web__daily"), ("u", "ops__daily")):
        assert any(f"test.shop.{name}" in task.nodes for task in plan.dag(dag_id).tasks)


def hand_made(*dags: DagPlan, **rest: object) -> Plan:
    return Plan("shop", "0" * 64, "1.11.0", dags, **rest)


def dag_of(dag_id: str, *tasks: TaskPlan, schedule: str | None = "0 0 * * *") -> DagPlan:
    kind = DagKind.SCHEDULED if schedule else DagKind.MANUAL
    return DagPlan(dag_id, kind, dag_id, schedule, "@daily", "UTC", START, tasks=tasks)


def wait_of(dag_id: str, task_id: str) -> TaskPlan:
    wait = WaitsFor(dag_id, task_id, f"model.shop.{task_id}", "last", "0 0 * * *", "UTC", START, catchup=False)
    return TaskPlan(f"wait__{task_id}", TaskKind.WAIT, waits_for=wait)


def run_of(name: str, *upstream: str) -> TaskPlan:
    return TaskPlan(name, TaskKind.RUN, nodes=(f"model.shop.{name}",), upstream=upstream)


def test_a_plan_by_hand_passes() -> None:
    manifest = project(model("a"), model("b", "a"), model("c", "b"))
    plan = hand_made(dag_of("x", run_of("a"), run_of("b", "a")), dag_of("y", wait_of("x", "b"), run_of("c", "wait__b")))
    assert violations(plan, manifest) == ()


@pytest.mark.parametrize("year", [1, 1893, 1969, 2025, 2400, 9999])
def test_start_dates_of_any_year_pass(year: int) -> None:
    start = datetime(year, 6, 1, tzinfo=UTC)
    manifest = project(model("b"), model("c", "b"))
    wait = wait_of("x", "b")
    wait = replace(wait, waits_for=replace(wait.waits_for, start_date=start, timezone="Europe/Amsterdam"))
    dags = (dag_of("x", run_of("b")), dag_of("y", wait, run_of("c", "wait__b")))
    dags = tuple(replace(dag, start_date=start, timezone="Europe/Amsterdam") for dag in dags)
    assert violations(hand_made(*dags), manifest) == ()


def test_dags_that_wait_for_each_other_are_found() -> None:
    """Each DAG is in order, each wait points to what exists, and no run could ever go on."""
    manifest = project(model("a"), model("b", "a"), model("c"), model("d", "c"))
    plan = hand_made(
        dag_of("x", wait_of("y", "d"), run_of("a", "wait__d"), run_of("b", "a")),
        dag_of("y", wait_of("x", "b"), run_of("c", "wait__b"), run_of("d", "c")),
    )
    (fault,) = violations(plan, manifest)
    assert fault == (
        "these tasks wait for each other, over all DAGs: `x.a`, `x.b`, `x.wait__d`, `y.c`, `y.d` and 1 more"
    )


def test_a_cycle_in_the_manifest_does_not_stop_the_proof() -> None:
    manifest = project(
        model("a", "b", folder="bad"), model("b", "a", folder="bad"), model("c", "b"), model("d"), test("t", "c", "d")
    )
    plan = build_plan(inputs_of(manifest))
    assert violations(plan, manifest) == ()


def test_many_violations_are_counted() -> None:
    manifest = project(*(model(f"m{index:02}") for index in range(33)))
    with pytest.raises(PlanInvariantError) as caught:
        verify(hand_made(), manifest)
    lines = str(caught.value).splitlines()
    assert lines[0] == "The plan breaks 33 promises. This is a fault of dbt-af-k8s:"
    assert lines[1] == "- model.shop.m00 is lost: it is in no task and not left out"
    assert len(lines) == 22
    assert lines[-1] == "- and 13 more"


def test_a_chain_of_ten_thousand_and_its_circle() -> None:
    names = [f"m{index}" for index in range(10_000)]
    manifest = project(model("m0"), *(model(name, before) for before, name in itertools.pairwise(names)))
    tasks = [run_of("m0"), *(run_of(name, before) for before, name in itertools.pairwise(names))]
    assert violations(hand_made(dag_of("x", *tasks)), manifest) == ()
    tasks[0] = run_of("m0", "m9999")
    found = violations(hand_made(dag_of("x", *tasks)), manifest)
    assert any("go in a circle" in fault for fault in found)


def test_a_large_plan_is_proved_quickly() -> None:
    schedules = ("@every15minutes", "@hourly", "@daily", "@weekly", "@monthly")
    models = [
        model(
            f"m{number}",
            *sorted({f"m{number * 7 // 8}", f"m{number - 1}"} if number else ()),
            folder=f"domain{number % 8}",
            meta={"schedule": schedules[number % 5]},
        )
        for number in range(5_000)
    ]
    tests = [test(f"t{number}", f"m{number // 2}", f"m{number // 3}") for number in range(10_000)]
    manifest = project(*models, *tests)
    plan = build_plan(inputs_of(manifest))
    begin = time.process_time()
    assert violations(plan, manifest) == ()
    assert time.process_time() - begin < 3
