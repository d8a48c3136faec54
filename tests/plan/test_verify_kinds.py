"""Every way to break the further kinds of DAG is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from building import inputs_of, model, project, source, test

from dbt_af_k8s.plan.build import build_plan
from dbt_af_k8s.plan.values import Plan, TaskPlan
from dbt_af_k8s.plan.verify import violations

LIMITS = {"error_after": {"count": 1, "period": "day"}}
MANIFEST = project(
    replace(source("web", "events"), freshness=LIMITS, loaded_at_field="at"),
    test("events_ok", "source:web.events"),
    model("inlined", "source:web.events", materialized="ephemeral"),
    model("orders", "inlined"),
    model("lines", "orders"),
    test("lines_medium", "lines", tags=("@medium",)),
    test("lines_big", "lines", "orders", tags=("@large",)),
)
PLAN = build_plan(inputs_of(MANIFEST))


def changed(dag_id: str, task_id: str, change: Callable[[TaskPlan], TaskPlan]) -> Plan:
    dag = PLAN.dag(dag_id)
    tasks = tuple(change(task) if task.task_id == task_id else task for task in dag.tasks)
    return replace(PLAN, dags=tuple(replace(dag, tasks=tasks) if each is dag else each for each in PLAN.dags))


def without_edge(dag_id: str, task_id: str, upstream: str) -> Plan:
    def change(task: TaskPlan) -> TaskPlan:
        assert upstream in task.upstream, task.upstream
        return replace(task, upstream=tuple(up for up in task.upstream if up != upstream))

    return changed(dag_id, task_id, change)


def test_the_plan_passes() -> None:
    assert violations(PLAN, MANIFEST) == ()


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            without_edge("sales__daily", "orders", "wait__web__events"),
            "model.shop.orders does not wait for the tests of source.shop.web.events",
        ),
        (
            without_edge("sales__daily", "orders", "fresh__web__events"),
            "model.shop.orders does not come after `fresh__web__events`",
        ),
        (
            changed(
                "sales__daily",
                "wait__web__events",
                lambda task: replace(task, waits_for=replace(task.waits_for, task_id="fresh__web__events")),
            ),
            "source.shop.web.events is done after `web__events__tests`",
        ),
        (
            without_edge("sales__large_tests__daily", "lines__large_tests", "wait__lines"),
            "test.shop.lines_big (`sales__large_tests__daily.lines__large_tests`) does not wait for model.shop.lines",
        ),
        (
            without_edge("sales__large_tests__daily", "lines__large_tests", "wait__orders"),
            "does not wait for model.shop.orders",
        ),
        (
            without_edge("sales__backfill", "lines", "orders"),
            "model.shop.lines (`sales__backfill.lines`) does not come after model.shop.orders",
        ),
        (
            without_edge("sales__daily", "lines__medium_tests", "lines"),
            "test.shop.lines_medium (`sales__daily.lines__medium_tests`) does not come after model.shop.lines",
        ),
    ],
)
def test_every_mutation_is_found(plan: Plan, message: str) -> None:
    found = violations(plan, MANIFEST)
    assert any(message in each for each in found), found
